#include "collector/analysis/evidence/reader.h"

#include <cstdlib>

namespace lapwing::analysis::evidence {

namespace {

constexpr std::size_t kMostSamples = 2'000'000;

}  // namespace

int Observation::number(const char* name) const {
    return std::atoi(get(name).c_str());
}

std::vector<storage::SeriesSamples> Reader::select(const char* metric, const Equals& equals,
                                                   std::int64_t length_ms) {
    storage::Matchers matchers;
    const auto require = [&](const char* name, const char* value) {
        if (auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, name, value)) {
            matchers.push_back(std::move(*matcher));
        }
    };
    require("__name__", metric);
    for (const auto& [name, value] : equals) {
        require(name, value);
    }
    auto found = store_.select(matchers, now_ - length_ms, now_, kMostSamples);
    if (!found) {
        failure_ = found.error();
        return {};
    }
    return std::move(*found);
}

std::vector<Observation> Reader::of(const char* metric, const Equals& equals, std::int64_t lookback_ms) {
    std::vector<Observation> out;
    for (auto& series : select(metric, equals, lookback_ms != 0 ? lookback_ms : lookback_ms_)) {
        if (!series.samples.empty() && !isStaleNaN(series.samples.back().value)) {
            out.push_back({series.labels, series.samples.back()});
        }
    }
    return out;
}

std::vector<storage::SeriesSamples> Reader::history(const char* metric, std::int64_t length_ms) {
    return select(metric, {}, length_ms);
}

}  // namespace lapwing::analysis::evidence
