#include "collector/rules/missing_data.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

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

/// The end of a series within a range of time.
struct End {
    Sample newest;             ///< a staleness marker, perhaps
    TimestampMs value_at = 0;  ///< of the newest sample that is no marker; 0 if there is none
};
using Ends = std::map<Labels, End>;

Expected<Ends> endsOf(const storage::Queryable& data, const storage::Matchers& matchers, TimestampMs from,
                      TimestampMs to) {
    auto read = data.select(matchers, from, to, kMaxSamples);
    if (!read) {
        return fail(read.error());
    }
    Ends out;
    for (const auto& series : *read) {
        if (series.samples.empty()) {
            continue;
        }
        const auto value = std::find_if(series.samples.rbegin(), series.samples.rend(),
                                        [](const Sample& sample) { return !isStaleNaN(sample.value); });
        out.emplace(*series.labels,
                    End{series.samples.back(), value == series.samples.rend() ? 0 : value->timestamp});
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
    const auto ups = ok ? endsOf(data, matchers, now - kMarkerReachMs, now) : Expected<Ends>(Ends{});
    if (!ups) {
        return Observer::fails;
    }
    if (ups->empty()) {
        return Observer::none;
    }
    const bool ended = std::all_of(ups->begin(), ups->end(),
                                   [](const auto& up) { return isStaleNaN(up.second.newest.value); });
    if (ended) {
        return Observer::switched_off;
    }
    const bool works = std::any_of(ups->begin(), ups->end(), [&](const auto& up) {
        return up.second.newest.value == 1 && now - up.second.newest.timestamp < lookback_ms;
    });
    return works ? Observer::works : Observer::fails;
}

/// The labels without those that tell how the series was observed.
Labels withoutObserver(Labels labels) {
    labels.erase("agent");
    labels.erase("via");
    return labels;
}

/// The end of one input series that was alive when the alert was last true.
bool isMissing(const storage::Queryable& data, const Labels& labels, const Ends& after, TimestampMs at,
               std::int64_t lookback_ms) {
    const auto last = after.find(labels);
    const bool marked = last != after.end() && isStaleNaN(last->second.newest.value);
    if (!marked) {
        return true;
    }
    const auto name = labels.metricName();
    return name != "up" && name.rfind("ALERTS", 0) != 0 &&
           observer(data, labels, at, lookback_ms) == Observer::fails;
}

void findMissing(const storage::Queryable& data, const Input& input, const Labels& source,
                 TimestampMs last_true, TimestampMs now, std::int64_t lookback_ms, MissingData& out) {
    storage::Matchers matchers = input.matchers;
    for (const auto& label : source) {
        // Equal or absent: the element may have the label from the other side of a join.
        if (!addMatcher(matchers, storage::Matcher::Type::regex, label.name,
                        "|" + re2::RE2::QuoteMeta(label.value))) {
            out.unreadable = true;
            return;
        }
    }
    const TimestampMs then = last_true - input.offset_ms;
    const TimestampMs at = now - input.offset_ms;
    // A rate needs two samples, so its result vanishes before the last sample leaves the range.
    const std::int64_t window =
        input.range_ms > 0 ? std::max<std::int64_t>(input.range_ms / 2, 1) : lookback_ms;
    const auto before = endsOf(data, matchers, then - std::max(input.range_ms, lookback_ms), then);
    const auto after = endsOf(data, matchers, std::max(then - window, at - kMarkerReachMs), at);
    if (!before || !after) {
        out.unreadable = true;
        return;
    }

    std::set<Labels> reported;
    for (const auto& [labels, end] : *after) {
        if (!isStaleNaN(end.newest.value) && at - end.newest.timestamp < window) {
            reported.insert(withoutObserver(labels));
        }
    }
    bool missing = false;
    for (const auto& [labels, end] : *before) {
        if (isStaleNaN(end.newest.value) || reported.count(withoutObserver(labels)) != 0 ||
            !isMissing(data, labels, *after, at, lookback_ms)) {
            continue;
        }
        const auto last = after->find(labels);
        const TimestampMs value_at = std::max(end.value_at, last == after->end() ? 0 : last->second.value_at);
        out.series.emplace(labels, at - value_at);
        missing = true;
    }
    if (missing && reported.empty()) {
        out.partial = false;
    }
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

MissingData findMissing(const storage::Queryable& data, const std::vector<Input>& inputs,
                        const Labels& source, TimestampMs last_true, TimestampMs now,
                        std::int64_t lookback_ms) {
    MissingData out;
    for (const auto& input : inputs) {
        findMissing(data, input, source, last_true, now, lookback_ms, out);
    }
    return out;
}

Expected<std::vector<Sample>> ContinuedSeries::moved(const Labels& labels, std::int64_t by_ms,
                                                     TimestampMs from, TimestampMs to,
                                                     std::size_t max_samples) const {
    storage::Matchers exact;
    for (const auto& label : labels) {
        addMatcher(exact, storage::Matcher::Type::equal, label.name, label.value);
    }
    auto read = data_.select(exact, from - by_ms, to - by_ms, max_samples);
    if (!read) {
        return fail(read.error());
    }
    for (auto& each : *read) {
        if (*each.labels != labels) {
            continue;  // it has further labels
        }
        for (auto& sample : each.samples) {
            sample.timestamp += by_ms;
        }
        return std::move(each.samples);
    }
    return std::vector<Sample>{};
}

Expected<std::vector<storage::SeriesSamples>> ContinuedSeries::select(const storage::Matchers& matchers,
                                                                      TimestampMs from, TimestampMs to,
                                                                      std::size_t max_samples) const {
    auto out = data_.select(matchers, from, to, max_samples);
    if (!out) {
        return out;
    }
    std::erase_if(*out, [&](const auto& each) { return series_.count(*each.labels) != 0; });
    for (const auto& [labels, by_ms] : series_) {
        const bool wanted =
            std::all_of(matchers.begin(), matchers.end(),
                        [&, &labels = labels](const auto& each) { return each.matches(labels); });
        if (!wanted) {
            continue;
        }
        auto samples = moved(labels, by_ms, from, to, max_samples);
        if (!samples) {
            return fail(samples.error());
        }
        if (!samples->empty()) {
            out->push_back({std::make_shared<const Labels>(labels), std::move(*samples)});
        }
    }
    std::sort(out->begin(), out->end(),
              [](const auto& left, const auto& right) { return *left.labels < *right.labels; });
    return out;
}

Expected<std::vector<Labels>> ContinuedSeries::series(const std::vector<storage::Matchers>& any,
                                                      TimestampMs from, TimestampMs to) const {
    return data_.series(any, from, to);
}

Expected<std::vector<std::string>> ContinuedSeries::labelNames(const std::vector<storage::Matchers>& any,
                                                               TimestampMs from, TimestampMs to) const {
    return data_.labelNames(any, from, to);
}

Expected<std::vector<std::string>> ContinuedSeries::labelValues(const std::string& name,
                                                                const std::vector<storage::Matchers>& any,
                                                                TimestampMs from, TimestampMs to) const {
    return data_.labelValues(name, any, from, to);
}

}  // namespace lapwing::rules
