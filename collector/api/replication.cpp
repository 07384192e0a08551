#include "collector/api/replication.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace lapwing::api {
namespace {

using analysis::Confidence;

constexpr double kLagging = 10;
constexpr std::size_t kMaxSamples = 1'000'000;

struct Newest {
    Labels labels;
    Sample sample;
};

/// The newest sample of each series, without those that ended.
Expected<std::vector<Newest>> newest(const storage::Queryable& data, const std::string& names,
                                     TimestampMs from, TimestampMs to) {
    auto matcher = storage::Matcher::create(storage::Matcher::Type::regex, "__name__", names);
    if (!matcher) return tl::unexpected(matcher.error());
    const auto found = data.select({*matcher}, from, to, kMaxSamples);
    if (!found) return tl::unexpected(found.error());
    std::vector<Newest> out;
    for (const auto& series : *found) {
        if (!series.samples.empty() && !isStaleNaN(series.samples.back().value)) {
            out.push_back({*series.labels, series.samples.back()});
        }
    }
    return out;
}

/// Everything about one channel of one replica.
struct Channel {
    std::map<std::string, Sample> values;                 // by metric, without the common prefix
    std::map<std::string, std::string> thread_states;     // "io", "sql"
    std::map<std::string, std::set<std::string>> errors;  // thread to error numbers
    std::string primary_address;
    TimestampMs observed = 0;
};

struct Observations {
    std::map<std::pair<std::string, std::string>, Channel> channels;  // by replica and channel
    std::map<std::string, Sample> configured;                         // by instance
    std::map<std::string, Sample> up;                                 // mysql's, by instance
    std::map<std::string, std::string> hosts;                         // address to host
};

void take(Observations& out, const Newest& each) {
    const std::string name(each.labels.metricName());
    const std::string instance(each.labels.get("instance"));
    if (name == "up") {
        if (each.labels.get("job") != "mysql") return;
        auto& known = out.up[instance];
        if (each.sample.timestamp >= known.timestamp) known = each.sample;
        return;
    }
    if (name == "lapwing_agent_address_info") {
        out.hosts[std::string(each.labels.get("address"))] = instance;
        return;
    }
    if (name == "lapwing_mysql_replica_configured") {
        out.configured[instance] = each.sample;
        return;
    }
    auto& channel = out.channels[{instance, std::string(each.labels.get("channel_name"))}];
    channel.observed = std::max(channel.observed, each.sample.timestamp);
    const std::string thread(each.labels.get("thread"));
    if (name == "lapwing_mysql_replica_thread_state") {
        if (each.sample.value == 1) channel.thread_states[thread] = std::string(each.labels.get("state"));
    } else if (name == "lapwing_mysql_replica_error_info") {
        channel.errors[thread].insert(std::string(each.labels.get("errno")));
    } else if (name.starts_with("mysql_slave_status_")) {
        if (each.labels.has("master_host"))
            channel.primary_address = std::string(each.labels.get("master_host"));
    } else {
        channel.values[name] = each.sample;
    }
}

std::optional<double> value(const Channel& channel, const std::string& name) {
    const auto it = channel.values.find("lapwing_mysql_replica_" + name);
    return it == channel.values.end() ? std::nullopt : std::optional(it->second.value);
}

std::string threadState(const Channel& channel, const std::string& thread) {
    const auto it = channel.thread_states.find(thread);
    return it == channel.thread_states.end() ? "unknown" : it->second;
}

bool hasError(const Channel& channel, const std::string& thread, std::initializer_list<const char*> numbers) {
    const auto it = channel.errors.find(thread);
    if (it == channel.errors.end()) return false;
    return std::any_of(numbers.begin(), numbers.end(),
                       [&](const char* n) { return it->second.count(n) != 0; });
}

std::string errorsOf(const Channel& channel, const std::string& thread) {
    std::string out;
    if (const auto it = channel.errors.find(thread); it != channel.errors.end()) {
        for (const auto& number : it->second) out += (out.empty() ? "" : ", ") + number;
    }
    return out;
}

struct Verdict {
    const char* state;
    const char* cause;
    Confidence confidence;
};

/// The receiver before the applier: without a receiver, what the applier says of the lag is old.
Verdict judge(const Channel& channel, const ReplicationEntry& entry, bool primary_down) {
    if (entry.receiver != "running" && entry.receiver != "unknown") {
        // Error numbers of MySQL and MariaDB: the account, the binary log, the server identity.
        if (hasError(channel, "io", {"1045", "1044", "1227", "1698"})) {
            return {"broken", "credentials", Confidence::confirmed};
        }
        if (hasError(channel, "io", {"1236"})) return {"broken", "binlog_purged", Confidence::suspected};
        if (hasError(channel, "io", {"1593"}))
            return {"broken", "duplicate_server_id", Confidence::suspected};
        if (primary_down) return {"broken", "primary_down", Confidence::confirmed};
        if (entry.receiver == "stopped") return {"broken", "receiver_stopped", Confidence::confirmed};
        return {"broken", "network", Confidence::suspected};
    }
    if (entry.applier == "stopped") return {"broken", "applier_stopped", Confidence::confirmed};
    if (!entry.lag_seconds || entry.receiver == "unknown" || entry.applier == "unknown") {
        return {"unknown", "unknown", Confidence::unknown};
    }
    if (*entry.lag_seconds > kLagging) return {"lagging", "applier_slow", Confidence::suspected};
    if (entry.delay_seconds.value_or(0) > 0)
        return {"delayed", "delayed_deliberately", Confidence::confirmed};
    return {"ok", "healthy", Confidence::confirmed};
}

void describe(ReplicationEntry& entry, const Channel& channel) {
    const std::string source = "replica status of " + entry.replica;
    for (const auto& [thread, name, state] : {std::tuple{"io", "receiver (I/O thread)", entry.receiver},
                                              std::tuple{"sql", "applier (SQL thread)", entry.applier}}) {
        const std::string errors = errorsOf(channel, thread);
        entry.evidence.push_back({source, std::string("the ") + name + " is " + state +
                                              (errors.empty() ? "" : ", error " + errors)});
    }
    if (!entry.lag_seconds) {
        entry.evidence.push_back({source, "the server tells no lag (NULL): it is unknown, not zero"});
    }
}

std::string declaredPrimary(const analysis::Site& site, const std::string& replica) {
    for (const auto& pair : site.replication) {
        if (pair.replica == replica) return pair.primary;
    }
    return {};
}

ReplicationEntry make(const std::string& replica, const std::string& name, const Channel& channel,
                      const Observations& seen, const analysis::Site& site) {
    ReplicationEntry entry;
    entry.replica = replica;
    entry.channel = name;
    entry.primary = declaredPrimary(site, replica);
    if (entry.primary.empty()) {
        const auto host = seen.hosts.find(channel.primary_address);
        entry.primary = host == seen.hosts.end() ? channel.primary_address : host->second;
    }
    entry.receiver = threadState(channel, "io");
    entry.applier = threadState(channel, "sql");
    entry.delay_seconds = value(channel, "delay_seconds");
    entry.observed = channel.observed;
    if (value(channel, "lag_known").value_or(0) == 1) entry.lag_seconds = value(channel, "lag_seconds");
    if (entry.lag_seconds) entry.lag_source = "seconds_behind_source";
    const auto primary_up = seen.up.find(entry.primary);
    const bool primary_down = primary_up != seen.up.end() && primary_up->second.value == 0;
    const auto verdict = judge(channel, entry, primary_down);
    entry.state = verdict.state;
    entry.cause = verdict.cause;
    entry.confidence = verdict.confidence;
    describe(entry, channel);
    if (primary_down) {
        entry.evidence.push_back({"mysql probe of " + entry.primary, "the primary does not answer"});
    }
    return entry;
}

/// A declared replica of which no channel is seen.
ReplicationEntry makeSilent(const analysis::Site::Pair& pair, const Observations& seen) {
    ReplicationEntry entry;
    entry.replica = pair.replica;
    entry.primary = pair.primary;
    entry.state = "unknown";
    entry.cause = "unknown";
    entry.receiver = "unknown";
    entry.applier = "unknown";
    const auto up = seen.up.find(pair.replica);
    const auto configured = seen.configured.find(pair.replica);
    if (up != seen.up.end()) entry.observed = up->second.timestamp;
    if (up == seen.up.end()) {
        entry.evidence.push_back({"collector", "nothing is reported about MySQL on " + pair.replica});
    } else if (up->second.value == 0) {
        entry.evidence.push_back({"mysql probe of " + pair.replica, "the replica does not answer"});
    } else if (configured != seen.configured.end() && configured->second.value == 0) {
        entry.state = "broken";
        entry.cause = "not_configured";
        entry.confidence = Confidence::confirmed;
        entry.evidence.push_back(
            {"replica status of " + pair.replica, "no replication is configured on this server"});
    } else {
        entry.evidence.push_back({"mysql probe of " + pair.replica, "the replica's status cannot be read"});
    }
    return entry;
}

}  // namespace

Expected<std::vector<ReplicationEntry>> replicationState(const storage::Queryable& data,
                                                         const analysis::Site& site, TimestampMs now,
                                                         std::int64_t max_age_ms) {
    const auto found = newest(data,
                              "up|lapwing_agent_address_info|lapwing_mysql_replica_.*|"
                              "mysql_slave_status_(slave_io_running|master_server_id)",
                              now - max_age_ms, now);
    if (!found) return tl::unexpected(found.error());
    Observations seen;
    for (const auto& each : *found) take(seen, each);
    std::vector<ReplicationEntry> out;
    for (const auto& [who, channel] : seen.channels) {
        const auto up = seen.up.find(who.first);
        // A server that stopped answering leaves a status that was true a moment ago.
        if (up != seen.up.end() && up->second.value == 0) continue;
        out.push_back(make(who.first, who.second, channel, seen, site));
    }
    for (const auto& pair : site.replication) {
        const bool shown =
            std::any_of(out.begin(), out.end(), [&](const auto& e) { return e.replica == pair.replica; });
        if (!shown) out.push_back(makeSilent(pair, seen));
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return std::tie(a.replica, a.channel) < std::tie(b.replica, b.channel);
    });
    return out;
}

}  // namespace lapwing::api
