#include "collector/analysis/evidence/database_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

void takeVersion(const Observation& seen, Database& server) {
    const auto version = seen.get("version");
    server.mariadb = server.mariadb || version.find("MariaDB") != std::string::npos;
    if (server.version.empty()) {
        server.version = version;
    }
}

void takeServerInfo(const Observation& seen, Database& server) {
    server.mariadb = seen.labels->get("flavour") == "mariadb";
    server.version = seen.get("version");
    server.server_uuid = seen.get("server_uuid");
    if (const auto id = seen.get("server_id"); !id.empty()) {
        server.server_id = id;
    }
    if (seen.labels->has("log_bin")) {
        server.log_bin = seen.labels->get("log_bin") == "ON";
    }
}

void takeRefusal(const Observation& seen, Database& server) {
    server.refusal = seen.get("reason") + " (error " + seen.get("errno") + ")";
}

void takeCommitWait(const Observation& seen, Database& server) {
    server.waits.push_back(commitWaitOf(seen));
}

constexpr std::array kServerMetrics{
    ServerMetric{exporter::kUp,
                 [](const Observation& seen, Database& server) {
                     server.up = seen.isOn();
                     server.heard = seen.at;
                 }},
    ServerMetric{metric::kProbeFailure,
                 [](const Observation& seen, Database& server) { server.failure = seen.get("reason"); }},
    ServerMetric{exporter::kMysqlUp,
                 [](const Observation& seen, Database& server) { server.answered = seen.isOn(); }},
    ServerMetric{metric::kMysqlRefusedInfo, takeRefusal},
    ServerMetric{metric::kMysqlWaitingSeconds, takeCommitWait},
    ServerMetric{exporter::kMysqlVersionInfo, takeVersion},
    ServerMetric{exporter::kMysqlGlobalVariablesServerId,
                 [](const Observation& seen, Database& server) {
                     server.server_id = std::to_string(std::llround(seen.value));
                 }},
    ServerMetric{exporter::kMysqlGlobalVariablesLogBin,
                 [](const Observation& seen, Database& server) { server.log_bin = seen.isOn(); }},
    ServerMetric{exporter::kMysqlGlobalVariablesReadOnly,
                 [](const Observation& seen, Database& server) { server.read_only = seen.value != 0; }},
    ServerMetric{exporter::kMysqlGlobalVariablesSuperReadOnly,
                 [](const Observation& seen, Database& server) { server.super_read_only = seen.value != 0; }},
    ServerMetric{metric::kMysqlServerInfo, takeServerInfo},
    ServerMetric{metric::kMysqlReplicaConfigured,
                 [](const Observation& seen, Database& server) { server.configured = seen.isOn(); }},
    ServerMetric{metric::kMysqlClockOffsetSeconds,
                 [](const Observation& seen, Database& server) { server.clock = seen.value; }},
    ServerMetric{metric::kMysqlHeartbeatAgeSeconds,
                 [](const Observation& seen, Database& server) {
                     server.heartbeats[seen.get("server_id")] = {seen.at, seen.value};
                 }},
    ServerMetric{metric::kMysqlHeartbeatWriting,
                 [](const Observation& seen, Database& server) { server.heartbeat_writing = seen.isOn(); }},
    ServerMetric{
        metric::kMysqlHeartbeatRefusedInfo,
        [](const Observation& seen, Database& server) { server.heartbeat_refused = seen.get("reason"); }},
    ServerMetric{metric::kMysqlLongestTransactionSeconds,
                 [](const Observation& seen, Database& server) { server.longest_transaction = seen.value; }},
    ServerMetric{metric::kMysqlPrivilegeMissing,
                 [](const Observation& seen, Database& server) {
                     server.missing_privileges.push_back(seen.get("privilege"));
                 }},
};

ReplicationThread& threadOf(const Observation& seen, ReplicaChannel& channel) {
    return seen.labels->get("thread") == "io" ? channel.receiver : channel.applier;
}

void takeThreadState(const Observation& seen, ReplicaChannel& channel) {
    if (seen.isOn()) {
        threadOf(seen, channel).state =
            valueOf(kThreadStateNames, seen.labels->get("state")).value_or(ThreadState::unknown);
        channel.at = std::max(channel.at, seen.at);
    }
}

void takeError(const Observation& seen, ReplicaChannel& channel) {
    threadOf(seen, channel).errors.push_back({seen.number("errno"), "", seen.get("digest")});
}

void takeThreadWait(const Observation& seen, ReplicaChannel& channel) {
    if (const auto reason = valueOf(database::kWaitReasonNames, seen.labels->get("reason"))) {
        threadOf(seen, channel).wait = ThreadWait{*reason, seen.get("state")};
    }
}

void takeSource(const Observation& seen, ReplicaChannel& channel) {
    channel.source = {seen.get("source_host"),
                      parsePort(seen.labels->get("source_port")).value_or(std::uint16_t{0})};
    channel.source_server_id = seen.get("source_server_id");
    channel.source_uuid = seen.get("source_uuid");
}

void takeLastEvent(const Observation& seen, ReplicaChannel& channel) {
    auto& age =
        seen.labels->get("side") == "source" ? channel.last_event_age_source : channel.last_event_age_applied;
    age = seen.value;
}

void takeBlocker(const Observation& seen, ReplicaChannel& channel) {
    channel.blocked.push_back(
        {seen.value, valueOf(kBlockerKindNames, seen.labels->get("kind")).value_or(BlockerKind::lock),
         seen.get("blocker"), "", seen.get("digest")});
}

constexpr std::array kChannelMetrics{
    ChannelMetric{metric::kMysqlReplicaThreadState, takeThreadState},
    ChannelMetric{metric::kMysqlReplicaErrorInfo, takeError},
    ChannelMetric{metric::kMysqlReplicaWaitInfo, takeThreadWait},
    ChannelMetric{metric::kMysqlReplicaSourceInfo, takeSource},
    ChannelMetric{metric::kMysqlReplicaLastEventAgeSeconds, takeLastEvent},
    ChannelMetric{metric::kMysqlApplierBlockedSeconds, takeBlocker},
    ChannelMetric{
        exporter::kMysqlSlaveStatusSecondsBehindMaster,
        [](const Observation& seen, ReplicaChannel& channel) { channel.seconds_behind = seen.value; }},
    ChannelMetric{
        metric::kMysqlReplicaDelaySeconds,
        [](const Observation& seen, ReplicaChannel& channel) { channel.delay_seconds = seen.value; }},
    ChannelMetric{
        metric::kMysqlReplicaLastHeartbeatAgeSeconds,
        [](const Observation& seen, ReplicaChannel& channel) { channel.last_heartbeat_age = seen.value; }},
    ChannelMetric{
        metric::kMysqlReplicaApplyingAgeSeconds,
        [](const Observation& seen, ReplicaChannel& channel) { channel.applying_age = seen.value; }},
    ChannelMetric{metric::kMysqlReplicaFiltersInfo,
                  [](const Observation& seen, ReplicaChannel& channel) {
                      channel.filters.push_back(seen.get("filter"));
                  }},
};

}  // namespace

CommitWait commitWaitOf(const Observation& seen) {
    const auto reason =
        valueOf(database::kWaitReasonNames, seen.labels->get("reason")).value_or(database::WaitReason::other);
    const auto who = seen.labels->get("who");
    return {reason, seen.get("state"), seen.value, who == "heartbeat", who == "agent"};
}

std::span<const ServerMetric> serverMetrics() {
    return kServerMetrics;
}

std::span<const ChannelMetric> channelMetrics() {
    return kChannelMetrics;
}

}  // namespace lapwing::analysis::evidence
