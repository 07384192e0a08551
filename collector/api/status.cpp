#include "collector/api/status.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <thread>
#include <unordered_map>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/storage/store.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

// The version of Prometheus whose answers these are; clients detect features by it.
constexpr const char* kPrometheusVersion = "3.5.0";
constexpr std::int64_t kHeadMs = 2LL * 3'600'000;

int threadCount() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        int count = 0;
        if (word == "Threads:" && status >> count) {
            return count;
        }
    }
    return 0;
}

std::string workingDirectory() {
    std::array<char, 4096> buffer{};
    return ::getcwd(buffer.data(), buffer.size()) == nullptr ? "" : buffer.data();
}

void integer(JsonWriter& json, const char* name, std::int64_t value) {
    key(json, name);
    json.Int64(value);
}

std::string yamlText(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c;
        if (c == '\'') {
            out += c;
        }
    }
    return out + "'";
}

using Counts = std::map<std::string, std::uint64_t>;

void top(JsonWriter& json, const char* name, const Counts& counts, std::size_t limit) {
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    const auto more = [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    };
    const auto shown = std::min(limit, sorted.size());
    std::partial_sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(shown), sorted.end(),
                      more);
    key(json, name);
    json.StartArray();
    for (std::size_t i = 0; i < shown; ++i) {
        json.StartObject();
        field(json, "name", sorted[i].first);
        key(json, "value");
        json.Uint64(sorted[i].second);
        json.EndObject();
    }
    json.EndArray();
}

/// The statistics that an index of all series would hold.
struct Cardinality {
    std::uint64_t series = 0;
    Counts by_metric;
    Counts by_pair;
    Counts values_by_label;
    Counts bytes_by_label;
};

Expected<Cardinality> countSeries(const storage::Queryable& data, TimestampMs from, TimestampMs to) {
    Cardinality out;
    const auto names = data.labelValues("__name__", {}, from, to);
    if (!names) {
        return fail(names.error());
    }
    for (const auto& name : *names) {
        const auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", name);
        if (!matcher) {
            return fail(matcher.error());
        }
        const auto found = data.series({{*matcher}}, from, to);
        if (!found) {
            return fail(found.error());
        }
        out.series += found->size();
        out.by_metric[name] = found->size();
        for (const auto& each : *found) {
            for (const auto& label : each) {
                if (++out.by_pair[label.name + '=' + label.value] == 1) {
                    ++out.values_by_label[label.name];
                }
                out.bytes_by_label[label.name] += label.value.size();
            }
        }
    }
    return out;
}

}  // namespace

std::string publicUrl(const std::string& url) {
    try {
        Poco::URI uri(url);
        uri.setUserInfo("");
        uri.setRawQuery("");
        return uri.toString();
    } catch (const Poco::Exception&) {
        return "";
    }
}

void answerBuildInfo(Responder& responder) {
    success(responder, [](JsonWriter& json) {
        json.StartObject();
        field(json, "version", kPrometheusVersion);
        field(json, "revision", LAPWING_VERSION);
        field(json, "branch", "");
        field(json, "buildUser", "");
        field(json, "buildDate", "");
        field(json, "goVersion", "");
        field(json, "application", "Lapwing");
        json.EndObject();
    });
}

void answerRuntimeInfo(const ServerFacts& facts, TimestampMs reloaded, bool reload_ok, Responder& responder) {
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        field(json, "startTime", rfc3339(facts.started));
        field(json, "CWD", workingDirectory());
        field(json, "hostname", facts.hostname);
        field(json, "serverTime", rfc3339(nowMs()));
        key(json, "reloadConfigSuccess");
        json.Bool(reload_ok);
        field(json, "lastConfigTime", rfc3339(reloaded));
        integer(json, "corruptionCount", 0);
        integer(json, "goroutineCount", threadCount());
        integer(json, "GOMAXPROCS", std::thread::hardware_concurrency());
        integer(json, "GOMEMLIMIT", 0);
        field(json, "GOGC", "");
        field(json, "GODEBUG", "");
        field(json, "storageRetention", facts.retention);
        json.EndObject();
    });
}

void answerFlags(const ServerFacts& facts, Responder& responder) {
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        for (const auto& [name, value] : facts.flags) {
            field(json, name, value);
        }
        json.EndObject();
    });
}

void answerConfig(const ServerFacts& facts, Responder& responder) {
    std::string yaml = "global:\n  evaluation_interval: " + facts.evaluation_interval + "\n";
    if (!facts.rule_files.empty()) {
        yaml += "rule_files:\n";
        for (const auto& file : facts.rule_files) {
            yaml += "- " + yamlText(file) + "\n";
        }
    }
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        field(json, "yaml", yaml);
        json.EndObject();
    });
}

void answerAlertmanagers(const ServerFacts& facts, Responder& responder) {
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "activeAlertmanagers");
        json.StartArray();
        for (const auto& url : facts.alertmanagers) {
            json.StartObject();
            field(json, "url", url);
            json.EndObject();
        }
        json.EndArray();
        key(json, "droppedAlertmanagers");
        json.StartArray();
        json.EndArray();
        json.EndObject();
    });
}

void answerTsdb(const storage::Queryable& data, const storage::StoreStats& stats, std::size_t limit,
                Responder& responder) {
    const TimestampMs now = nowMs();
    const auto counted = countSeries(data, now - kHeadMs, now);
    if (!counted) {
        return failure(responder, counted.error());
    }
    Counts series_by_sender;
    Counts bytes_by_sender;
    for (const auto& [sender, active] : stats.senders) {
        series_by_sender[sender] = active.series;
        bytes_by_sender[sender] = active.label_bytes;
    }
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "headStats");
        json.StartObject();
        integer(json, "numSeries", static_cast<std::int64_t>(counted->series));
        integer(json, "numLabelPairs", static_cast<std::int64_t>(counted->by_pair.size()));
        // Samples are not kept in chunks of single series.
        key(json, "chunkCount");
        json.Null();
        integer(json, "minTime", now - kHeadMs);
        integer(json, "maxTime", now);
        json.EndObject();
        top(json, "seriesCountByMetricName", counted->by_metric, limit);
        top(json, "labelValueCountByLabelName", counted->values_by_label, limit);
        top(json, "memoryInBytesByLabelName", counted->bytes_by_label, limit);
        top(json, "seriesCountByLabelValuePair", counted->by_pair, limit);
        top(json, "activeSeriesCountBySender", series_by_sender, limit);
        top(json, "activeLabelBytesBySender", bytes_by_sender, limit);
        json.EndObject();
    });
}

}  // namespace lapwing::api
