#include "collector/ingest/claims.h"

#include "common/metric_speakers.h"
#include "common/model/label_text.h"

namespace lapwing::ingest {

using metric::Speaker;

std::string Claims::problem(const std::string& host, const Labels& labels) {
    const auto name = labels.metricName();
    const std::string instance(labels.get("instance"));
    if (name == metric::kAgentInfo && instance != host) {
        // Agents check it themselves. An agent of an older version does not, and would be two hosts.
        return "the agent calls its host \"" + instance + "\", but its certificate belongs to \"" + host +
               "\": mend `host:` in its agent.yaml";
    }
    const auto speaker = metric::speakerOf(name, labels.get("job"));
    // Prometheus reserves colons for the results of recording rules.
    if (speaker == Speaker::collector || labels.get("job") == metric::kCollectorJob ||
        name.find(':') != std::string_view::npos) {
        return shortText(labels) + ": only the collector writes this metric";
    }
    if (instance.empty() || instance == host || speaker == Speaker::peer) {
        return {};
    }
    if (speaker == Speaker::self) {
        return shortText(labels) + ": " + host + " cannot know this of " + instance +
               ": only the agent on that host can";
    }
    if (!mayObserve(host, instance)) {
        return shortText(labels) + ": " + host + " observes " + std::to_string(most_observed_) +
               " other instances already (ingest.agent.max_observed)";
    }
    return {};
}

bool Claims::mayObserve(const std::string& host, const std::string& instance) {
    const MutexLock lock(mutex_);
    auto& observed = observed_[host];
    if (observed.size() >= most_observed_) {
        return observed.contains(instance);
    }
    observed.insert(instance);
    return true;
}

}  // namespace lapwing::ingest
