#include "collector/analysis/evidence/database_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

/// The document whose digest the report names, shortened and on one line; "" while it is missing.
std::string documentText(const Report& report) {
    constexpr std::size_t longest = 400;
    const auto digest = report.get("digest");
    if (digest.empty()) {
        return {};
    }
    const auto found = report.store.document(digest);
    if (!found || !*found) {
        return {};
    }
    std::string text;
    for (const char c : (*found)->body.substr(0, longest)) {
        text += c == '\n' ? std::string("; ") : std::string(1, static_cast<unsigned char>(c) < ' ' ? ' ' : c);
    }
    while (text.ends_with("; ")) {
        text.resize(text.size() - 2);
    }
    return text;
}

void takeVersion(const Report& report, Database& server) {
    const auto version = report.get("version");
    server.mariadb = server.mariadb || version.find("MariaDB") != std::string::npos;
    if (server.version.empty()) {
        server.version = version;
    }
}

void takeServerInfo(const Report& report, Database& server) {
    server.mariadb = report.labels.get("flavour") == "mariadb";
    server.version = report.get("version");
    server.server_uuid = report.get("server_uuid");
    if (const auto id = report.get("server_id"); !id.empty()) {
        server.server_id = id;
    }
    if (report.labels.has("log_bin")) {
        server.log_bin = report.labels.get("log_bin") == "ON";
    }
}

constexpr std::array kServerMetrics{
    ServerMetric{exporter::kUp,
                 [](const Report& report, Database& server) {
                     server.up = report.isOn();
                     server.heard = report.at;
                 }},
    ServerMetric{metric::kProbeFailure,
                 [](const Report& report, Database& server) { server.failure = report.get("reason"); }},
    ServerMetric{exporter::kMysqlVersionInfo, takeVersion},
    ServerMetric{exporter::kMysqlGlobalVariablesServerId,
                 [](const Report& report, Database& server) {
                     server.server_id = std::to_string(std::llround(report.value));
                 }},
    ServerMetric{exporter::kMysqlGlobalVariablesLogBin,
                 [](const Report& report, Database& server) { server.log_bin = report.isOn(); }},
    ServerMetric{exporter::kMysqlGlobalVariablesReadOnly,
                 [](const Report& report, Database& server) { server.read_only = report.value != 0; }},
    ServerMetric{exporter::kMysqlGlobalVariablesSuperReadOnly,
                 [](const Report& report, Database& server) { server.super_read_only = report.value != 0; }},
    ServerMetric{metric::kMysqlServerInfo, takeServerInfo},
    ServerMetric{metric::kMysqlReplicaConfigured,
                 [](const Report& report, Database& server) { server.configured = report.isOn(); }},
    ServerMetric{metric::kMysqlClockOffsetSeconds,
                 [](const Report& report, Database& server) { server.clock = report.value; }},
    ServerMetric{metric::kMysqlHeartbeatAgeSeconds,
                 [](const Report& report, Database& server) {
                     server.heartbeats[report.get("server_id")] = {report.at, report.value};
                 }},
    ServerMetric{metric::kMysqlHeartbeatWriting,
                 [](const Report& report, Database& server) { server.heartbeat_writing = report.isOn(); }},
    ServerMetric{
        metric::kMysqlHeartbeatRefusedInfo,
        [](const Report& report, Database& server) { server.heartbeat_refused = report.get("reason"); }},
    ServerMetric{metric::kMysqlLongestTransactionSeconds,
                 [](const Report& report, Database& server) { server.longest_transaction = report.value; }},
    ServerMetric{metric::kMysqlPrivilegeMissing,
                 [](const Report& report, Database& server) {
                     server.missing_privileges.push_back(report.get("privilege"));
                 }},
};

ReplicationThread& threadOf(const Report& report, ReplicaChannel& channel) {
    return report.labels.get("thread") == "sql" ? channel.applier : channel.receiver;
}

void takeThreadState(const Report& report, ReplicaChannel& channel) {
    if (report.isOn()) {
        threadOf(report, channel).state =
            valueOf(kThreadStateNames, report.labels.get("state")).value_or(ThreadState::unknown);
        channel.at = std::max(channel.at, report.at);
    }
}

void takeError(const Report& report, ReplicaChannel& channel) {
    threadOf(report, channel)
        .errors.push_back({std::atoi(report.get("errno").c_str()), documentText(report)});
}

void takeSource(const Report& report, ReplicaChannel& channel) {
    channel.source = {report.get("source_host"),
                      parsePort(report.labels.get("source_port")).value_or(std::uint16_t{0})};
    channel.source_server_id = report.get("source_server_id");
    channel.source_uuid = report.get("source_uuid");
}

void takeLastEvent(const Report& report, ReplicaChannel& channel) {
    auto& age = report.labels.get("side") == "source" ? channel.last_event_age_source
                                                      : channel.last_event_age_applied;
    age = report.value;
}

void takeBlocker(const Report& report, ReplicaChannel& channel) {
    channel.blocked.push_back(
        {report.value, valueOf(kBlockerKindNames, report.labels.get("kind")).value_or(BlockerKind::lock),
         report.get("blocker"), documentText(report)});
}

constexpr std::array kChannelMetrics{
    ChannelMetric{metric::kMysqlReplicaThreadState, takeThreadState},
    ChannelMetric{metric::kMysqlReplicaErrorInfo, takeError},
    ChannelMetric{metric::kMysqlReplicaSourceInfo, takeSource},
    ChannelMetric{metric::kMysqlReplicaLastEventAgeSeconds, takeLastEvent},
    ChannelMetric{metric::kMysqlApplierBlockedSeconds, takeBlocker},
    ChannelMetric{
        exporter::kMysqlSlaveStatusSecondsBehindMaster,
        [](const Report& report, ReplicaChannel& channel) { channel.seconds_behind = report.value; }},
    ChannelMetric{
        metric::kMysqlReplicaDelaySeconds,
        [](const Report& report, ReplicaChannel& channel) { channel.delay_seconds = report.value; }},
    ChannelMetric{
        metric::kMysqlReplicaLastHeartbeatAgeSeconds,
        [](const Report& report, ReplicaChannel& channel) { channel.last_heartbeat_age = report.value; }},
    ChannelMetric{metric::kMysqlReplicaApplyingAgeSeconds,
                  [](const Report& report, ReplicaChannel& channel) { channel.applying_age = report.value; }},
    ChannelMetric{metric::kMysqlReplicaFiltersInfo,
                  [](const Report& report, ReplicaChannel& channel) {
                      channel.filters.push_back(report.get("filter"));
                  }},
};

}  // namespace

std::span<const ServerMetric> serverMetrics() {
    return kServerMetrics;
}

std::span<const ChannelMetric> channelMetrics() {
    return kChannelMetrics;
}

}  // namespace lapwing::analysis::evidence
