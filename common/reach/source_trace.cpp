#include "common/reach/source_trace.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

namespace lapwing::reach {

namespace {

constexpr std::size_t kLasting = 0;
constexpr std::size_t kTimed = 1;
constexpr std::size_t kLabels = 2;

std::string_view bytesOf(const Key& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

}  // namespace

bool SourceTrace::isSource(const FieldValue& value) const {
    return value.kind == FieldValue::Kind::range && value.range == source_;
}

SourceTrace::Test& SourceTrace::test(const Statement& statement, std::uint64_t variant, std::size_t label) {
    const auto [entry, fresh] = index_.try_emplace({&statement, variant, label}, tests_.size());
    if (fresh) {
        tests_.push_back({{}, {}, variant == 0 ? statement.run : 0, label});
    }
    return tests_[entry->second];
}

void SourceTrace::add(const Range& range) {
    ++visited_;
    tests_.push_back({{range}, {}, 0, 0});
}

/// The elements whose other parts do not exclude them: one test for each outcome.
void SourceTrace::addElements(const Statement& statement, const std::vector<FieldValue>& values,
                              std::uint64_t variant) {
    const auto& data = statement.data;
    std::vector<std::size_t> outcomes;  // the first element of each
    for (std::size_t at = 0; at < data.elements.size(); ++at) {
        const auto& element = data.elements[at];
        bool possible = true;
        const Term* compared = nullptr;
        for (std::size_t i = 0; i < values.size() && i < element.parts.size(); ++i) {
            if (isSource(values[i])) {
                compared = &element.parts[i];
            } else {
                possible = possible && termMatches(values[i], statement.fields[i], element.parts[i],
                                                   statement.op) != Truth::no;
            }
        }
        if (!possible || compared == nullptr || compared->kind != Term::Kind::range) {
            continue;
        }
        const auto same = std::find_if(outcomes.begin(), outcomes.end(), [&](std::size_t first) {
            return statement.kind == Statement::Kind::match ||
                   (at < data.decisions.size() && data.decisions[first] == data.decisions[at]) ||
                   (at < data.targets.size() && data.targets[first] == data.targets[at]);
        });
        const auto outcome = static_cast<std::size_t>(same - outcomes.begin());
        if (same == outcomes.end()) {
            outcomes.push_back(at);
        }
        test(statement, variant, kLabels * outcome + (element.timed ? kTimed : kLasting))
            .ranges.push_back(compared->range);
    }
}

void SourceTrace::visit(const Statement& statement, const std::vector<FieldValue>& values) {
    bool concerned = false;
    for (std::size_t i = 0; i < values.size() && i < statement.fields.size(); ++i) {
        const bool is_source = isSource(values[i]);
        concerned = concerned || is_source;
        const bool whole = !statement.fields[i].mask &&
                           (statement.op == Operator::equal || statement.op == Operator::not_equal);
        compares_bits_ = compares_bits_ || (is_source && !whole);
    }
    if (!concerned) {
        return;
    }
    // The other parts of a concatenation decide which elements count.
    std::string others;
    for (const auto& value : values) {
        if (!isSource(value)) {
            others.append(bytesOf(value.range.low)).append(bytesOf(value.range.high)).append(value.name);
            others += static_cast<char>(value.kind);
        }
    }
    const std::uint64_t variant = others.empty() ? 0 : std::hash<std::string>{}(others);
    if (!seen_.emplace(&statement, variant).second) {
        return;
    }
    ++visited_;
    if (const auto* index = statement.data.index.get()) {
        test(statement, variant, kLasting).sets.push_back(&index->lasting);
        test(statement, variant, kTimed).sets.push_back(&index->timed);
    }
    addElements(statement, values, variant);
}

}  // namespace lapwing::reach
