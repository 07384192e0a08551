#include "collector/api/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/notify/matchers.h"
#include "common/metric_names.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

using storage::SeriesSamples;

constexpr std::int64_t kDayMs = 86'400'000;
/// Samples of this time before the range show the state at its begin; those after it tell of a start within
/// it.
constexpr std::int64_t kAroundMs = 900'000;
/// Two observers tell of one event within this time.
constexpr std::int64_t kSameMs = 120'000;
constexpr std::size_t kMostSamples = 5'000'000;
/// As the page: an agent that has not written for so long is silent.
constexpr double kSilentAfterSeconds = 60;
/// A host computes the time of its boot from two clocks, and its steps are no reboot.
constexpr double kSameBootSeconds = 60;
constexpr double kSameStartSeconds = 2;

class Collecting {
  public:
    Collecting(const storage::Queryable& data, TimestampMs from, TimestampMs to)
        : data_(data), from_(from), to_(to) {}

    /// The series of a metric from shortly before the range until shortly after it.
    std::vector<SeriesSamples> read(const char* metric, std::optional<storage::Matcher> more = std::nullopt) {
        storage::Matchers matchers;
        auto name = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", metric);
        if (failure_ || !name) {
            return {};
        }
        matchers.push_back(std::move(*name));
        if (more) {
            matchers.push_back(std::move(*more));
        }
        auto series = data_.select(matchers, from_ - kAroundMs, to_ + kAroundMs, kMostSamples - samples_);
        if (!series) {
            failure_ = series.error();
            return {};
        }
        for (const auto& each : *series) {
            samples_ += each.samples.size();
        }
        return std::move(*series);
    }

    void add(Event event) {
        if (event.time >= from_ && event.time <= to_) {
            events_.push_back(std::move(event));
        }
    }

    Expected<Timeline> finish() {
        if (failure_) {
            return tl::unexpected(*failure_);
        }
        std::stable_sort(events_.begin(), events_.end(),
                         [](const Event& a, const Event& b) { return a.time < b.time; });
        Timeline out;
        std::map<std::pair<std::string, std::string>, TimestampMs> last;
        for (auto& event : events_) {
            const auto [known, added] = last.try_emplace({event.kind, event.text}, event.time);
            const bool same = !added && event.time - known->second < kSameMs && event.labels.empty();
            known->second = event.time;
            if (!same) {
                out.events.push_back(std::move(event));
            }
        }
        if (out.events.size() > kMostEvents) {
            out.truncated = true;
            out.events.erase(out.events.begin(), out.events.end() - static_cast<std::ptrdiff_t>(kMostEvents));
        }
        return out;
    }

  private:
    const storage::Queryable& data_;
    TimestampMs from_;
    TimestampMs to_;
    std::size_t samples_ = 0;
    std::optional<Error> failure_;
    std::vector<Event> events_;
};

std::string host(const Labels& labels) {
    return std::string(labels.get("instance"));
}

/// When a set of series begins to have samples, and when the last of them ends with a staleness marker.
struct Change {
    TimestampMs time = 0;
    bool begins = false;
};

std::vector<Change> presence(const std::vector<const SeriesSamples*>& set) {
    std::vector<Change> steps;
    for (const auto* series : set) {
        bool present = false;
        for (const auto& sample : series->samples) {
            if (const bool now = !isStaleNaN(sample.value); now != present) {
                present = now;
                steps.push_back({sample.timestamp, now});
            }
        }
    }
    // A series that follows another at the same time continues it.
    std::sort(steps.begin(), steps.end(), [](const Change& a, const Change& b) {
        return a.time != b.time ? a.time < b.time : a.begins && !b.begins;
    });
    std::vector<Change> out;
    int count = 0;
    for (const auto& step : steps) {
        count += step.begins ? 1 : -1;
        if (count == (step.begins ? 1 : 0)) {
            out.push_back(step);
        }
    }
    return out;
}

Labels without(const Labels& labels, const std::set<std::string, std::less<>>& names) {
    std::vector<Label> out;
    for (const auto& label : labels) {
        if (names.count(label.name) == 0) {
            out.push_back(label);
        }
    }
    return Labels(std::move(out));
}

void addAlerts(Collecting& out) {
    auto firing = storage::Matcher::create(storage::Matcher::Type::equal, "alertstate", "firing");
    if (!firing) {
        return;
    }
    for (const auto& series : out.read(exporter::kAlerts, std::move(*firing))) {
        const auto labels = without(*series.labels, {"__name__", "alertstate"});
        for (const auto& change : presence({&series})) {
            const auto name = std::string(labels.get("alertname"));
            out.add({change.time, change.begins ? "alert_began" : "alert_ended", host(labels),
                     name + (change.begins ? " fires" : " has ended"), labels});
        }
    }
}

void addFindings(Collecting& out) {
    std::map<Labels, std::vector<const SeriesSamples*>> sets;
    const auto all = out.read(metric::kFinding);
    for (const auto& series : all) {
        sets[Labels{{"id", std::string(series.labels->get("id"))},
                    {"subject", std::string(series.labels->get("subject"))}}]
            .push_back(&series);
    }
    for (const auto& [labels, set] : sets) {
        for (const auto& change : presence(set)) {
            out.add({change.time, change.begins ? "finding_began" : "finding_ended", "",
                     "Finding " + std::string(labels.get("id")) + " on " +
                         std::string(labels.get("subject")) + (change.begins ? " stands" : " is gone"),
                     labels});
        }
    }
}

/// Calls `changed(labels, sample, value before)` for each sample whose value differs from the one before.
void forChanges(Collecting& out, const char* metric,
                const std::function<void(const Labels&, const Sample&, double before)>& changed) {
    for (const auto& series : out.read(metric)) {
        std::optional<double> before;
        for (const auto& sample : series.samples) {
            if (isStaleNaN(sample.value)) {
                continue;
            }
            if (before && sample.value != *before) {
                changed(*series.labels, sample, *before);
            }
            before = sample.value;
        }
    }
}

TimestampMs milliseconds(double seconds) {
    return static_cast<TimestampMs>(std::clamp(seconds, 0.0, 1e12) * 1000);
}

void addRestarts(Collecting& out) {
    forChanges(
        out, exporter::kNodeBootTimeSeconds, [&](const Labels& labels, const Sample& sample, double before) {
            if (std::abs(sample.value - before) > kSameBootSeconds) {
                out.add(
                    {milliseconds(sample.value), "restart", host(labels), host(labels) + " was booted", {}});
            }
        });
    forChanges(out, "haproxy_process_start_time_seconds",
               [&](const Labels& labels, const Sample& sample, double before) {
                   if (std::abs(sample.value - before) > kSameStartSeconds) {
                       out.add({milliseconds(sample.value),
                                "restart",
                                host(labels),
                                "HAProxy on " + host(labels) + " was started or reloaded",
                                {}});
                   }
               });
    forChanges(out, "mysql_global_status_uptime",
               [&](const Labels& labels, const Sample& sample, double before) {
                   if (sample.value < before) {
                       out.add({sample.timestamp - milliseconds(sample.value),
                                "restart",
                                host(labels),
                                "MySQL on " + host(labels) + " was started",
                                {}});
                   }
               });
}

void addRoles(Collecting& out) {
    const auto role = [&](const Labels& labels, const Sample& sample, const std::string& text) {
        out.add({sample.timestamp, "role", host(labels), text, {}});
    };
    forChanges(out, metric::kMysqlReplicaConfigured,
               [&](const Labels& labels, const Sample& sample, double /*before*/) {
                   role(labels, sample,
                        "MySQL on " + host(labels) +
                            (sample.value > 0 ? " became a replica" : " is no replica any more"));
               });
    forChanges(
        out, exporter::kMysqlGlobalVariablesReadOnly,
        [&](const Labels& labels, const Sample& sample, double /*before*/) {
            role(labels, sample,
                 "MySQL on " + host(labels) + (sample.value > 0 ? " became read-only" : " accepts writes"));
        });
    forChanges(out, "keepalived_vrrp_state",
               [&](const Labels& labels, const Sample& sample, double /*before*/) {
                   role(labels, sample,
                        host(labels) + (sample.value == 2 ? " took the address " : " gave up the address ") +
                            std::string(labels.get("ip_address")));
               });
}

/// Info metrics whose label `digest` names the present state: a new digest is a change.
void addDeployments(Collecting& out) {
    const auto read = [&](const char* metric, const std::function<std::string(const Labels&)>& text) {
        std::map<std::string, std::vector<std::pair<TimestampMs, std::string>>> digests;
        std::map<std::string, Labels> about;
        for (const auto& series : out.read(metric)) {
            const auto what = text(*series.labels);
            about.try_emplace(what, *series.labels);
            for (const auto& sample : series.samples) {
                if (!isStaleNaN(sample.value)) {
                    digests[what].emplace_back(sample.timestamp, std::string(series.labels->get("digest")));
                }
            }
        }
        for (auto& [what, states] : digests) {
            std::sort(states.begin(), states.end());
            for (std::size_t i = 1; i < states.size(); ++i) {
                if (states[i].second != states[i - 1].second) {
                    out.add({states[i].first, "deployment", host(about[what]), what, {}});
                }
            }
        }
    };
    read(metric::kInventoryInfo, [](const Labels& labels) {
        return "What is installed on " + host(labels) + " changed (" + std::string(labels.get("set")) + ")";
    });
    read(metric::kRulesetInfo,
         [](const Labels& labels) { return "The packet filter of " + host(labels) + " changed"; });
}

void addAgents(Collecting& out) {
    for (const auto& series : out.read(metric::kAgentLastSeenSeconds)) {
        const auto name = std::string(series.labels->get("host"));
        std::optional<bool> before;
        for (const auto& sample : series.samples) {
            if (isStaleNaN(sample.value)) {
                continue;
            }
            const bool silent = sample.value > kSilentAfterSeconds;
            if (before && silent != *before) {
                out.add({sample.timestamp,
                         silent ? "agent_silent" : "agent_back",
                         name,
                         silent ? "The agent of " + name + " has been silent for a minute"
                                : "The agent of " + name + " reports again",
                         {}});
            }
            before = silent;
        }
    }
}

void addSilences(Collecting& out, const std::vector<notify::Silence>& silences) {
    for (const auto& silence : silences) {
        std::string what;
        for (const auto& matcher : silence.matchers) {
            what += (what.empty() ? "" : ", ") + notify::toString(matcher);
        }
        const auto by = silence.created_by.empty() ? "" : ", by " + silence.created_by;
        const auto why = silence.comment.empty() ? "" : ": " + silence.comment;
        out.add({silence.starts_at,
                 "silence_began",
                 "",
                 fmt::format("Silence begins ({}{}){}", what, by, why),
                 {}});
        out.add(
            {silence.ends_at, "silence_ended", "", fmt::format("Silence ends ({}{}){}", what, by, why), {}});
    }
}

}  // namespace

Expected<Timeline> timelineOf(const storage::Queryable& data, const std::vector<notify::Silence>& silences,
                              TimestampMs from, TimestampMs to) {
    Collecting out(data, from, to);
    addAlerts(out);
    addFindings(out);
    addRestarts(out);
    addDeployments(out);
    addRoles(out);
    addAgents(out);
    addSilences(out, silences);
    return out.finish();
}

void answerTimeline(const storage::Queryable& data, const notify::Silences& silences,
                    const Parameters& parameters, Responder& responder) {
    const TimestampMs now = nowMs();
    const auto end = timeParameter(parameters, "end", now);
    const auto start = end ? timeParameter(parameters, "start", *end - kDayMs) : end;
    if (!start) {
        return failure(responder, start.error());
    }
    if (*start > *end || *end - *start > kMostTimelineMs) {
        return failure(responder, 400, "bad_data",
                       *start > *end ? "end must not be before start" : "the range must not exceed 7 days");
    }
    const auto timeline = timelineOf(data, silences.list(now), *start, std::min(*end, now));
    if (!timeline) {
        return failure(responder, timeline.error());
    }
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        field(json, "start", rfc3339(*start));
        field(json, "end", rfc3339(*end));
        key(json, "truncated");
        json.Bool(timeline->truncated);
        key(json, "events");
        json.StartArray();
        for (const auto& event : timeline->events) {
            json.StartObject();
            field(json, "time", rfc3339(event.time));
            field(json, "kind", event.kind);
            field(json, "host", event.host);
            field(json, "text", event.text);
            key(json, "labels");
            labels(json, event.labels);
            json.EndObject();
        }
        json.EndArray();
        json.EndObject();
    });
}

}  // namespace lapwing::api
