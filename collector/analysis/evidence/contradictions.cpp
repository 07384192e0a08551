#include "collector/analysis/evidence/contradictions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/metric_names.h"
#include "common/metric_speakers.h"

namespace lapwing::analysis::evidence {

namespace {

/// Agents read at different moments, and a server may need some intervals to change.
constexpr std::int64_t kSteadyMs = 60'000;

const std::vector<const char*> kAnswers{exporter::kUp, exporter::kProbeSuccess, exporter::kNginxUp,
                                        exporter::kHaproxyUp, exporter::kMysqlUp};
const std::vector<const char*> kDetails{
    exporter::kHaproxyServerStatus, exporter::kMysqlGlobalVariablesReadOnly,
    exporter::kMysqlSlaveStatusSlaveIoRunning, exporter::kMysqlSlaveStatusSlaveSqlRunning};

/// The value that the agent has reported all the time; nothing if it changed or is not reported now.
std::optional<double> steadyValue(const ObservedSeries& series, TimestampMs now) {
    const double value = series.samples.back().value;
    const bool same = std::all_of(series.samples.begin(), series.samples.end(),
                                  [&](const Sample& sample) { return sample.value == value; });
    const bool throughout = series.samples.front().timestamp <= now - kSteadyMs * 3 / 4 &&
                            series.samples.back().timestamp >= now - kSteadyMs / 2;
    return same && throughout ? std::optional(value) : std::nullopt;
}

std::string describe(const Labels& labels) {
    const auto name = labels.metricName();
    if (name == exporter::kHaproxyServerStatus) {
        return "backend " + std::string(labels.get("proxy")) + ", server " +
               std::string(labels.get("server")) + " is " + std::string(labels.get("state"));
    }
    const auto url = labels.get("url");
    return std::string(name) + (url.empty() ? "" : " of " + std::string(url));
}

}  // namespace

Comparison compareObservers(Reader& reader) {
    struct Reports {
        Labels labels;
        bool answers = false;
        std::map<std::string, double> by_agent;
    };
    std::map<Labels, Reports> things;
    for (const auto* metrics : {&kAnswers, &kDetails}) {
        for (const auto& series : reader.historyOfAll(*metrics, kSteadyMs)) {
            if (series.observer.empty() || metric::remoteProbe(series.labels->get("job")) == nullptr) {
                continue;
            }
            const auto value = steadyValue(series, reader.now());
            if (!value) {
                continue;
            }
            Labels key = *series.labels;
            key.erase("agent");
            key.erase("via");
            auto& thing = things[key];
            thing.labels = key;
            thing.answers = metrics == &kAnswers;
            thing.by_agent[series.observer] = *value;
        }
    }
    Comparison out;
    for (auto& [key, thing] : things) {
        if (thing.by_agent.size() < 2) {
            continue;
        }
        std::pair<std::string, std::string> place(thing.labels.get("instance"), thing.labels.get("job"));
        const auto first = thing.by_agent.begin()->second;
        const bool differ = std::any_of(thing.by_agent.begin(), thing.by_agent.end(),
                                        [&](const auto& each) { return each.second != first; });
        if (differ) {
            out.contradictions.push_back({place.first, place.second, describe(thing.labels), thing.answers,
                                          std::move(thing.by_agent)});
        }
        out.compared.insert(std::move(place));
    }
    return out;
}

}  // namespace lapwing::analysis::evidence
