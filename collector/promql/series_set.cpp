#include "collector/promql/series_set.h"

#include <algorithm>
#include <unordered_map>

#include "collector/limits/query_limits.h"

namespace lapwing::promql {
namespace {

struct Pointee {
    std::size_t operator()(const Labels* labels) const { return labels->hash(); }
    bool operator()(const Labels* a, const Labels* b) const { return *a == *b; }
};

constexpr const char* kSameLabels = "vector cannot contain metrics with the same labelset";

}  // namespace

Expected<void> unify(SeriesSet& set, Duplicates duplicates) {
    if (set.size() < 2) {
        return {};
    }
    std::unordered_map<const Labels*, std::size_t, Pointee, Pointee> seen;
    seen.reserve(set.size());
    bool merged = false;
    for (std::size_t i = 0; i < set.size(); ++i) {
        if (auto go_on = Context::proceed(); !go_on) {
            return go_on;
        }
        const auto [it, inserted] = seen.emplace(&set[i].labels, i);
        if (inserted) {
            continue;
        }
        if (duplicates == Duplicates::refuse) {
            return fail(ErrorKind::execution, kSameLabels);
        }
        auto& into = set[it->second].values;
        const auto& from = set[i].values;
        for (std::size_t k = 0; k < from.size(); ++k) {
            if (isAbsent(from[k])) {
                continue;
            }
            if (!isAbsent(into[k])) {
                return fail(ErrorKind::execution, kSameLabels);
            }
            into[k] = from[k];
        }
        set[i].values.clear();
        merged = true;
    }
    if (merged) {
        std::erase_if(set, [](const Series& series) { return series.values.empty(); });
    }
    return {};
}

void dropName(const Context& context, Labels& labels) {
    labels.erase("__name__");
    if (context.version2()) {
        return;
    }
    labels.erase("__type__");
    labels.erase("__unit__");
}

Expected<void> dropNames(const Context& context, SeriesSet& set, Duplicates duplicates) {
    for (auto& series : set) {
        dropName(context, series.labels);
    }
    return unify(set, duplicates);
}

void removeEmpty(SeriesSet& set) {
    std::erase_if(set, [](const Series& series) {
        return std::all_of(series.values.begin(), series.values.end(), isAbsent);
    });
}

void replicate(SeriesSet& set, std::size_t points) {
    for (auto& series : set) {
        QueryLimits::enforceMemory();
        series.values = ScalarValues(points, series.values.front());
    }
}

}  // namespace lapwing::promql
