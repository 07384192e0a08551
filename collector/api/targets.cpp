#include "collector/api/targets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/ingest/metadata_book.h"
#include "collector/promql/engine.h"
#include "collector/storage/queryable.h"
#include "common/config/reader.h"
#include "common/metric_names.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kMaxSamples = 2'000'000;

Expected<std::vector<storage::SeriesSamples>> select(const storage::Queryable& data, const char* metric,
                                                     TimestampMs from, TimestampMs to) {
    const auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", metric);
    if (!matcher) {
        return fail(matcher.error());
    }
    return data.select({*matcher}, from, to, kMaxSamples);
}

Labels without(const Labels& labels, std::initializer_list<const char*> names) {
    Labels out = labels;
    for (const char* name : names) {
        out.erase(name);
    }
    return out;
}

std::string jobOf(const Target& target) {
    return std::string(target.labels.get("job"));
}

/// Agents push. This URL names the observer and the target; it cannot be fetched.
std::string addressOf(const Target& target) {
    const auto agent = target.labels.get("agent");
    return agent.empty() ? "" : "lapwing-agent://" + std::string(agent) + "/" + jobOf(target);
}

void writeTarget(JsonWriter& json, const Target& target) {
    const std::string interval = target.interval_ms > 0 ? config::formatDuration(target.interval_ms) : "";
    json.StartObject();
    key(json, "discoveredLabels");
    labels(json, Labels{{"__address__", std::string(target.labels.get("instance"))},
                        {"__scrape_interval__", interval},
                        {"job", jobOf(target)}});
    key(json, "labels");
    labels(json, target.labels);
    field(json, "scrapePool", jobOf(target));
    field(json, "scrapeUrl", addressOf(target));
    field(json, "globalUrl", addressOf(target));
    field(json, "lastError", target.reason);
    field(json, "lastScrape", rfc3339(target.last));
    key(json, "lastScrapeDuration");
    number(json, target.seconds);
    field(json, "health", target.up ? exporter::kUp : "down");
    field(json, "scrapeInterval", interval);
    field(json, "scrapeTimeout", "");
    json.EndObject();
}

std::set<std::string> jobsOf(const std::vector<Target>& targets) {
    std::set<std::string> jobs;
    for (const auto& target : targets) {
        jobs.insert(jobOf(target));
    }
    return jobs;
}

/// -1: no limit.
Expected<int> metadataLimit(const Parameters& parameters, const char* name) {
    const std::string text = first(parameters, name);
    if (text.empty()) {
        return -1;
    }
    const auto limit = parseInteger(text);
    if (!limit) {
        return fail(ErrorKind::invalid, std::string(name) + " must be a number");
    }
    return *limit;
}

/// The metric families of a target: the series of a histogram have names with suffixes.
bool belongs(const std::set<std::string>& metrics, const MetricMetadata& metadata) {
    static constexpr std::array<const char*, 6> suffixes = {"",        "_count", "_sum",
                                                            "_bucket", "_total", "_info"};
    return std::any_of(suffixes.begin(), suffixes.end(),
                       [&](const char* suffix) { return metrics.count(metadata.metric + suffix) != 0; });
}

Expected<std::set<std::string>> metricsOf(const Target& target, const storage::Queryable& data,
                                          TimestampMs now) {
    storage::Matchers matchers;
    for (const char* name : {"job", "instance", "agent"}) {
        auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, name,
                                                std::string(target.labels.get(name)));
        if (!matcher) {
            return fail(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    const auto names = data.labelValues("__name__", {matchers}, target.last, now);
    if (!names) {
        return fail(names.error());
    }
    return std::set<std::string>(names->begin(), names->end());
}

}  // namespace

Expected<std::vector<Target>> findTargets(const storage::Queryable& data, TimestampMs now,
                                          std::int64_t lookback_ms) {
    const TimestampMs from = now - lookback_ms;
    const auto ups = select(data, exporter::kUp, from, now);
    if (!ups) {
        return fail(ups.error());
    }
    const auto durations = select(data, exporter::kScrapeDurationSeconds, from, now);
    if (!durations) {
        return fail(durations.error());
    }
    const auto failures = select(data, metric::kProbeFailure, from, now);
    if (!failures) {
        return fail(failures.error());
    }

    std::map<Labels, Target> found;
    for (const auto& series : *ups) {
        if (series.samples.empty() || isStaleNaN(series.samples.back().value)) {
            continue;
        }
        Target target;
        target.labels = without(*series.labels, {"__name__"});
        target.up = series.samples.back().value == 1;
        target.last = series.samples.back().timestamp;
        target.seconds = std::numeric_limits<double>::quiet_NaN();
        if (series.samples.size() > 1) {
            target.interval_ms = target.last - series.samples[series.samples.size() - 2].timestamp;
        }
        found.emplace(target.labels, std::move(target));
    }
    const auto of_last_run = [&found](const storage::SeriesSamples& series, const Labels& labels) -> Target* {
        const auto it = found.find(labels);
        const bool same = it != found.end() && !series.samples.empty() &&
                          series.samples.back().timestamp == it->second.last &&
                          !isStaleNaN(series.samples.back().value);
        return same ? &it->second : nullptr;
    };
    for (const auto& series : *durations) {
        if (auto* target = of_last_run(series, without(*series.labels, {"__name__"}))) {
            target->seconds = series.samples.back().value;
        }
    }
    for (const auto& series : *failures) {
        if (auto* target = of_last_run(series, without(*series.labels, {"__name__", "reason"}))) {
            target->reason = series.labels->get("reason");
        }
    }
    std::vector<Target> out;
    out.reserve(found.size());
    for (auto& [labels, target] : found) {
        out.push_back(std::move(target));
    }
    return out;
}

void answerTargets(const std::vector<Target>& targets, const Parameters& parameters, Responder& responder) {
    const std::string pool = first(parameters, "scrapePool");
    const std::string state = lower(first(parameters, "state"));
    const bool any = state.empty() || state == "any";
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "activeTargets");
        json.StartArray();
        for (const auto& job : jobsOf(targets)) {
            for (const auto& target : targets) {
                if (jobOf(target) != job || !(any || state == "active")) {
                    continue;
                }
                if (pool.empty() || pool == job) {
                    writeTarget(json, target);
                }
            }
        }
        json.EndArray();
        // Lapwing drops no targets by relabelling.
        key(json, "droppedTargets");
        json.StartArray();
        json.EndArray();
        key(json, "droppedTargetCounts");
        if (any || state == "dropped") {
            json.StartObject();
            for (const auto& job : jobsOf(targets)) {
                key(json, job);
                json.Int(0);
            }
            json.EndObject();
        } else {
            json.Null();
        }
        json.EndObject();
    });
}

void answerScrapePools(const std::vector<Target>& targets, Responder& responder) {
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "scrapePools");
        json.StartArray();
        for (const auto& job : jobsOf(targets)) {
            text(json, job);
        }
        json.EndArray();
        json.EndObject();
    });
}

void answerTargetMetadata(const std::vector<Target>& targets, const storage::Queryable& data,
                          const ingest::MetadataBook& book, const Parameters& parameters,
                          Responder& responder) {
    const auto limit = metadataLimit(parameters, "limit");
    if (!limit) {
        return failure(responder, limit.error());
    }
    storage::Matchers matchers;
    if (const std::string match = first(parameters, "match_target"); !match.empty()) {
        auto parsed = promql::parseSelector(match);
        if (!parsed) {
            return failure(responder, invalidParameter("match_target", parsed.error().message));
        }
        matchers = std::move(*parsed);
    }
    const std::string metric = first(parameters, "metric");
    const auto known = book.list(metric);
    struct Row {
        const Target* target;
        const MetricMetadata* metadata;
    };
    std::vector<Row> rows;
    const TimestampMs now = nowMs();
    for (const auto& target : targets) {
        if (*limit >= 0 && rows.size() >= static_cast<std::size_t>(*limit)) {
            break;
        }
        if (!std::all_of(matchers.begin(), matchers.end(),
                         [&](const auto& matcher) { return matcher.matches(target.labels); })) {
            continue;
        }
        const auto metrics = metricsOf(target, data, now);
        if (!metrics) {
            return failure(responder, metrics.error());
        }
        for (const auto& [name, statements] : known) {
            if (belongs(*metrics, statements.back())) {
                rows.push_back({&target, &statements.back()});
            }
        }
    }
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& row : rows) {
            json.StartObject();
            key(json, "target");
            labels(json, row.target->labels);
            if (metric.empty()) {
                field(json, "metric", row.metadata->metric);
            }
            field(json, "type", row.metadata->type);
            field(json, "help", row.metadata->help);
            field(json, "unit", row.metadata->unit);
            json.EndObject();
        }
        json.EndArray();
    });
}

void answerMetadata(const ingest::MetadataBook& book, const Parameters& parameters, Responder& responder) {
    const auto limit = metadataLimit(parameters, "limit");
    if (!limit) {
        return failure(responder, limit.error());
    }
    const auto per_metric = metadataLimit(parameters, "limit_per_metric");
    if (!per_metric) {
        return failure(responder, per_metric.error());
    }
    const auto known = book.list(first(parameters, "metric"));
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        int metrics = 0;
        for (const auto& [name, statements] : known) {
            if (*limit >= 0 && metrics++ >= *limit) {
                break;
            }
            key(json, name);
            json.StartArray();
            int shown = 0;
            for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
                if (*per_metric > 0 && shown++ >= *per_metric) {
                    break;
                }
                json.StartObject();
                field(json, "type", it->type);
                field(json, "unit", it->unit);
                field(json, "help", it->help);
                json.EndObject();
            }
            json.EndArray();
        }
        json.EndObject();
    });
}

}  // namespace lapwing::api
