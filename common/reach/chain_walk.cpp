#include "common/reach/chain_walk.h"

#include <algorithm>

#include "common/reach/source_trace.h"

namespace lapwing::reach {

namespace {

constexpr int kJumpDepth = 16;  // NFT_JUMP_STACK_SIZE

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
            notes_.unknowns.insert(place + ": a program decides (queue)");
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
    out.translated_by.merge(inner.translated_by);
    out.targets.insert(out.targets.end(), inner.targets.begin(), inner.targets.end());
    const unsigned back = decision.action == Action::jump ? kNext : kReturn;
    return (inner.may & kFinal) | ((inner.may & (kNext | kReturn)) != 0 ? back : 0U);
}

unsigned ChainWalk::decideByMap(const Table& table, const Statement& statement, const std::string& place,
                                int depth, ChainOutcome& out) {
    std::vector<FieldValue> values;
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            return kNext;
        }
    }
    if (notes_.trace != nullptr) {
        notes_.trace->visit(statement, values);
    }
    // Where a notrack may apply, the state is new or untracked: an element that fits either may match.
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
        notes_.unknowns.insert(place + ": " + statement.text);
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
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            return kNext;
        }
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
        notes_.unknowns.insert(place + ": " + statement.text + " by a map");
    }
    return may | kNext;
}

void ChainWalk::mayMark() {
    if (!notes_.marked) {
        notes_.marked = true;
        done_.clear();
    }
}

unsigned ChainWalk::rule(const Table& table, const Rule& rule, int depth, ChainOutcome& out) {
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
                    notes_.unknowns.insert(rule.place + ": " + statement.text);
                    may |= kNext;
                }
                if (!statement.adds_to.empty() && added_.insert({table_, statement.adds_to}).second) {
                    done_.clear();
                }
                break;
            }
            case Statement::Kind::fixed:
                if (!statement.text.empty()) {
                    notes_.assumptions.insert(statement.text + ": " + rule.place);
                }
                if (!statement.fixed) {
                    return may | kNext;
                }
                break;
            case Statement::Kind::unknown_match:
                notes_.unknowns.insert(rule.place + ": " + statement.text);
                may |= kNext;
                break;
            case Statement::Kind::unknown_effect:
                mayMark();
                notes_.unknowns.insert(rule.place + ": " + statement.text);
                out.accepted_by.insert(rule.place);
                out.dropped_by.insert(rule.place);
                may |= kAccept | kDrop | kNext;
                if (base_->type == ChainType::nat) {
                    out.targets.push_back({std::nullopt, std::nullopt, false, true});
                    may |= kTranslate;
                }
                break;
            case Statement::Kind::mark:
                mayMark();
                break;
            case Statement::Kind::translate:
                return may | translate(statement, rule.place, out);
            case Statement::Kind::translate_source:
                out.accepted_by.insert(rule.place);
                return may | kAccept;
            case Statement::Kind::vmap:
                return may | decideByMap(table, statement, rule.place, depth, out);
            case Statement::Kind::decision:
                return may | decide(table, statement.decision, rule.place, depth, out);
        }
    }
    return may | kNext;
}

ChainOutcome ChainWalk::chain(const Table& table, const std::string& name, int depth) {
    ChainOutcome out;
    const auto found = table.chains.find(name);
    if (found == table.chains.end() || depth > kJumpDepth || open_.contains(&found->second)) {
        notes_.unknowns.insert(std::string(tableFamilyName(table.family)) + " " + table.name + " " + name +
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
        if (isOutside(each)) {
            continue;
        }
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

ChainOutcome ChainWalk::base(const Table& table, const Chain& chain, const std::string& name,
                             const PacketView& view) {
    table_ = &table;
    base_ = &chain;
    view_ = view;
    bounded_.clear();
    // Before conntrack, a packet belongs to no connection.
    const bool before_conntrack =
        (chain.hook == Hook::prerouting || chain.hook == Hook::output) && chain.priority < kConntrackPriority;
    const bool tracked = chain.hook != Hook::ingress && !before_conntrack;
    ct_state_ = !tracked ? kInvalid : view.answer ? kEstablished : kNew;
    // nft does not list the order of chains with equal priority.
    others_mark_ = std::any_of(model_.tables.begin(), model_.tables.end(), [&](const Table& other) {
        return other.sets_marks &&
               std::any_of(other.base_chains.begin(), other.base_chains.end(), [&](const auto& beside) {
                   const auto one = other.chains.find(beside);
                   return one != other.chains.end() && &one->second != base_ &&
                          one->second.hook == chain.hook && one->second.priority == chain.priority;
               });
    });
    done_.clear();
    auto out = this->chain(table, name, 0);
    if ((out.may & (kNext | kReturn)) != 0) {
        const auto place = chain.place + " policy " + policyName(chain.policy);
        out.may |= chain.dropsByDefault() ? kDrop : kAccept;
        (chain.dropsByDefault() ? out.dropped_by : out.accepted_by).insert(place);
    }
    if ((out.may & (kDrop | kReject)) != 0 && (table.maybe_dormant || chain.device_unknown)) {
        notes_.unknowns.insert(chain.place + (table.maybe_dormant ? ": its table may be dormant"
                                                                  : ": its device is not listed"));
        out.may |= kAccept;
    }
    return out;
}

}  // namespace lapwing::reach
