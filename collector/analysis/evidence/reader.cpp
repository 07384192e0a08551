#include "collector/analysis/evidence/reader.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "common/metric_names.h"
#include "common/metric_speakers.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::size_t kMostSamples = 5'000'000;
constexpr double kMsPerSecond = 1000;
/// A smaller skew does not need a read of its own. Samples may seem to come from the future by this much: the
/// measured offset is wrong by up to half the round trip.
constexpr std::int64_t kSlightSkewMs = 5'000;

std::int64_t toMs(double seconds) {
    return std::llround(seconds * kMsPerSecond);
}

storage::Matchers matchersOf(const char* metric, const Reader::Equals& equals) {
    storage::Matchers out;
    const auto require = [&](const char* label, const char* value) {
        if (auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, label, value)) {
            out.push_back(std::move(*matcher));
        }
    };
    require("__name__", metric);
    for (const auto& [label, value] : equals) {
        require(label, value);
    }
    return out;
}

storage::Matchers matchersOf(const std::vector<const char*>& metrics) {
    std::string names;
    for (const auto* metric : metrics) {
        names += (names.empty() ? "" : "|") + std::string(metric);
    }
    storage::Matchers out;
    if (auto matcher = storage::Matcher::create(storage::Matcher::Type::regex, "__name__", names)) {
        out.push_back(std::move(*matcher));
    }
    return out;
}

/// The newest measurement by the collector's clock. After a clock was set back, its newest sample by its own
/// time is from before that.
std::optional<double> newestOffset(const std::vector<Sample>& samples, TimestampMs now) {
    std::optional<double> offset;
    std::int64_t newest = 0;
    for (const auto& sample : samples) {
        if (std::isnan(sample.value)) {
            continue;
        }
        const auto at = sample.timestamp + toMs(sample.value);
        if (at <= now + kSlightSkewMs && (!offset || at >= newest)) {
            offset = sample.value;
            newest = at;
        }
    }
    return offset;
}

}  // namespace

Expected<Clocks> Clocks::read(const storage::Store& store, TimestampMs now) {
    const auto found =
        store.select(matchersOf({metric::kClockOffsetSeconds, metric::kClockOffsetErrorSeconds}),
                     now - kMostSkewMs, now + kMostSkewMs, kMostSamples);
    if (!found) {
        return tl::unexpected(found.error());
    }
    Clocks out;
    for (const auto& series : *found) {
        const auto agent = observerOf(*series.labels);
        if (series.samples.empty() || agent.empty()) {
            continue;
        }
        if (series.labels->metricName() == metric::kClockOffsetSeconds) {
            if (const auto offset = newestOffset(series.samples, now)) {
                out.clocks_[agent].offset = *offset;
            }
        }
    }
    for (const auto& series : *found) {
        const auto known = out.clocks_.find(observerOf(*series.labels));
        if (series.labels->metricName() == metric::kClockOffsetErrorSeconds && known != out.clocks_.end() &&
            !series.samples.empty() && !std::isnan(series.samples.back().value)) {
            known->second.error = series.samples.back().value;
        }
    }
    return out;
}

std::optional<double> Clocks::offsetSeconds(const std::string& agent) const {
    const auto found = clocks_.find(agent);
    return found == clocks_.end() ? std::nullopt : std::optional(found->second.offset);
}

std::int64_t Clocks::offsetMs(const std::string& agent) const {
    return toMs(offsetSeconds(agent).value_or(0));
}

std::optional<double> Clocks::errorSeconds(const std::string& agent) const {
    const auto found = clocks_.find(agent);
    return found == clocks_.end() ? std::nullopt : found->second.error;
}

bool Clocks::isSkewed(const std::string& agent) const {
    return std::abs(offsetMs(agent)) > kSlightSkewMs;
}

std::vector<std::string> Clocks::skewed() const {
    std::vector<std::string> out;
    for (const auto& [agent, clock] : clocks_) {
        if (isSkewed(agent)) {
            out.push_back(agent);
        }
    }
    return out;
}

std::string observerOf(const Labels& labels) {
    return std::string(labels.get("agent"));
}

int Observation::number(const char* label) const {
    return std::atoi(get(label).c_str());
}

Reader::Reader(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms)
    : store_(store), now_(now), lookback_ms_(lookback_ms) {
    if (auto clocks = Clocks::read(store, now)) {
        clocks_ = std::move(*clocks);
    } else {
        failure_ = clocks.error();
    }
    readOwnJobs();
}

void Reader::readOwnJobs() {
    for (const auto& up : newest(readAll(matchersOf(exporter::kUp, {}), lookback_ms_))) {
        if (up.observer == up.labels->get("instance")) {
            own_jobs_.emplace(up.observer, up.get("job"));
        }
    }
}

/// By who may say it. Series without an agent are the collector's own, or come from local ingest.
bool Reader::counts(const ObservedSeries& series) const {
    const auto instance = series.labels->get("instance");
    if (series.observer.empty() || series.observer == instance) {
        return true;
    }
    const auto job = series.labels->get("job");
    switch (metric::speakerOf(series.labels->metricName(), job)) {
        case metric::Speaker::observer:
            return !own_jobs_.contains({std::string(instance), std::string(job)});
        case metric::Speaker::peer:
            return true;
        default:
            return false;
    }
}

/// Reads the series of one skewed agent, or those of all agents that are not.
void Reader::readAgents(storage::Matchers matchers, const std::string* agent, std::int64_t length_ms,
                        std::vector<ObservedSeries>& out) {
    const auto skew = agent == nullptr ? 0 : clocks_.offsetMs(*agent);
    if (agent != nullptr) {
        if (auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "agent", *agent)) {
            matchers.push_back(std::move(*matcher));
        }
    }
    auto found = store_.select(matchers, now_ - skew - length_ms - kSlightSkewMs,
                               now_ - skew + 2 * kSlightSkewMs, kMostSamples);
    if (!found) {
        failure_ = found.error();
        return;
    }
    for (auto& series : *found) {
        ObservedSeries observed{series.labels, observerOf(*series.labels), 0, std::move(series.samples)};
        if (agent == nullptr && clocks_.isSkewed(observed.observer)) {
            continue;
        }
        observed.clock_offset_ms = clocks_.offsetMs(observed.observer);
        for (auto& sample : observed.samples) {
            sample.timestamp += observed.clock_offset_ms;
        }
        std::erase_if(observed.samples, [&](const Sample& sample) {
            return sample.timestamp < now_ - length_ms || sample.timestamp > now_ + kSlightSkewMs;
        });
        if (!observed.samples.empty()) {
            out.push_back(std::move(observed));
        }
    }
}

std::vector<ObservedSeries> Reader::read(const storage::Matchers& matchers, std::int64_t length_ms) {
    auto out = readAll(matchers, length_ms);
    std::erase_if(out, [this](const auto& each) { return !counts(each); });
    return out;
}

std::vector<ObservedSeries> Reader::readAll(const storage::Matchers& matchers, std::int64_t length_ms) {
    std::vector<ObservedSeries> out;
    readAgents(matchers, nullptr, length_ms, out);
    for (const auto& agent : clocks_.skewed()) {
        readAgents(matchers, &agent, length_ms, out);
    }
    const auto rank = [](const ObservedSeries& series) {
        const auto instance = series.labels->get("instance");
        return std::tuple(instance, series.observer != instance, std::string_view(series.observer));
    };
    std::stable_sort(out.begin(), out.end(),
                     [&](const auto& left, const auto& right) { return rank(left) < rank(right); });
    return out;
}

std::vector<Observation> Reader::newest(std::vector<ObservedSeries> series) {
    std::vector<Observation> out;
    for (auto& each : series) {
        const auto& sample = each.samples.back();
        if (!isStaleNaN(sample.value)) {
            out.push_back({std::move(each.labels), sample.value, std::move(each.observer), sample.timestamp});
        }
    }
    return out;
}

std::vector<Observation> Reader::fresh(const char* metric, const Equals& equals) {
    return newest(read(matchersOf(metric, equals), lookback_ms_));
}

std::vector<Observation> Reader::fresh(const std::vector<const char*>& metrics) {
    return newest(read(matchersOf(metrics), lookback_ms_));
}

std::vector<Observation> Reader::freshOfAll(const char* metric) {
    return newest(readAll(matchersOf(metric, {}), lookback_ms_));
}

std::vector<Observation> Reader::known(const char* metric, const Equals& equals) {
    return newest(read(matchersOf(metric, equals), kKnownMs));
}

std::vector<ObservedSeries> Reader::history(const char* metric, std::int64_t length_ms) {
    return read(matchersOf(metric, {}), length_ms);
}

std::vector<ObservedSeries> Reader::history(const std::vector<const char*>& metrics, std::int64_t length_ms) {
    return read(matchersOf(metrics), length_ms);
}

std::vector<ObservedSeries> Reader::historyOfAll(const std::vector<const char*>& metrics,
                                                 std::int64_t length_ms) {
    return readAll(matchersOf(metrics), length_ms);
}

TimestampMs Reader::timeOf(const Observation& observation) const {
    return toMs(observation.value) + clocks_.offsetMs(observation.observer);
}

}  // namespace lapwing::analysis::evidence
