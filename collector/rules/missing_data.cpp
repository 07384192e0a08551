#include "collector/rules/missing_data.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>

#include "collector/promql/ast.h"
#include "collector/promql/parser.h"

namespace lapwing::rules {
namespace {

constexpr std::size_t kMaxSamples = 2'000'000;
// How far back the end of a series is searched: an older staleness marker counts as silence.
constexpr std::int64_t kMarkerReachMs = 3'600'000;

void collect(const promql::Expr& expr, std::vector<Input>& out) {
    if (const auto* selector = expr.as<promql::VectorSelector>()) {
        out.push_back({selector->matchers, selector->time.offset_ms, 0});
    } else if (const auto* matrix = expr.as<promql::MatrixSelector>()) {
        out.push_back({matrix->selector.matchers, matrix->selector.time.offset_ms, matrix->range_ms});
    } else if (const auto* paren = expr.as<promql::Paren>()) {
        collect(*paren->inner, out);
    } else if (const auto* unary = expr.as<promql::Unary>()) {
        collect(*unary->operand, out);
    } else if (const auto* binary = expr.as<promql::Binary>()) {
        collect(*binary->lhs, out);
        collect(*binary->rhs, out);
    } else if (const auto* aggregate = expr.as<promql::Aggregate>()) {
        if (aggregate->parameter) {
            collect(*aggregate->parameter, out);
        }
        collect(*aggregate->operand, out);
    } else if (const auto* call = expr.as<promql::Call>()) {
        for (const auto& argument : call->arguments) {
            collect(*argument, out);
        }
    } else if (const auto* subquery = expr.as<promql::Subquery>()) {
        collect(*subquery->inner, out);
    }
}

using Newest = std::map<Labels, Sample>;

/// The newest sample of each series in a range, markers included.
Expected<Newest> newest(const storage::Queryable& data, const storage::Matchers& matchers, TimestampMs from,
                        TimestampMs to) {
    auto read = data.select(matchers, from, to, kMaxSamples);
    if (!read) {
        return fail(read.error());
    }
    Newest out;
    for (const auto& series : *read) {
        if (!series.samples.empty()) {
            out.emplace(*series.labels, series.samples.back());
        }
    }
    return out;
}

bool addMatcher(storage::Matchers& matchers, storage::Matcher::Type type, const std::string& name,
                std::string value) {
    auto matcher = storage::Matcher::create(type, name, std::move(value));
    if (matcher) {
        matchers.push_back(std::move(*matcher));
    }
    return matcher.has_value();
}

enum class Observer { fails, works, switched_off, none };

/// The state of `up` for the job and instance that report the series.
Observer observer(const storage::Queryable& data, const Labels& series, TimestampMs now,
                  std::int64_t lookback_ms) {
    if (!series.has("job") || !series.has("instance")) {
        return Observer::none;
    }
    storage::Matchers matchers;
    bool ok = addMatcher(matchers, storage::Matcher::Type::equal, "__name__", "up");
    for (const char* name : {"job", "instance", "agent"}) {
        ok = ok && addMatcher(matchers, storage::Matcher::Type::equal, name, std::string(series.get(name)));
    }
    const auto ups = ok ? newest(data, matchers, now - kMarkerReachMs, now) : Expected<Newest>(Newest{});
    if (!ups) {
        return Observer::fails;
    }
    if (ups->empty()) {
        return Observer::none;
    }
    const bool ended =
        std::all_of(ups->begin(), ups->end(), [](const auto& up) { return isStaleNaN(up.second.value); });
    if (ended) {
        return Observer::switched_off;
    }
    const bool works = std::any_of(ups->begin(), ups->end(), [&](const auto& up) {
        return up.second.value == 1 && now - up.second.timestamp < lookback_ms;
    });
    return works ? Observer::works : Observer::fails;
}

Labels withoutAgent(Labels labels) {
    labels.erase("agent");
    return labels;
}

bool inputMissing(const storage::Queryable& data, const Input& input, const Labels& source,
                  TimestampMs last_true, TimestampMs now, std::int64_t lookback_ms) {
    storage::Matchers matchers = input.matchers;
    for (const auto& label : source) {
        // Equal or absent: the element may have the label from the other side of a join.
        if (!addMatcher(matchers, storage::Matcher::Type::regex, label.name,
                        "|" + re2::RE2::QuoteMeta(label.value))) {
            return true;
        }
    }
    const TimestampMs then = last_true - input.offset_ms;
    const TimestampMs at = now - input.offset_ms;
    // A rate needs two samples, so its result vanishes before the last sample leaves the range.
    const std::int64_t window =
        input.range_ms > 0 ? std::max<std::int64_t>(input.range_ms / 2, 1) : lookback_ms;
    const auto before = newest(data, matchers, then - std::max(input.range_ms, lookback_ms), then);
    const auto after = newest(data, matchers, std::max(then - window, at - kMarkerReachMs), at);
    if (!before || !after) {
        return true;
    }

    std::set<Labels> reported;
    for (const auto& [labels, sample] : *after) {
        if (!isStaleNaN(sample.value) && at - sample.timestamp < window) {
            reported.insert(withoutAgent(labels));
        }
    }
    for (const auto& [labels, sample] : *before) {
        if (isStaleNaN(sample.value) || reported.count(withoutAgent(labels)) != 0) {
            continue;
        }
        const auto last = after->find(labels);
        const bool marked = last != after->end() && isStaleNaN(last->second.value);
        if (!marked) {
            return true;
        }
        const auto name = labels.metricName();
        if (name == "up" || name.rfind("ALERTS", 0) == 0) {
            continue;
        }
        if (observer(data, labels, at, lookback_ms) == Observer::fails) {
            return true;
        }
    }
    return false;
}

}  // namespace

Expected<std::vector<Input>> inputsOf(std::string_view query) {
    auto expr = promql::parse(query);
    if (!expr) {
        return fail(expr.error());
    }
    std::vector<Input> out;
    collect(**expr, out);
    return out;
}

bool dataMissing(const storage::Queryable& data, const std::vector<Input>& inputs, const Labels& source,
                 TimestampMs last_true, TimestampMs now, std::int64_t lookback_ms) {
    return std::any_of(inputs.begin(), inputs.end(), [&](const Input& input) {
        return inputMissing(data, input, source, last_true, now, lookback_ms);
    });
}

}  // namespace lapwing::rules
