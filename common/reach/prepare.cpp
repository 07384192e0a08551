#include <algorithm>
#include <utility>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

bool isMatch(const Statement& statement) {
    return statement.kind == Statement::Kind::match && statement.adds_to.empty();
}

bool comparesAddress(const Statement& statement) {
    return std::any_of(statement.fields.begin(), statement.fields.end(),
                       [](const Field& field) { return isAddress(field.kind); });
}

/// Matches in a row may be evaluated in any order. Those of addresses come last: a rule that does not match
/// by its port tells no sources apart.
void putAddressesLast(Rule& rule) {
    auto& all = rule.statements;
    for (auto begin = all.begin(); begin != all.end();) {
        begin = std::find_if(begin, all.end(), isMatch);
        const auto end = std::find_if_not(begin, all.end(), isMatch);
        std::stable_partition(begin, end, [](const Statement& each) { return !comparesAddress(each); });
        begin = end;
    }
}

bool isBounding(FieldKind kind) {
    switch (kind) {
        case FieldKind::transport:
        case FieldKind::tcp_destination_port:
        case FieldKind::udp_destination_port:
        case FieldKind::any_destination_port:
            return true;
        default:
            return isAddress(kind);
    }
}

/// The bounds of the matches before the first statement that does something.
void findBounds(Rule& rule) {
    for (const auto& statement : rule.statements) {
        if (!isMatch(statement)) {
            return;
        }
        const auto& data = statement.data;
        const bool plain = statement.fields.size() == 1 && isBounding(statement.fields[0].kind) &&
                           !statement.fields[0].mask && statement.op == Operator::equal &&
                           statement.set.empty() && !data.index && !data.elements.empty();
        const bool ranges =
            plain && std::all_of(data.elements.begin(), data.elements.end(), [](const Element& each) {
                return each.parts.size() == 1 && each.parts[0].kind == Term::Kind::range;
            });
        if (!ranges) {
            continue;
        }
        Bounds bounds{statement.fields[0].kind, data.elements[0].parts[0].range};
        for (const auto& element : data.elements) {
            bounds.range.low = std::min(bounds.range.low, element.parts[0].range.low);
            bounds.range.high = std::max(bounds.range.high, element.parts[0].range.high);
        }
        rule.bounds.push_back(bounds);
    }
}

bool isSame(const Term& a, const Term& b) {
    return a.kind == b.kind && a.range == b.range && a.name == b.name;
}

bool isSame(const Element& a, const Element& b) {
    return a.timed == b.timed && std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                                            [](const Term& x, const Term& y) { return isSame(x, y); });
}

bool isSame(const Field& a, const Field& b) {
    return a.kind == b.kind && a.kind != FieldKind::unknown && a.mask == b.mask;
}

bool isSame(const Statement& a, const Statement& b) {
    const auto same = [](const auto& x, const auto& y) { return isSame(x, y); };
    if (a.kind != b.kind || a.adds_to != b.adds_to) {
        return false;
    }
    switch (a.kind) {
        case Statement::Kind::match:
            return a.op == b.op && a.set == b.set && a.data.index == b.data.index &&
                   std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(), same) &&
                   std::equal(a.data.elements.begin(), a.data.elements.end(), b.data.elements.begin(),
                              b.data.elements.end(), same);
        case Statement::Kind::fixed:
            return a.fixed == b.fixed;
        case Statement::Kind::decision:
            return a.decision == b.decision;
        default:
            return false;
    }
}

bool isSingleAddressMatch(const Statement& statement) {
    return isMatch(statement) && statement.fields.size() == 1 && isAddress(statement.fields[0].kind) &&
           !statement.fields[0].mask && statement.op == Operator::equal && statement.set.empty();
}

/// The match by whose addresses alone two rules differ; null if they differ in more.
Statement* difference(Rule& rule, const Rule& other) {
    Statement* out = nullptr;
    if (rule.statements.size() != other.statements.size()) {
        return nullptr;
    }
    for (std::size_t i = 0; i < rule.statements.size(); ++i) {
        auto& mine = rule.statements[i];
        const auto& its = other.statements[i];
        if (out == nullptr && isSingleAddressMatch(mine) && isSingleAddressMatch(its) &&
            mine.fields[0].kind == its.fields[0].kind) {
            out = &mine;
        } else if (!isSame(mine, its)) {
            return nullptr;
        }
    }
    return out;
}

void findRuns(Chain& chain, std::uint32_t& count) {
    for (std::size_t i = 1; i < chain.rules.size(); ++i) {
        auto* mine = difference(chain.rules[i], chain.rules[i - 1]);
        auto* before = difference(chain.rules[i - 1], chain.rules[i]);
        if (mine == nullptr || before == nullptr) {
            continue;
        }
        before->run = before->run == 0 ? ++count : before->run;
        mine->run = before->run;
    }
}

}  // namespace

void indexAddresses(const std::vector<Field>& fields, SetData& data) {
    constexpr std::size_t few = 16;
    if (fields.size() != 1 || !isAddress(fields[0].kind) || fields[0].mask || data.elements.size() <= few ||
        !data.decisions.empty() || !data.targets.empty()) {
        return;
    }
    std::vector<Range> lasting;
    std::vector<Range> timed;
    std::vector<Element> others;
    for (auto& element : data.elements) {
        if (element.parts.size() == 1 && element.parts[0].kind == Term::Kind::range) {
            (element.timed ? timed : lasting).push_back(element.parts[0].range);
        } else {
            others.push_back(std::move(element));
        }
    }
    data.elements = std::move(others);
    data.index = std::make_shared<const AddressIndex>(
        AddressIndex{Intervals(std::move(lasting)), Intervals(std::move(timed))});
}

void prepare(Ruleset::Model& model) {
    std::uint32_t runs = 0;
    for (auto& table : model.tables) {
        for (auto& [name, chain] : table.chains) {
            for (auto& rule : chain.rules) {
                putAddressesLast(rule);
                findBounds(rule);
                for (auto& statement : rule.statements) {
                    const bool plain = statement.op == Operator::equal || statement.op == Operator::not_equal;
                    if (statement.kind == Statement::Kind::match && statement.set.empty() && plain) {
                        indexAddresses(statement.fields, statement.data);
                    }
                }
            }
            findRuns(chain, runs);
        }
    }
}

}  // namespace lapwing::reach
