#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "common/metric_names.h"

namespace lapwing::metric {

/// Who may say what a metric says of an `instance`.
enum class Speaker {
    self,      ///< the agent on that host alone: nobody else can know it
    observer,  ///< any agent that watches that server; the agent on its own host comes first
    probe,  ///< as the metrics of its job: `up` of a remote HAProxy is an observer's, `up` of `node` is not
    peer,   ///< the agents that try to connect to that host
    collector,  ///< the collector alone
};

struct NamedSpeaker {
    const char* name;
    Speaker speaker;
};

/// Every name of metric_names.h; tests/check-metric-names compares both.
inline constexpr std::array kSpeakers{
    NamedSpeaker{kAgentInfo, Speaker::self},
    NamedSpeaker{kAgentAddressInfo, Speaker::self},
    NamedSpeaker{kAgentSpoolSamples, Speaker::self},
    NamedSpeaker{kAgentSpoolBytes, Speaker::self},
    NamedSpeaker{kAgentSpoolAsideSamples, Speaker::self},
    NamedSpeaker{kAgentSamplesSentTotal, Speaker::self},
    NamedSpeaker{kAgentSamplesDroppedTotal, Speaker::self},
    NamedSpeaker{kClockOffsetSeconds, Speaker::self},
    NamedSpeaker{kClockOffsetErrorSeconds, Speaker::self},
    NamedSpeaker{kListenerInfo, Speaker::self},
    NamedSpeaker{kOutgoingConnections, Speaker::self},
    NamedSpeaker{kIncomingConnections, Speaker::self},
    NamedSpeaker{kRulesetInfo, Speaker::self},
    NamedSpeaker{kRulesetAgeSeconds, Speaker::self},
    NamedSpeaker{kSshPasswordAuthentication, Speaker::self},
    NamedSpeaker{kFirewallDefaultDeny, Speaker::self},
    NamedSpeaker{kFirewallPortVerdict, Speaker::self},
    NamedSpeaker{kFirewallUnknownInfo, Speaker::self},
    NamedSpeaker{kBootRulesetInfo, Speaker::self},
    NamedSpeaker{kBootRulesetUnknownInfo, Speaker::self},
    NamedSpeaker{kBootRulesetFaultInfo, Speaker::self},
    NamedSpeaker{kBootRulesetMakerInfo, Speaker::self},
    NamedSpeaker{kVrrpInstanceInfo, Speaker::self},
    NamedSpeaker{kVrrpAddressInfo, Speaker::self},
    NamedSpeaker{kVrrpCheckInfo, Speaker::self},
    NamedSpeaker{kVrrpUnreadInfo, Speaker::self},
    NamedSpeaker{kInventoryInfo, Speaker::self},
    NamedSpeaker{kInventoryEntries, Speaker::self},
    NamedSpeaker{kNginxRouteInfo, Speaker::self},
    NamedSpeaker{kConfigurationTestInfo, Speaker::self},
    NamedSpeaker{kConfigurationTestTime, Speaker::self},
    NamedSpeaker{kStaleCertificateEnd, Speaker::self},
    NamedSpeaker{kReplacedProgramInfo, Speaker::self},
    NamedSpeaker{kRebootRequiredInfo, Speaker::self},
    NamedSpeaker{kSecurityUpdatesPending, Speaker::self},
    NamedSpeaker{kSecurityUpdateInfo, Speaker::self},
    NamedSpeaker{kPackageListsTime, Speaker::self},
    NamedSpeaker{kNginxWorkersWithoutMaster, Speaker::self},
    NamedSpeaker{kFstabMounted, Speaker::self},
    NamedSpeaker{kNginxUpstreamResponsesTotal, Speaker::self},
    NamedSpeaker{kNginxErrorLogMessagesTotal, Speaker::self},
    NamedSpeaker{kLogUp, Speaker::self},
    NamedSpeaker{kLogLinesTotal, Speaker::self},
    NamedSpeaker{kLogSkippedBytesTotal, Speaker::self},
    NamedSpeaker{kLogUnreadBytes, Speaker::self},
    NamedSpeaker{kLogGapsTotal, Speaker::self},
    NamedSpeaker{kUnitResultInfo, Speaker::self},
    NamedSpeaker{kUnitCpuSecondsTotal, Speaker::self},
    NamedSpeaker{kUnitMemoryBytes, Speaker::self},
    NamedSpeaker{kUnitMemoryLimitBytes, Speaker::self},
    NamedSpeaker{kUnitOomKillsTotal, Speaker::self},
    NamedSpeaker{kExecStatus, Speaker::self},
    NamedSpeaker{kExecFailureInfo, Speaker::self},
    NamedSpeaker{kExecOutputInfo, Speaker::self},
    NamedSpeaker{kExecValue, Speaker::self},
    NamedSpeaker{kExecValueTotal, Speaker::self},
    NamedSpeaker{exporter::kKeepalivedUp, Speaker::self},
    NamedSpeaker{exporter::kNodeBootTimeSeconds, Speaker::self},
    NamedSpeaker{kHaproxyServerInfo, Speaker::observer},
    NamedSpeaker{kHaproxyBackendInfo, Speaker::observer},
    NamedSpeaker{kHaproxyOldWorkers, Speaker::observer},
    NamedSpeaker{kMysqlReplicaConfigured, Speaker::observer},
    NamedSpeaker{kMysqlReplicaLagSeconds, Speaker::observer},
    NamedSpeaker{kMysqlReplicaLagKnown, Speaker::observer},
    NamedSpeaker{kMysqlReplicaDelaySeconds, Speaker::observer},
    NamedSpeaker{kMysqlReplicaThreadState, Speaker::observer},
    NamedSpeaker{kMysqlReplicaErrorInfo, Speaker::observer},
    NamedSpeaker{kMysqlReplicaWaitInfo, Speaker::observer},
    NamedSpeaker{kMysqlReplicaSourceInfo, Speaker::observer},
    NamedSpeaker{kMysqlReplicaReadFileNumber, Speaker::observer},
    NamedSpeaker{kMysqlReplicaReadPositionBytes, Speaker::observer},
    NamedSpeaker{kMysqlReplicaExecFileNumber, Speaker::observer},
    NamedSpeaker{kMysqlReplicaExecPositionBytes, Speaker::observer},
    NamedSpeaker{kMysqlReplicaRelayLogBytes, Speaker::observer},
    NamedSpeaker{kMysqlReplicaReceivedHeartbeatsTotal, Speaker::observer},
    NamedSpeaker{kMysqlReplicaLastHeartbeatAgeSeconds, Speaker::observer},
    NamedSpeaker{kMysqlReplicaLastEventAgeSeconds, Speaker::observer},
    NamedSpeaker{kMysqlReplicaApplyingAgeSeconds, Speaker::observer},
    NamedSpeaker{kMysqlReplicaWorkers, Speaker::observer},
    NamedSpeaker{kMysqlReplicaFiltersInfo, Speaker::observer},
    NamedSpeaker{kMysqlApplierBlockedSeconds, Speaker::observer},
    NamedSpeaker{kMysqlServerInfo, Speaker::observer},
    NamedSpeaker{kMysqlClockOffsetSeconds, Speaker::observer},
    NamedSpeaker{kMysqlGtidSequence, Speaker::observer},
    NamedSpeaker{kMysqlGtidLast, Speaker::observer},
    NamedSpeaker{kMysqlBinlogFileNumber, Speaker::observer},
    NamedSpeaker{kMysqlBinlogPositionBytes, Speaker::observer},
    NamedSpeaker{kMysqlBinlogWrittenBytesTotal, Speaker::observer},
    NamedSpeaker{kMysqlBinlogSizeBytesTotal, Speaker::observer},
    NamedSpeaker{kMysqlDumpThreads, Speaker::observer},
    NamedSpeaker{kMysqlLongestTransactionSeconds, Speaker::observer},
    NamedSpeaker{kMysqlConnectedReplicas, Speaker::observer},
    NamedSpeaker{kMysqlConnectedReplicaInfo, Speaker::observer},
    NamedSpeaker{kMysqlSemiSync, Speaker::observer},
    NamedSpeaker{kMysqlHeartbeatTimestampSeconds, Speaker::observer},
    NamedSpeaker{kMysqlHeartbeatAgeSeconds, Speaker::observer},
    NamedSpeaker{kMysqlHeartbeatWriting, Speaker::observer},
    NamedSpeaker{kMysqlHeartbeatRefusedInfo, Speaker::observer},
    NamedSpeaker{kMysqlHeartbeatPendingSeconds, Speaker::observer},
    NamedSpeaker{kMysqlRefusedInfo, Speaker::observer},
    NamedSpeaker{kMysqlWaitingSeconds, Speaker::observer},
    NamedSpeaker{kMysqlWaitingStatements, Speaker::observer},
    NamedSpeaker{kMysqlUnansweredSeconds, Speaker::observer},
    NamedSpeaker{kMysqlPrivilegeMissing, Speaker::observer},
    NamedSpeaker{kMysqlValuesLeftOut, Speaker::observer},
    NamedSpeaker{exporter::kNginxUp, Speaker::observer},
    NamedSpeaker{exporter::kHaproxyUp, Speaker::observer},
    NamedSpeaker{exporter::kNginxHttpRequestsTotal, Speaker::observer},
    NamedSpeaker{exporter::kHaproxyServerStatus, Speaker::observer},
    NamedSpeaker{exporter::kHaproxyServerWeight, Speaker::observer},
    NamedSpeaker{exporter::kHaproxyServerLoadbalancedTotal, Speaker::observer},
    NamedSpeaker{exporter::kMysqlUp, Speaker::observer},
    NamedSpeaker{exporter::kMysqlVersionInfo, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalStatusThreadsConnected, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalVariablesMaxConnections, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalVariablesServerId, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalVariablesLogBin, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalVariablesReadOnly, Speaker::observer},
    NamedSpeaker{exporter::kMysqlGlobalVariablesSuperReadOnly, Speaker::observer},
    NamedSpeaker{exporter::kMysqlSlaveStatusSecondsBehindMaster, Speaker::observer},
    NamedSpeaker{exporter::kMysqlSlaveStatusSlaveIoRunning, Speaker::observer},
    NamedSpeaker{exporter::kMysqlSlaveStatusSlaveSqlRunning, Speaker::observer},
    NamedSpeaker{exporter::kProbeSuccess, Speaker::observer},
    NamedSpeaker{kProbeFailure, Speaker::probe},
    NamedSpeaker{kProbeRefusedInfo, Speaker::probe},
    NamedSpeaker{exporter::kUp, Speaker::probe},
    NamedSpeaker{exporter::kScrapeDurationSeconds, Speaker::probe},
    NamedSpeaker{exporter::kScrapeSamplesScraped, Speaker::probe},
    NamedSpeaker{exporter::kScrapeSamplesPostMetricRelabeling, Speaker::probe},
    NamedSpeaker{kAttemptResult, Speaker::peer},
    NamedSpeaker{kAttemptTimestampSeconds, Speaker::peer},
    NamedSpeaker{kAttemptControlOk, Speaker::peer},
    NamedSpeaker{kAttemptGreetingInfo, Speaker::peer},
    NamedSpeaker{kCanaryResult, Speaker::peer},
    NamedSpeaker{kCanaryTimestampSeconds, Speaker::peer},
    NamedSpeaker{kCollectorInfo, Speaker::collector},
    NamedSpeaker{kCollectorSeries, Speaker::collector},
    NamedSpeaker{kCollectorActiveSeries, Speaker::collector},
    NamedSpeaker{kCollectorActiveLabelBytes, Speaker::collector},
    NamedSpeaker{kCollectorSeriesLimit, Speaker::collector},
    NamedSpeaker{kCollectorLabelBytesLimit, Speaker::collector},
    NamedSpeaker{kCollectorSamplesStoredTotal, Speaker::collector},
    NamedSpeaker{kCollectorSamplesRefusedTotal, Speaker::collector},
    NamedSpeaker{kCollectorForeignSamplesRefusedTotal, Speaker::collector},
    NamedSpeaker{kCollectorSamplesDuplicateTotal, Speaker::collector},
    NamedSpeaker{kCollectorOwnSamplesRefusedTotal, Speaker::collector},
    NamedSpeaker{kCollectorSeriesLimitRefusedTotal, Speaker::collector},
    NamedSpeaker{kCollectorRetentionSizeDroppedTotal, Speaker::collector},
    NamedSpeaker{kCollectorHistogramsRefusedTotal, Speaker::collector},
    NamedSpeaker{kCollectorExemplarsIgnoredTotal, Speaker::collector},
    NamedSpeaker{kCollectorWriteRequestsTotal, Speaker::collector},
    NamedSpeaker{kCollectorWriteRequestsRejectedTotal, Speaker::collector},
    NamedSpeaker{kCollectorMetadataFamilies, Speaker::collector},
    NamedSpeaker{kCollectorMetadataDroppedTotal, Speaker::collector},
    NamedSpeaker{kCollectorStoreTrouble, Speaker::collector},
    NamedSpeaker{kCollectorWalBytes, Speaker::collector},
    NamedSpeaker{kCollectorDbBytes, Speaker::collector},
    NamedSpeaker{kCollectorDataSizeBytes, Speaker::collector},
    NamedSpeaker{kCollectorDataAvailBytes, Speaker::collector},
    NamedSpeaker{kSiteObjectiveRatio, Speaker::collector},
    NamedSpeaker{kCollectorClockAheadSeconds, Speaker::collector},
    NamedSpeaker{kCollectorClockDisputed, Speaker::collector},
    NamedSpeaker{kAgentClockAheadSeconds, Speaker::collector},
    NamedSpeaker{kCollectorAgeDroppedTotal, Speaker::collector},
    NamedSpeaker{kCollectorDamagedBlocks, Speaker::collector},
    NamedSpeaker{kCollectorSalvagedTimestampSeconds, Speaker::collector},
    NamedSpeaker{kCollectorIngestLimitedTotal, Speaker::collector},
    NamedSpeaker{kCollectorDocumentBytes, Speaker::collector},
    NamedSpeaker{kCollectorDocumentsDroppedTotal, Speaker::collector},
    NamedSpeaker{kCollectorConnections, Speaker::collector},
    NamedSpeaker{kCollectorConnectionsLimitedTotal, Speaker::collector},
    NamedSpeaker{kCollectorHandshakesFailedTotal, Speaker::collector},
    NamedSpeaker{kCollectorBufferedBytes, Speaker::collector},
    NamedSpeaker{kCollectorHttpRequestsTotal, Speaker::collector},
    NamedSpeaker{kCollectorQueriesTotal, Speaker::collector},
    NamedSpeaker{kCollectorQueries, Speaker::collector},
    NamedSpeaker{kCollectorRefusedLoginsTotal, Speaker::collector},
    NamedSpeaker{kCollectorPulseTimestampSeconds, Speaker::collector},
    NamedSpeaker{kCertificateEndTimestampSeconds, Speaker::collector},
    NamedSpeaker{kAgentLastSeenSeconds, Speaker::collector},
    NamedSpeaker{kAgentIdentityConflict, Speaker::collector},
    NamedSpeaker{kAnalysisRoundsTotal, Speaker::collector},
    NamedSpeaker{kAnalysisDurationSeconds, Speaker::collector},
    NamedSpeaker{kRuleEvaluationsTotal, Speaker::collector},
    NamedSpeaker{kRuleEvaluationFailuresTotal, Speaker::collector},
    NamedSpeaker{kRuleEvaluationsMissedTotal, Speaker::collector},
    NamedSpeaker{kRuleGroupDurationSeconds, Speaker::collector},
    NamedSpeaker{kRuleFailing, Speaker::collector},
    NamedSpeaker{kNotificationsTotal, Speaker::collector},
    NamedSpeaker{kNotificationAlertsWaiting, Speaker::collector},
    NamedSpeaker{kNotificationTroubleInfo, Speaker::collector},
    NamedSpeaker{kForwardSentSamplesTotal, Speaker::collector},
    NamedSpeaker{kForwardDroppedSamplesTotal, Speaker::collector},
    NamedSpeaker{kForwardFailedRequestsTotal, Speaker::collector},
    NamedSpeaker{kForwardLagSeconds, Speaker::collector},
    NamedSpeaker{kForwardPendingBytes, Speaker::collector},
    NamedSpeaker{kFinding, Speaker::collector},
    NamedSpeaker{kFindingAcceptedUntilTimestampSeconds, Speaker::collector},
    NamedSpeaker{kTopologyComponentInfo, Speaker::collector},
    NamedSpeaker{kTopologyEdgeInfo, Speaker::collector},
    NamedSpeaker{kTopologyServiceWorks, Speaker::collector},
    NamedSpeaker{kTopologyCutSetInfo, Speaker::collector},
    NamedSpeaker{kReplicationExpected, Speaker::collector},
    NamedSpeaker{kReplicationLagSeconds, Speaker::collector},
    NamedSpeaker{kReplicationState, Speaker::collector},
    NamedSpeaker{kReplicationCause, Speaker::collector},
    NamedSpeaker{kReplicationConfidence, Speaker::collector},
    NamedSpeaker{kReplicationTransactionsBehind, Speaker::collector},
    NamedSpeaker{kReplicationBytesBehind, Speaker::collector},
    NamedSpeaker{kReplicationEvenInSeconds, Speaker::collector},
    NamedSpeaker{kReplicationAdviceInfo, Speaker::collector},
    NamedSpeaker{exporter::kAlerts, Speaker::collector},
    NamedSpeaker{exporter::kAlertsForState, Speaker::collector},
};

/// Whether only Lapwing's own probes and its collector may report the name, and not a file or a page that the
/// agent passes on: findings and rules rely on it. Names with a colon are results of recording rules.
constexpr bool isReserved(std::string_view name) {
    return name.starts_with("lapwing_") || name.find(':') != std::string_view::npos ||
           std::any_of(kSpeakers.begin(), kSpeakers.end(),
                       [&](const NamedSpeaker& each) { return name == each.name; });
}

/// The job of the collector's own samples.
inline constexpr const char* kCollectorJob = "collector";

/// The probes that can watch a server from another host, and what the names of their metrics begin with.
struct RemoteProbe {
    const char* job;
    std::array<std::string_view, 2> prefixes;
};
inline constexpr std::array kRemoteProbes{
    RemoteProbe{"app", {"probe_", "probe_"}},
    RemoteProbe{"haproxy", {"haproxy_", "lapwing_haproxy_"}},
    RemoteProbe{"mysql", {"mysql_", "lapwing_mysql_"}},
    RemoteProbe{"nginx", {"nginx_", "nginx_"}},
};

/// Null: the probes with this job watch their own host only.
constexpr const RemoteProbe* remoteProbe(std::string_view job) {
    const auto* found = std::find_if(kRemoteProbes.begin(), kRemoteProbes.end(),
                                     [&](const RemoteProbe& each) { return job == each.job; });
    return found == kRemoteProbes.end() ? nullptr : found;
}

/// The metrics by which the agent on a host shows that it observes a server there, with value 1 of `up`, or
/// any value of the others: they are absent if its probe could not ask the server.
inline constexpr std::array kWords{exporter::kUp, exporter::kNginxUp, exporter::kHaproxyUp,
                                   exporter::kMysqlUp};
constexpr bool isWord(std::string_view name, double value) {
    return name != exporter::kUp || value == 1;
}

/// The speaker of a name and a job, never `probe`. A name that nobody declared is an observer's if it is of
/// the job's probe, else the host's own.
constexpr Speaker speakerOf(std::string_view name, std::string_view job) {
    const auto* declared = std::find_if(kSpeakers.begin(), kSpeakers.end(),
                                        [&](const NamedSpeaker& each) { return name == each.name; });
    const auto* remote = remoteProbe(job);
    if (declared != kSpeakers.end() && declared->speaker == Speaker::probe) {
        return remote != nullptr ? Speaker::observer : Speaker::self;
    }
    if (declared != kSpeakers.end() && declared->speaker != Speaker::observer) {
        return declared->speaker;
    }
    const bool of_probe =
        remote != nullptr && std::any_of(remote->prefixes.begin(), remote->prefixes.end(),
                                         [&](std::string_view prefix) { return name.starts_with(prefix); });
    return of_probe ? Speaker::observer : Speaker::self;
}

}  // namespace lapwing::metric
