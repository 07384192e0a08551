#include "common/reach/chain_walk.h"

#include <algorithm>

#include "common/reach/source_trace.h"

namespace lapwing::reach {

namespace {

constexpr int kJumpDepth = 16;  // NFT_JUMP_STACK_SIZE
constexpr int kMostRules = 1'000'000;
constexpr std::size_t kMostMarks = 8;

}  // namespace

unsigned ChainWalk::decide(const Table& table, const Decision& decision, const std::string& place, int depth,
                           ChainOutcome& out) {
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
            return unknownEffect(place, "a program decides (queue)", out);
        case Action::jump:
        case Action::go_to:
            break;
    }
    auto inner = chain(table, decision.chain, depth + 1);
    out.accepted_by.merge(inner.accepted_by);
    out.dropped_by.merge(inner.dropped_by);
    out.translated_by.merge(inner.translated_by);
    out.targets.insert(out.targets.end(), inner.targets.begin(), inner.targets.end());
    const unsigned back = decision.action == Action::jump ? kNext : kReturn;
    return (inner.may & kFinal) | ((inner.may & (kNext | kReturn)) != 0 ? back : 0U);
}

unsigned ChainWalk::decideByMap(const Table& table, const Statement& statement, const std::string& place,
                                int depth, ChainOutcome& out) {
    std::vector<FieldValue> values;
    if (!valuesOf(statement, values)) {
        return kNext;
    }
    if (notes_.trace != nullptr) {
        notes_.trace->visit(statement, values);
    }
    unsigned may = 0;
    const bool was_diverged = packet_.diverged;
    const int changes = changes_;
    for (std::size_t i = 0; i < statement.data.elements.size() && i < statement.data.decisions.size(); ++i) {
        const auto truth = elementMatches(statement, values, statement.data.elements[i]);
        if (truth == Truth::no) {
            continue;
        }
        if (truth == Truth::unknown) {
            noteUnknown(place, statement.text);
        }
        const auto decided = decide(table, statement.data.decisions[i], place, depth, out);
        may |= decided;
        if (truth == Truth::yes) {
            return may;
        }
        packet_.diverged = was_diverged || changes != changes_ || (decided & ~(kDrop | kReject | kNext)) != 0;
    }
    return may | kNext;
}

/// kNext where the map lacks the packet's key: then the rule does not match.
unsigned ChainWalk::translate(const Statement& statement, const std::string& place, ChainOutcome& out) {
    const auto note = [&](const Target& target) {
        out.translated_by.insert(place);
        out.targets.push_back(target);
        if (target.unknown) {
            notes_.unknowns.insert(place + ": " + statement.text + ", to where is not known");
        }
        return kTranslate;
    };
    if (statement.fields.empty()) {
        return note(statement.target);
    }
    std::vector<FieldValue> values;
    if (!valuesOf(statement, values)) {
        return kNext;
    }
    if (notes_.trace != nullptr) {
        notes_.trace->visit(statement, values);
    }
    unsigned may = 0;
    for (std::size_t i = 0; i < statement.data.elements.size() && i < statement.data.targets.size(); ++i) {
        const auto truth = elementMatches(statement, values, statement.data.elements[i]);
        if (truth != Truth::no) {
            may |= note(statement.data.targets[i]);
        }
        if (truth == Truth::yes) {
            return may;
        }
    }
    if (may != 0) {
        noteUnknown(place, statement.text + " by a map");
    }
    return may | kNext;
}

void ChainWalk::noteUnknown(const std::string& place, const std::string& what) {
    notes_.unknowns.insert(place + ": " + what);
    packet_.diverged = true;
}

/// Results of chains are kept as long as no rule changes what later rules see.
void ChainWalk::forget() {
    ++changes_;
    done_.clear();
}

/// A construct that is not understood: it may end the chain, jump, or change the packet.
unsigned ChainWalk::unknownEffect(const std::string& place, const std::string& what, ChainOutcome& out) {
    noteUnknown(place, what);
    if (!packet_.anything || packet_.mark || connection_.mark) {
        packet_.anything = notes_.anything = true;
        packet_.mark.reset();
        connection_.mark.reset();
        forget();
    }
    if (before_conntrack_) {
        untrack();
    }
    out.accepted_by.insert(place);
    out.dropped_by.insert(place);
    return kAccept | kDrop | kNext;
}

/// 0 where the rule ends: it reads the mark of a connection, and the packet has none.
unsigned ChainWalk::change(const Rule& rule, const MarkChange& change) {
    auto& target = change.target == MarkChange::Mark::packet ? packet_.mark : connection_.mark;
    const auto& source = change.source == MarkChange::Mark::packet ? packet_.mark : connection_.mark;
    const bool of_connection =
        change.target == MarkChange::Mark::connection || change.source == MarkChange::Mark::connection;
    const bool reads = change.source == MarkChange::Mark::connection && change.take != 0;
    const auto connected = view_.arp ? absent() : ctValue(number(0));
    if (of_connection && connected.kind == FieldValue::Kind::absent) {
        return reads ? 0 : kNext;
    }
    const bool sure = !of_connection || connected.kind == FieldValue::Kind::range;
    if (reads && !sure) {
        noteUnknown(rule.place, "the mark of the connection");
    }
    Marks fresh = std::set<std::uint32_t>{};
    // nft does not list the order of chains with equal priority: another one may have set the mark.
    const bool known =
        change.known && !others_mark_ && (target || change.keep == 0) && (source || change.take == 0) && sure;
    if (known) {
        const std::set<std::uint32_t> none{0};
        for (const auto old : change.keep == 0 ? none : *target) {
            for (const auto from : change.take == 0 ? none : *source) {
                fresh->insert((old & change.keep) ^ (from & change.take) ^ change.flip);
            }
        }
    }
    if (known && packet_.diverged && target) {
        fresh->insert(target->begin(), target->end());
    }
    if (!known || fresh->size() > kMostMarks || (packet_.diverged && !target)) {
        fresh.reset();
    }
    if (target != fresh) {
        target = std::move(fresh);
        forget();
    }
    return reads && !sure ? kNext | kReturn : kNext;
}

/// The packet belongs to no connection, where conntrack has not seen it yet.
void ChainWalk::untrack() {
    const bool beside = base_->priority == kConntrackPriority &&
                        (base_->hook == Hook::prerouting || base_->hook == Hook::output);
    if (!before_conntrack_ && !beside) {
        return;
    }
    const auto tracked = packet_.diverged || beside || packet_.anything ? Truth::unknown : Truth::no;
    if (packet_.tracked != Truth::no && packet_.tracked != tracked) {
        packet_.tracked = tracked;
        forget();
    }
}

/// A slow rate limit lets some packets of a connection pass; the next ones depend on the time.
unsigned ChainWalk::fixed(const Rule& rule, const Statement& statement) {
    if (statement.burst != 0) {
        forget();
        if (++connection_.limited[&statement] > statement.burst) {
            noteUnknown(rule.place, "a rate limit below the number of a connection's packets");
            return kNext | kReturn;
        }
    }
    if (!statement.text.empty()) {
        notes_.assumptions.insert(statement.text + ": " + rule.place);
    }
    return statement.fixed ? kNext : 0;
}

/// kNext where the rule goes on with its next statement, with kReturn where it may also end here.
unsigned ChainWalk::statement(const Rule& rule, const Statement& statement) {
    switch (statement.kind) {
        case Statement::Kind::match: {
            bool applies = true;
            const auto truth = matches(statement, applies);
            if (truth == Truth::no) {
                return 0;
            }
            if (truth == Truth::unknown) {
                noteUnknown(rule.place, statement.text);
            }
            if (!statement.adds_to.empty() && connection_.added.insert({table_, statement.adds_to}).second) {
                forget();
            }
            return truth == Truth::yes ? kNext : kNext | kReturn;
        }
        case Statement::Kind::fixed:
            return fixed(rule, statement);
        case Statement::Kind::unknown_match:
            noteUnknown(rule.place, statement.text);
            return kNext | kReturn;
        case Statement::Kind::mark:
            return change(rule, statement.mark);
        case Statement::Kind::overwrite:
            if (packet_.overwritten.insert(statement.fields[0].kind).second) {
                forget();
            }
            return kNext;
        case Statement::Kind::notrack:
            untrack();
            return kNext;
        default:
            break;
    }
    return kNext;
}

unsigned ChainWalk::rule(const Table& table, const Rule& rule, int depth, ChainOutcome& out) {
    unsigned may = 0;
    const bool was_diverged = packet_.diverged;
    const int changes = changes_;
    const auto ends = [&](unsigned decided) {
        // Where the packet is dropped or goes on as it was, one way is left.
        if (!was_diverged && changes == changes_ && (decided & ~(kDrop | kReject | kNext)) == 0) {
            packet_.diverged = false;
        }
        return may | decided;
    };
    for (const auto& each : rule.statements) {
        switch (each.kind) {
            case Statement::Kind::unknown_effect: {
                may |= unknownEffect(rule.place, each.text, out);
                if (base_->type == ChainType::nat) {
                    out.targets.push_back({std::nullopt, std::nullopt, false, true});
                    may |= kTranslate;
                }
                break;
            }
            case Statement::Kind::translate:
                return may | translate(each, rule.place, out);
            case Statement::Kind::translate_source:
                if (!packet_.source_translated) {
                    packet_.source_translated = true;
                    forget();
                }
                out.accepted_by.insert(rule.place);
                return may | kAccept;
            case Statement::Kind::vmap:
                return ends(decideByMap(table, each, rule.place, depth, out));
            case Statement::Kind::decision:
                return ends(decide(table, each.decision, rule.place, depth, out));
            default: {
                const auto goes = statement(rule, each);
                if (goes == 0) {
                    return may | kNext;
                }
                may |= (goes & kReturn) != 0 ? kNext : 0U;
                break;
            }
        }
    }
    return may | kNext;
}

ChainOutcome ChainWalk::chain(const Table& table, const std::string& name, int depth) {
    ChainOutcome out;
    const auto found = table.chains.find(name);
    if (found == table.chains.end() || depth > kJumpDepth || open_.contains(&found->second) ||
        rules_ > kMostRules) {
        out.may = unknownEffect(std::string(tableFamilyName(table.family)) + " " + table.name + " " + name,
                                "jumps too deep or in a circle, or to a chain that is not listed", out);
        return out;
    }
    const auto known = done_.find(&found->second);
    if (known != done_.end()) {
        return known->second;
    }
    open_.insert(&found->second);
    const int changes = changes_;
    bool reached = true;
    for (const auto& each : found->second.rules) {
        if (isOutside(each)) {
            continue;
        }
        ++rules_;
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
    if (changes == changes_) {
        done_.emplace(&found->second, out);
    }
    return out;
}

void ChainWalk::beginPacket() {
    connection_.tracked = conjunction(connection_.tracked, packet_.tracked);
    if (walked_) {
        auto& before = connection_.tracked_by.at(isReply(*walked_) ? 1 : 0);
        before = !before || *before == packet_.tracked ? packet_.tracked : Truth::unknown;
    }
    walked_.reset();
    packet_ = {};
    packet_.tracked = model_.untracks ? Truth::unknown : Truth::yes;
    rules_ = 0;
}

void ChainWalk::resume(const PacketState& packet, const ConnectionState& connection) {
    packet_ = packet;
    connection_ = connection;
}

ChainOutcome ChainWalk::base(const Table& table, const Chain& chain, const std::string& name,
                             const PacketView& view) {
    table_ = &table;
    base_ = &chain;
    view_ = view;
    walked_ = view.kind;
    bounded_.clear();
    // Before conntrack, a packet belongs to no connection.
    before_conntrack_ =
        chain.hook == Hook::ingress || ((chain.hook == Hook::prerouting || chain.hook == Hook::output) &&
                                        chain.priority < kConntrackPriority);
    // nft does not list the order of chains with equal priority.
    others_mark_ = std::any_of(model_.tables.begin(), model_.tables.end(), [&](const Table& other) {
        return other.sets_marks &&
               std::any_of(other.base_chains.begin(), other.base_chains.end(), [&](const auto& beside) {
                   const auto one = other.chains.find(beside);
                   return one != other.chains.end() && &one->second != base_ &&
                          one->second.hook == chain.hook && one->second.priority == chain.priority;
               });
    });
    const auto& device = chain.hook == Hook::egress ? view.interface_out : view.interface_in;
    const bool device_unknown = chain.device_unknown || (!chain.devices.empty() && device.name.empty());
    packet_.diverged = packet_.diverged || table.maybe_dormant || device_unknown;
    done_.clear();
    auto out = this->chain(table, name, 0);
    if ((out.may & (kNext | kReturn)) != 0) {
        const auto place = chain.place + " policy " + policyName(chain.policy);
        out.may |= chain.dropsByDefault() ? kDrop : kAccept;
        (chain.dropsByDefault() ? out.dropped_by : out.accepted_by).insert(place);
    }
    if ((out.may & (kDrop | kReject)) != 0 && (table.maybe_dormant || device_unknown)) {
        notes_.unknowns.insert(chain.place + (table.maybe_dormant ? ": its table may be dormant"
                                                                  : ": its device is not listed"));
        out.may |= kAccept;
    }
    return out;
}

}  // namespace lapwing::reach
