#include <algorithm>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

// What a chain, or a rule of one, may do with the packet: a set of bits.
constexpr unsigned kAccept = 1;
constexpr unsigned kDrop = 2;
constexpr unsigned kReject = 4;
constexpr unsigned kNext = 8;     // goes on with the next rule
constexpr unsigned kReturn = 16;  // goes back to the calling chain
constexpr unsigned kTranslate = 32;
constexpr unsigned kFinal = kAccept | kDrop | kReject | kTranslate;

// Conntrack's states, as symbol() numbers them.
constexpr std::uint64_t kInvalid = 1;
constexpr std::uint64_t kEstablished = 2;
constexpr std::uint64_t kNew = 8;
constexpr std::uint64_t kUntracked = 64;

constexpr int kJumpDepth = 16;  // NFT_JUMP_STACK_SIZE
constexpr int kConntrackPriority = -200;

struct Outcome {
    unsigned may = 0;
    std::set<std::string> accepted_by;
    std::set<std::string> dropped_by;
};

struct FieldValue {
    enum class Kind { absent, unknown, range, name, no_interface };
    Kind kind = Kind::unknown;
    Range range;
    std::string name;
};

FieldValue absent() {
    return {FieldValue::Kind::absent, {}, {}};
}
FieldValue number(std::uint64_t value) {
    return {FieldValue::Kind::range, {keyOf(value), keyOf(value)}, {}};
}
FieldValue between(std::uint64_t low, std::uint64_t high) {
    return {FieldValue::Kind::range, {keyOf(low), keyOf(high)}, {}};
}

void noteAll(std::vector<std::string>& out, const std::set<std::string>& notes) {
    out.assign(notes.begin(), notes.end());
}

Key masked(const Key& key, const Key& mask) {
    Key out{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(key[i] & mask[i]);
    }
    return out;
}

Truth nameMatches(const FieldValue& value, const Term& term) {
    if (term.kind != Term::Kind::name) {
        return Truth::unknown;
    }
    if (term.name == "*") {
        return Truth::yes;
    }
    if (value.name.empty()) {
        // A packet from elsewhere does not come in by the loopback interface, whatever the interface is.
        return term.name == "lo" ? Truth::no : Truth::unknown;
    }
    if (term.name.ends_with('*')) {
        return value.name.starts_with(term.name.substr(0, term.name.size() - 1)) ? Truth::yes : Truth::no;
    }
    return value.name == term.name ? Truth::yes : Truth::no;
}

Truth termMatches(const FieldValue& value, const Field& field, const Term& term, Operator op) {
    if (value.kind == FieldValue::Kind::unknown || term.kind == Term::Kind::unknown) {
        return Truth::unknown;
    }
    if (value.kind == FieldValue::Kind::no_interface) {
        return Truth::no;
    }
    if (value.kind == FieldValue::Kind::name) {
        return nameMatches(value, term);
    }
    if (term.kind != Term::Kind::range) {
        return Truth::unknown;
    }
    auto range = value.range;
    if (field.mask || op == Operator::any_bit) {
        if (range.low != range.high) {
            return Truth::unknown;
        }
        if (field.mask) {
            range.low = range.high = masked(range.low, *field.mask);
        }
        if (op == Operator::any_bit) {
            return masked(range.low, term.range.low) != Key{} ? Truth::yes : Truth::no;
        }
    }
    if (range.high < term.range.low || term.range.high < range.low) {
        return Truth::no;
    }
    return term.range.low <= range.low && range.high <= term.range.high ? Truth::yes : Truth::unknown;
}

class Walk {
  public:
    /// `answer`: what this host says to the packet (the second of a TCP handshake), on its way out.
    Walk(const Ruleset::Model& model, const Packet& packet, bool answer = false)
        : model_(model), packet_(packet), answer_(answer) {}

    Result run();

  private:
    bool passes(const Table& table) const {
        return table.family == "inet" || table.family == "netdev" ||
               table.family == (packet_.source.family == Family::ipv4 ? "ip" : "ip6");
    }
    FieldValue valueOf(const Field& field);
    FieldValue ctValue(std::uint64_t of_packet, bool known) const;
    int hookOrder(const Chain& chain) const;
    Truth elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                         const Element& element) const;
    Truth matches(const Statement& statement, bool& applies);
    Truth matchesOnce(const Statement& statement, bool& applies);
    unsigned decide(const Table& table, const Decision& decision, const std::string& place, int depth,
                    Outcome& out);
    unsigned decideByMap(const Table& table, const Statement& statement, const std::string& place, int depth,
                         Outcome& out);
    unsigned rule(const Table& table, const Rule& rule, int depth, Outcome& out);
    Outcome chain(const Table& table, const std::string& name, int depth);
    Outcome base(const Table& table, const Chain& chain, const std::string& name);

    const Ruleset::Model& model_;
    const Packet& packet_;
    const bool answer_;
    const Table* table_ = nullptr;  ///< of the base chain that is being walked
    const Chain* base_ = nullptr;
    std::uint64_t ct_state_ = kNew;
    std::map<const Chain*, Outcome> done_;
    std::set<const Chain*> open_;  ///< being walked: a jump to one of them goes in a circle
    std::set<std::pair<const Table*, std::string>> added_;  ///< sets that the packet may be in by now
    std::set<std::string> unknowns_;
    std::set<std::string> assumptions_;
};

FieldValue Walk::valueOf(const Field& field) {
    const bool v4 = packet_.source.family == Family::ipv4;
    const bool tcp = packet_.protocol == Protocol::tcp;
    Range source{packet_.source.low, packet_.source.high};
    Range destination{packet_.destination.key, packet_.destination.key};
    auto source_port = between(1024, 65535);
    auto destination_port = number(packet_.port);
    if (answer_) {
        std::swap(source, destination);
        std::swap(source_port, destination_port);
    }
    const FieldValue interface { FieldValue::Kind::name, {}, packet_.interface };
    // To the kernel an interface that is not there is one of another name.
    const FieldValue no_interface{FieldValue::Kind::no_interface, {}, {}};
    switch (field.kind) {
        case FieldKind::ip_source:
            return v4 ? FieldValue{FieldValue::Kind::range, source, {}} : absent();
        case FieldKind::ip6_source:
            return v4 ? absent() : FieldValue{FieldValue::Kind::range, source, {}};
        case FieldKind::ip_destination:
            return v4 ? FieldValue{FieldValue::Kind::range, destination, {}} : absent();
        case FieldKind::ip6_destination:
            return v4 ? absent() : FieldValue{FieldValue::Kind::range, destination, {}};
        case FieldKind::ip_protocol:
            return v4 ? number(static_cast<unsigned>(packet_.protocol)) : absent();
        case FieldKind::ip6_next_header:
            return v4 ? absent() : number(static_cast<unsigned>(packet_.protocol));
        case FieldKind::ip_version:
            return v4 ? number(4) : absent();
        case FieldKind::tcp_source_port:
            return tcp ? source_port : absent();
        case FieldKind::tcp_destination_port:
            return tcp ? destination_port : absent();
        case FieldKind::tcp_flags:
            return tcp ? number(answer_ ? 0x12 : 0x02) : absent();
        case FieldKind::udp_source_port:
            return tcp ? absent() : source_port;
        case FieldKind::udp_destination_port:
            return tcp ? absent() : destination_port;
        case FieldKind::any_source_port:
            return source_port;
        case FieldKind::any_destination_port:
            return destination_port;
        case FieldKind::other_protocol:
            return absent();
        case FieldKind::interface_in:
            return answer_ ? no_interface : interface;
        case FieldKind::interface_out:
            return answer_ ? interface : no_interface;
        case FieldKind::transport:
            return number(static_cast<unsigned>(packet_.protocol));
        case FieldKind::nf_protocol:
            return number(v4 ? 2 : 10);
        case FieldKind::ether_type:
            return number(v4 ? 0x0800 : 0x86dd);
        case FieldKind::mark:
            return model_.sets_marks ? FieldValue{} : number(0);
        case FieldKind::ct_mark:
            return ctValue(0, !model_.sets_marks);
        case FieldKind::ct_direction:
            return ctValue(answer_ ? 1 : 0, true);
        case FieldKind::ct_status:
            return ctValue(0, !answer_);
        case FieldKind::ct_state:
            return base_->priority == kConntrackPriority ? FieldValue{} : number(ct_state_);
        case FieldKind::packet_type:
            return answer_ ? FieldValue{} : number(0);
        case FieldKind::fib_destination_type:
            return answer_ ? FieldValue{} : number(2);
        case FieldKind::fib_source_route:
            if (answer_) {
                return {};
            }
            assumptions_.insert("the source is routed back by the interface on which it arrives");
            return number(1);
        case FieldKind::unknown:
            return {};
    }
    return {};
}

/// What only a tracked packet has.
FieldValue Walk::ctValue(std::uint64_t of_packet, bool known) const {
    if (ct_state_ == kInvalid) {
        return absent();
    }
    const bool certain = known && !model_.untracks && base_->priority != kConntrackPriority;
    return certain ? number(of_packet) : FieldValue{};
}

Truth Walk::elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                           const Element& element) const {
    auto all = Truth::yes;
    for (std::size_t i = 0; i < values.size() && i < element.parts.size(); ++i) {
        const auto one = termMatches(values[i], statement.fields[i], element.parts[i], statement.op);
        if (one == Truth::no) {
            return Truth::no;
        }
        if (one == Truth::unknown) {
            all = Truth::unknown;
        }
    }
    return all == Truth::yes && element.timed ? Truth::unknown : all;
}

/// `applies` is false where the packet lacks the header: then the rule does not match, negated or not.
Truth Walk::matches(const Statement& statement, bool& applies) {
    auto truth = matchesOnce(statement, applies);
    if (applies && model_.untracks) {
        // A notrack somewhere: the packet is new or untracked. What both give is certain.
        const auto tracked = ct_state_;
        ct_state_ = kUntracked;
        const auto other = matchesOnce(statement, applies);
        ct_state_ = tracked;
        truth = truth == other ? truth : Truth::unknown;
    }
    return truth;
}

Truth Walk::matchesOnce(const Statement& statement, bool& applies) {
    std::vector<FieldValue> values;
    applies = true;
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            applies = false;
            return Truth::no;
        }
    }
    auto any = Truth::no;
    for (const auto& element : statement.data.elements) {
        const auto one = elementMatches(statement, values, element);
        if (one == Truth::yes) {
            any = one;
            break;
        }
        if (one == Truth::unknown) {
            any = one;
        }
    }
    if (any == Truth::no && !statement.set.empty() && added_.contains({table_, statement.set})) {
        any = Truth::unknown;
    }
    return statement.op == Operator::not_equal ? negate(any) : any;
}

unsigned Walk::decide(const Table& table, const Decision& decision, const std::string& place, int depth,
                      Outcome& out) {
    switch (decision.action) {
        case Action::accept:
            out.accepted_by.insert(place);
            return kAccept;
        case Action::drop:
            out.dropped_by.insert(place);
            return kDrop;
        case Action::reject:
            out.dropped_by.insert(place);
            return kReject;
        case Action::return_:
            return kReturn;
        case Action::continue_:
            return kNext;
        case Action::queue:
            unknowns_.insert(place + ": a program decides (queue)");
            out.accepted_by.insert(place);
            out.dropped_by.insert(place);
            return kAccept | kDrop;
        case Action::jump:
        case Action::go_to:
            break;
    }
    auto inner = chain(table, decision.chain, depth + 1);
    out.accepted_by.merge(inner.accepted_by);
    out.dropped_by.merge(inner.dropped_by);
    const unsigned back = decision.action == Action::jump ? kNext : kReturn;
    return (inner.may & kFinal) | ((inner.may & (kNext | kReturn)) != 0 ? back : 0U);
}

unsigned Walk::decideByMap(const Table& table, const Statement& statement, const std::string& place,
                           int depth, Outcome& out) {
    std::vector<FieldValue> values;
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            return kNext;
        }
    }
    // Where a notrack may apply, a state is new or untracked: an element that fits one of them may be the
    // one.
    auto others = values;
    for (std::size_t i = 0; i < others.size(); ++i) {
        if (model_.untracks && statement.fields[i].kind == FieldKind::ct_state) {
            others[i] = number(kUntracked);
        }
    }
    unsigned may = 0;
    for (std::size_t i = 0; i < statement.data.elements.size() && i < statement.data.decisions.size(); ++i) {
        const auto first = elementMatches(statement, values, statement.data.elements[i]);
        const auto second = elementMatches(statement, others, statement.data.elements[i]);
        const auto truth = first == second ? first : Truth::unknown;
        if (truth == Truth::no) {
            continue;
        }
        may |= decide(table, statement.data.decisions[i], place, depth, out);
        if (truth == Truth::yes) {
            return may;
        }
        unknowns_.insert(place + ": " + statement.text);
    }
    return may | kNext;
}

unsigned Walk::rule(const Table& table, const Rule& rule, int depth, Outcome& out) {
    unsigned may = 0;
    for (const auto& statement : rule.statements) {
        switch (statement.kind) {
            case Statement::Kind::match: {
                bool applies = true;
                const auto truth = matches(statement, applies);
                if (truth == Truth::no) {
                    return may | kNext;
                }
                if (truth == Truth::unknown) {
                    unknowns_.insert(rule.place + ": " + statement.text);
                    may |= kNext;
                }
                if (!statement.adds_to.empty() && added_.insert({table_, statement.adds_to}).second) {
                    done_.clear();
                }
                break;
            }
            case Statement::Kind::fixed:
                if (!statement.text.empty()) {
                    assumptions_.insert(statement.text + ": " + rule.place);
                }
                if (!statement.fixed) {
                    return may | kNext;
                }
                break;
            case Statement::Kind::unknown_match:
                unknowns_.insert(rule.place + ": " + statement.text);
                may |= kNext;
                break;
            case Statement::Kind::unknown_effect:
                unknowns_.insert(rule.place + ": " + statement.text);
                out.accepted_by.insert(rule.place);
                out.dropped_by.insert(rule.place);
                may |= kAccept | kDrop | kNext | (base_->type == "nat" ? kTranslate : 0U);
                break;
            case Statement::Kind::translate:
                unknowns_.insert(rule.place + ": " + statement.text + " sends it elsewhere");
                return may | kAccept | kTranslate;
            case Statement::Kind::vmap:
                return may | decideByMap(table, statement, rule.place, depth, out);
            case Statement::Kind::decision:
                return may | decide(table, statement.decision, rule.place, depth, out);
        }
    }
    return may | kNext;
}

Outcome Walk::chain(const Table& table, const std::string& name, int depth) {
    Outcome out;
    const auto found = table.chains.find(name);
    if (found == table.chains.end() || depth > kJumpDepth || open_.contains(&found->second)) {
        unknowns_.insert(table.family + " " + table.name + " " + name +
                         ": jumps too deep or in a circle, or to a chain that is not listed");
        out.may = kAccept | kDrop | kNext;
        return out;
    }
    const auto known = done_.find(&found->second);
    if (known != done_.end()) {
        return known->second;
    }
    open_.insert(&found->second);
    bool reached = true;
    for (const auto& each : found->second.rules) {
        const auto may = rule(table, each, depth, out);
        out.may |= may & (kFinal | kReturn);
        if ((may & kNext) == 0) {
            reached = false;
            break;
        }
    }
    if (reached) {
        out.may |= kNext;
    }
    open_.erase(&found->second);
    done_.emplace(&found->second, out);
    return out;
}

Outcome Walk::base(const Table& table, const Chain& chain, const std::string& name) {
    table_ = &table;
    base_ = &chain;
    // Before conntrack has seen it, a packet belongs to no connection.
    const bool tracked = chain.hook != "ingress" && chain.priority >= kConntrackPriority;
    ct_state_ = !tracked ? kInvalid : answer_ ? kEstablished : kNew;
    done_.clear();
    auto out = this->chain(table, name, 0);
    if ((out.may & (kNext | kReturn)) != 0) {
        const auto place = chain.place + (chain.drops_by_default ? " policy drop" : " policy accept");
        out.may |= chain.drops_by_default ? kDrop : kAccept;
        (chain.drops_by_default ? out.dropped_by : out.accepted_by).insert(place);
    }
    if ((out.may & (kDrop | kReject)) != 0 && (table.maybe_dormant || chain.device_unknown)) {
        unknowns_.insert(chain.place +
                         (table.maybe_dormant ? ": its table may be dormant" : ": its device is not listed"));
        out.may |= kAccept;
    }
    return out;
}

/// When the packet passes the chain; -1: not at all.
int Walk::hookOrder(const Chain& chain) const {
    const auto& hook = chain.hook;
    if (answer_) {
        // Chains of type nat see a connection's first packet only.
        return chain.type == "nat" ? -1 : hook == "output" ? 0 : hook == "postrouting" ? 1 : -1;
    }
    return hook == "ingress" ? 0 : hook == "prerouting" ? 1 : hook == "input" ? 2 : -1;
}

Result Walk::run() {
    struct Step {
        const Table* table;
        const Chain* chain;
        std::string name;
        int order;
    };
    std::vector<Step> steps;
    for (const auto& table : model_.tables) {
        if (!passes(table)) {
            continue;
        }
        for (const auto& name : table.base_chains) {
            const auto& chain = table.chains.at(name);
            if (hookOrder(chain) >= 0) {
                steps.push_back({&table, &chain, name, hookOrder(chain)});
            }
        }
    }
    std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
        return std::pair(a.order, a.chain->priority) < std::pair(b.order, b.chain->priority);
    });

    Result result;
    bool certain = model_.unknowns.empty();
    std::set<std::string> accepted_by;
    for (const auto& step : steps) {
        auto out = base(*step.table, *step.chain, step.name);
        const bool translated = model_.translates || (out.may & kTranslate) != 0;
        if (!translated && (out.may & kAccept) == 0) {
            result.verdict = Verdict::must_block;
            result.rejected = certain && (out.may & (kDrop | kReject)) == kReject;
            noteAll(result.decided_by, out.dropped_by);
            noteAll(result.assumptions, assumptions_);
            return result;
        }
        if (translated) {
            certain = false;
            break;
        }
        if ((out.may & (kDrop | kReject)) != 0) {
            certain = false;
            accepted_by.merge(out.dropped_by);
        }
        accepted_by.merge(out.accepted_by);
    }
    result.verdict = certain ? Verdict::must_reach : Verdict::may;
    noteAll(result.decided_by, accepted_by);
    if (steps.empty()) {
        result.decided_by.emplace_back("no chain at the input hook");
    }
    unknowns_.insert(model_.unknowns.begin(), model_.unknowns.end());
    noteAll(result.unknowns, unknowns_);
    noteAll(result.assumptions, assumptions_);
    return result;
}

}  // namespace

const char* verdictName(Verdict verdict) {
    switch (verdict) {
        case Verdict::must_reach:
            return "must_reach";
        case Verdict::must_block:
            return "must_block";
        case Verdict::may:
            return "may";
    }
    return "may";
}

Result Ruleset::evaluate(const Packet& packet) const {
    auto result = Walk(*model_, packet).run();
    if (result.verdict != Verdict::must_reach || packet.protocol != Protocol::tcp) {
        return result;
    }
    const auto answer = Walk(*model_, packet, true).run();
    if (answer.verdict == Verdict::must_reach) {
        return result;
    }
    result.verdict = Verdict::may;
    for (const auto& place : answer.decided_by) {
        result.unknowns.push_back(place + ": may drop the answer");
    }
    result.unknowns.insert(result.unknowns.end(), answer.unknowns.begin(), answer.unknowns.end());
    return result;
}

bool Ruleset::filtersInput(Family family) const {
    for (const auto& table : model_->tables) {
        if (table.family != "inet" && table.family != (family == Family::ipv4 ? "ip" : "ip6")) {
            continue;
        }
        for (const auto& [name, chain] : table.chains) {
            if (chain.base && chain.hook == "input" && chain.type == "filter") {
                return true;
            }
        }
    }
    return false;
}

}  // namespace lapwing::reach
