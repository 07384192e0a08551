#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "collector/storage/queryable.h"

namespace lapwing::promql {

/// Series in memory, for the tests of the query language.
class Memory : public storage::Queryable {
  public:
    Memory() = default;
    explicit Memory(std::vector<TimeSeries> series) : series_(std::move(series)) {
        std::sort(series_.begin(), series_.end(),
                  [](const auto& a, const auto& b) { return a.labels < b.labels; });
    }

    void add(Labels labels, std::vector<Sample> samples) {
        TimeSeries series{std::move(labels), std::move(samples)};
        const auto at = std::upper_bound(series_.begin(), series_.end(), series,
                                         [](const auto& a, const auto& b) { return a.labels < b.labels; });
        series_.insert(at, std::move(series));
    }

    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to,
                                                         std::size_t max_samples) const override {
        ++selects;
        std::vector<storage::SeriesSamples> out;
        std::size_t total = 0;
        for (const auto& series : series_) {
            if (!meets(series.labels, matchers)) {
                continue;
            }
            storage::SeriesSamples found{std::make_shared<const Labels>(series.labels), {}};
            for (const auto& sample : series.samples) {
                if (sample.timestamp >= from && sample.timestamp <= to) {
                    found.samples.push_back(sample);
                }
            }
            total += found.samples.size();
            if (total > max_samples) {
                return fail(ErrorKind::exhausted, "too many samples");
            }
            if (!found.samples.empty()) {
                out.push_back(std::move(found));
            }
        }
        return out;
    }

    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>& any, TimestampMs /*from*/,
                                         TimestampMs /*to*/) const override {
        std::vector<Labels> out;
        for (const auto& series : series_) {
            const bool wanted = any.empty() || std::any_of(any.begin(), any.end(), [&](const auto& matchers) {
                                    return meets(series.labels, matchers);
                                });
            if (wanted) {
                out.push_back(series.labels);
            }
        }
        return out;
    }

    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override {
        std::set<std::string> out;
        const auto found = series(any, from, to);
        for (const auto& labels : *found) {
            for (const auto& label : labels) {
                out.insert(label.name);
            }
        }
        return std::vector<std::string>(out.begin(), out.end());
    }

    Expected<std::vector<std::string>> labelValues(const std::string& name,
                                                   const std::vector<storage::Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override {
        std::set<std::string> out;
        const auto found = series(any, from, to);
        for (const auto& labels : *found) {
            if (labels.has(name)) {
                out.emplace(labels.get(name));
            }
        }
        return std::vector<std::string>(out.begin(), out.end());
    }

    mutable std::size_t selects = 0;

  private:
    static bool meets(const Labels& labels, const storage::Matchers& matchers) {
        return std::all_of(matchers.begin(), matchers.end(),
                           [&](const auto& matcher) { return matcher.matches(labels); });
    }

    std::vector<TimeSeries> series_;
};

}  // namespace lapwing::promql
