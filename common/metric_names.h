#pragma once

/// Every metric name that more than one place relies on, once: `lapwing_*`, and the exporters' names that the
/// analysis reads. The labels in braces are the metric's own; every sample has `job`, `instance` and, from an
/// agent, `agent` besides. docs/metrics.md explains each; a test compares both.
namespace lapwing::metric {

// Every probe run, besides up and scrape_*.
inline constexpr const char* kProbeFailure = "lapwing_probe_failure";           ///< {reason}
inline constexpr const char* kProbeRefusedInfo = "lapwing_probe_refused_info";  ///< {detail}

// The agent itself (job agent).
inline constexpr const char* kAgentInfo = "lapwing_agent_info";  ///< {version, machine_id}
/// {address, family, interface}
inline constexpr const char* kAgentAddressInfo = "lapwing_agent_address_info";
inline constexpr const char* kAgentSpoolSamples = "lapwing_agent_spool_samples";
inline constexpr const char* kAgentSpoolBytes = "lapwing_agent_spool_bytes";
inline constexpr const char* kAgentSpoolAsideSamples = "lapwing_agent_spool_aside_samples";
inline constexpr const char* kAgentSamplesSentTotal = "lapwing_agent_samples_sent_total";
inline constexpr const char* kAgentSamplesDroppedTotal = "lapwing_agent_samples_dropped_total";  ///< {reason}
inline constexpr const char* kClockOffsetSeconds = "lapwing_clock_offset_seconds";
inline constexpr const char* kClockOffsetErrorSeconds = "lapwing_clock_offset_error_seconds";

// HAProxy (job haproxy).
/// {proxy, server, address, role, check, via}
inline constexpr const char* kHaproxyServerInfo = "lapwing_haproxy_server_info";
inline constexpr const char* kHaproxyBackendInfo =
    "lapwing_haproxy_backend_info";  ///< {proxy, mode, algorithm, via}
/// {via}
inline constexpr const char* kHaproxyOldWorkers = "lapwing_haproxy_old_workers";

// MySQL and MariaDB (job mysql).
inline constexpr const char* kMysqlReplicaConfigured = "lapwing_mysql_replica_configured";
/// {channel_name}
inline constexpr const char* kMysqlReplicaLagSeconds = "lapwing_mysql_replica_lag_seconds";
inline constexpr const char* kMysqlReplicaLagKnown = "lapwing_mysql_replica_lag_known";  ///< {channel_name}
/// {channel_name}
inline constexpr const char* kMysqlReplicaDelaySeconds = "lapwing_mysql_replica_delay_seconds";
/// {channel_name, thread, state}
inline constexpr const char* kMysqlReplicaThreadState = "lapwing_mysql_replica_thread_state";
/// {channel_name, thread, errno, digest}
inline constexpr const char* kMysqlReplicaErrorInfo = "lapwing_mysql_replica_error_info";
/// {channel_name, thread, reason, state}
inline constexpr const char* kMysqlReplicaWaitInfo = "lapwing_mysql_replica_wait_info";
/// {channel_name, source_host, source_port, source_server_id, source_uuid, using_gtid}
inline constexpr const char* kMysqlReplicaSourceInfo = "lapwing_mysql_replica_source_info";
/// {channel_name}
inline constexpr const char* kMysqlReplicaReadFileNumber = "lapwing_mysql_replica_read_file_number";
/// {channel_name}
inline constexpr const char* kMysqlReplicaReadPositionBytes = "lapwing_mysql_replica_read_position_bytes";
/// {channel_name}
inline constexpr const char* kMysqlReplicaExecFileNumber = "lapwing_mysql_replica_exec_file_number";
/// {channel_name}
inline constexpr const char* kMysqlReplicaExecPositionBytes = "lapwing_mysql_replica_exec_position_bytes";
/// {channel_name}
inline constexpr const char* kMysqlReplicaRelayLogBytes = "lapwing_mysql_replica_relay_log_bytes";
/// {channel_name}
inline constexpr const char* kMysqlReplicaReceivedHeartbeatsTotal =
    "lapwing_mysql_replica_received_heartbeats_total";
/// {channel_name}
inline constexpr const char* kMysqlReplicaLastHeartbeatAgeSeconds =
    "lapwing_mysql_replica_last_heartbeat_age_seconds";
/// {channel_name, side}
inline constexpr const char* kMysqlReplicaLastEventAgeSeconds =
    "lapwing_mysql_replica_last_event_age_seconds";
/// {channel_name}
inline constexpr const char* kMysqlReplicaApplyingAgeSeconds = "lapwing_mysql_replica_applying_age_seconds";
/// {channel_name, state}
inline constexpr const char* kMysqlReplicaWorkers = "lapwing_mysql_replica_workers";
/// {channel_name, filter}
inline constexpr const char* kMysqlReplicaFiltersInfo = "lapwing_mysql_replica_filters_info";
/// {channel_name, kind, blocker, digest}
inline constexpr const char* kMysqlApplierBlockedSeconds = "lapwing_mysql_applier_blocked_seconds";
/// {flavour, version, server_id, server_uuid, log_bin, binlog_format, gtid_mode}
inline constexpr const char* kMysqlServerInfo = "lapwing_mysql_server_info";
inline constexpr const char* kMysqlClockOffsetSeconds = "lapwing_mysql_clock_offset_seconds";
/// {set, channel_name, domain, source}
inline constexpr const char* kMysqlGtidSequence = "lapwing_mysql_gtid_sequence";
inline constexpr const char* kMysqlGtidLast = "lapwing_mysql_gtid_last";  ///< {set, channel_name, source}
inline constexpr const char* kMysqlBinlogFileNumber = "lapwing_mysql_binlog_file_number";
inline constexpr const char* kMysqlBinlogPositionBytes = "lapwing_mysql_binlog_position_bytes";
inline constexpr const char* kMysqlBinlogWrittenBytesTotal = "lapwing_mysql_binlog_written_bytes_total";
inline constexpr const char* kMysqlBinlogSizeBytesTotal = "lapwing_mysql_binlog_size_bytes_total";
inline constexpr const char* kMysqlDumpThreads = "lapwing_mysql_dump_threads";
inline constexpr const char* kMysqlLongestTransactionSeconds = "lapwing_mysql_longest_transaction_seconds";
inline constexpr const char* kMysqlConnectedReplicas = "lapwing_mysql_connected_replicas";
/// {server_id, host}
inline constexpr const char* kMysqlConnectedReplicaInfo = "lapwing_mysql_connected_replica_info";
inline constexpr const char* kMysqlSemiSync = "lapwing_mysql_semi_sync";  ///< {role}
/// {server_id}
inline constexpr const char* kMysqlHeartbeatTimestampSeconds = "lapwing_mysql_heartbeat_timestamp_seconds";
/// {server_id}
inline constexpr const char* kMysqlHeartbeatAgeSeconds = "lapwing_mysql_heartbeat_age_seconds";
inline constexpr const char* kMysqlHeartbeatWriting = "lapwing_mysql_heartbeat_writing";
/// {reason}
inline constexpr const char* kMysqlHeartbeatRefusedInfo = "lapwing_mysql_heartbeat_refused_info";
inline constexpr const char* kMysqlHeartbeatPendingSeconds = "lapwing_mysql_heartbeat_pending_seconds";
/// {errno, reason}
inline constexpr const char* kMysqlRefusedInfo = "lapwing_mysql_refused_info";
/// {reason, state, who}
inline constexpr const char* kMysqlWaitingSeconds = "lapwing_mysql_waiting_seconds";
/// {reason, state, who}
inline constexpr const char* kMysqlWaitingStatements = "lapwing_mysql_waiting_statements";
/// {statement}
inline constexpr const char* kMysqlUnansweredSeconds = "lapwing_mysql_unanswered_seconds";
/// {privilege, statement}
inline constexpr const char* kMysqlPrivilegeMissing = "lapwing_mysql_privilege_missing";
inline constexpr const char* kMysqlValuesLeftOut = "lapwing_mysql_values_left_out";  ///< {statement}

// Sockets (job sockets).
/// {protocol, family, address, port, process, unit}
inline constexpr const char* kListenerInfo = "lapwing_listener_info";
inline constexpr const char* kOutgoingConnections = "lapwing_outgoing_connections";  ///< {address, port}
inline constexpr const char* kIncomingConnections = "lapwing_incoming_connections";  ///< {address, port}

// Packet filter and attempts to connect (job firewall).
inline constexpr const char* kRulesetInfo = "lapwing_ruleset_info";  ///< {digest}
inline constexpr const char* kRulesetAgeSeconds = "lapwing_ruleset_age_seconds";
inline constexpr const char* kSshPasswordAuthentication = "lapwing_ssh_password_authentication";
inline constexpr const char* kFirewallDefaultDeny = "lapwing_firewall_default_deny";  ///< {family}
/// {family, protocol, port, source, verdict}
inline constexpr const char* kFirewallPortVerdict = "lapwing_firewall_port_verdict";
inline constexpr const char* kFirewallUnknownInfo = "lapwing_firewall_unknown_info";  ///< {reason}
inline constexpr const char* kBootRulesetInfo = "lapwing_boot_ruleset_info";          ///< {digest, source}
inline constexpr const char* kBootRulesetUnknownInfo = "lapwing_boot_ruleset_unknown_info";  ///< {reason}
inline constexpr const char* kBootRulesetFaultInfo = "lapwing_boot_ruleset_fault_info";      ///< {reason}
inline constexpr const char* kBootRulesetMakerInfo = "lapwing_boot_ruleset_maker_info";      ///< {unit}
/// {peer, address, protocol, port, service, source, source_kind, result}
inline constexpr const char* kAttemptResult = "lapwing_attempt_result";
/// {peer, address, protocol, port, service, source, source_kind}
inline constexpr const char* kAttemptTimestampSeconds = "lapwing_attempt_timestamp_seconds";
inline constexpr const char* kAttemptControlOk = "lapwing_attempt_control_ok";  ///< {peer, address, port}
/// {peer, address, protocol, port, service, source, source_kind, greeting}
inline constexpr const char* kAttemptGreetingInfo = "lapwing_attempt_greeting_info";
/// {peer, source, source_kind, result}
inline constexpr const char* kCanaryResult = "lapwing_canary_result";
/// {peer, source, source_kind}
inline constexpr const char* kCanaryTimestampSeconds = "lapwing_canary_timestamp_seconds";

// keepalived (job keepalived).
/// {vrrp_instance, interface, virtual_router_id, priority, initial_state, peers, tracks, source, version,
/// interval, authentication, nopreempt, preempt_delay, group, unread}
inline constexpr const char* kVrrpInstanceInfo = "lapwing_vrrp_instance_info";
/// {vrrp_instance, address, advertised}
inline constexpr const char* kVrrpAddressInfo = "lapwing_vrrp_address_info";
/// {vrrp_instance, kind, check, weight, reverse, watches, target, ignored}
inline constexpr const char* kVrrpCheckInfo = "lapwing_vrrp_check_info";
inline constexpr const char* kVrrpUnreadInfo = "lapwing_vrrp_unread_info";  ///< {part}

// Files, packages and configurations (job inventory).
inline constexpr const char* kInventoryInfo = "lapwing_inventory_info";        ///< {set, digest}
inline constexpr const char* kInventoryEntries = "lapwing_inventory_entries";  ///< {set}
/// {port, server_names, default_server, upstream, address, role, next_upstream, max_fails}
inline constexpr const char* kNginxRouteInfo = "lapwing_nginx_route_info";
/// {program, configuration, result, place, words}
inline constexpr const char* kConfigurationTestInfo = "lapwing_configuration_test_info";
/// {program, configuration}
inline constexpr const char* kConfigurationTestTime = "lapwing_configuration_test_timestamp_seconds";
/// {program, address, name, file}
inline constexpr const char* kStaleCertificateEnd = "lapwing_stale_certificate_end_timestamp_seconds";
/// {process, executable, unit}
inline constexpr const char* kReplacedProgramInfo = "lapwing_replaced_program_info";
inline constexpr const char* kRebootRequiredInfo = "lapwing_reboot_required_info";  ///< {reason, detail}
inline constexpr const char* kSecurityUpdatesPending = "lapwing_security_updates_pending";
/// {package, installed, offered}
inline constexpr const char* kSecurityUpdateInfo = "lapwing_security_update_info";
inline constexpr const char* kPackageListsTime = "lapwing_package_lists_timestamp_seconds";

// Nginx (job nginx).
inline constexpr const char* kNginxWorkersWithoutMaster = "lapwing_nginx_workers_without_master";  ///< {}

// Host (job node).
inline constexpr const char* kFstabMounted = "lapwing_fstab_mounted";  ///< {mountpoint}

// Nginx's logs (job logs).
inline constexpr const char* kNginxUpstreamResponsesTotal =
    "lapwing_nginx_upstream_responses_total";  ///< {log, upstream, status}
inline constexpr const char* kNginxErrorLogMessagesTotal =
    "lapwing_nginx_error_log_messages_total";                                            ///< {log, level}
inline constexpr const char* kLogUp = "lapwing_log_up";                                  ///< {log}
inline constexpr const char* kLogLinesTotal = "lapwing_log_lines_total";                 ///< {log, result}
inline constexpr const char* kLogSkippedBytesTotal = "lapwing_log_skipped_bytes_total";  ///< {log}
inline constexpr const char* kLogUnreadBytes = "lapwing_log_unread_bytes";               ///< {log}
inline constexpr const char* kLogGapsTotal = "lapwing_log_gaps_total";                   ///< {log, reason}

// The collector itself (job collector).
inline constexpr const char* kCollectorInfo = "lapwing_collector_info";  ///< {version}
inline constexpr const char* kCollectorSeries = "lapwing_collector_series";
/// {sender}
inline constexpr const char* kCollectorActiveSeries = "lapwing_collector_active_series";
/// {sender}
inline constexpr const char* kCollectorActiveLabelBytes = "lapwing_collector_active_label_bytes";
inline constexpr const char* kCollectorSeriesLimit = "lapwing_collector_series_limit";           ///< {scope}
inline constexpr const char* kCollectorLabelBytesLimit = "lapwing_collector_label_bytes_limit";  ///< {scope}
inline constexpr const char* kCollectorSamplesStoredTotal = "lapwing_collector_samples_stored_total";
inline constexpr const char* kCollectorSamplesRefusedTotal = "lapwing_collector_samples_refused_total";
/// {sender}
inline constexpr const char* kCollectorForeignSamplesRefusedTotal =
    "lapwing_collector_foreign_samples_refused_total";
inline constexpr const char* kCollectorSamplesDuplicateTotal = "lapwing_collector_samples_duplicate_total";
inline constexpr const char* kCollectorOwnSamplesRefusedTotal = "lapwing_collector_own_samples_refused_total";
/// {sender}
inline constexpr const char* kCollectorSeriesLimitRefusedTotal =
    "lapwing_collector_series_limit_refused_total";
inline constexpr const char* kCollectorRetentionSizeDroppedTotal =
    "lapwing_collector_retention_size_dropped_total";
inline constexpr const char* kCollectorHistogramsRefusedTotal = "lapwing_collector_histograms_refused_total";
inline constexpr const char* kCollectorExemplarsIgnoredTotal = "lapwing_collector_exemplars_ignored_total";
inline constexpr const char* kCollectorWriteRequestsTotal = "lapwing_collector_write_requests_total";
inline constexpr const char* kCollectorWriteRequestsRejectedTotal =
    "lapwing_collector_write_requests_rejected_total";
inline constexpr const char* kCollectorMetadataFamilies = "lapwing_collector_metadata_families";
inline constexpr const char* kCollectorMetadataDroppedTotal = "lapwing_collector_metadata_dropped_total";
inline constexpr const char* kCollectorStoreTrouble = "lapwing_collector_store_trouble";
inline constexpr const char* kCollectorWalBytes = "lapwing_collector_wal_bytes";
inline constexpr const char* kCollectorDbBytes = "lapwing_collector_db_bytes";
inline constexpr const char* kCollectorDataSizeBytes = "lapwing_collector_data_size_bytes";
inline constexpr const char* kCollectorDataAvailBytes = "lapwing_collector_data_avail_bytes";
inline constexpr const char* kSiteObjectiveRatio = "lapwing_site_objective_ratio";
inline constexpr const char* kCollectorClockAheadSeconds = "lapwing_collector_clock_ahead_seconds";
inline constexpr const char* kCollectorClockDisputed = "lapwing_collector_clock_disputed";
/// {host}
inline constexpr const char* kAgentClockAheadSeconds = "lapwing_agent_clock_ahead_seconds";
inline constexpr const char* kCollectorAgeDroppedTotal = "lapwing_collector_retention_time_dropped_total";
inline constexpr const char* kCollectorDamagedBlocks = "lapwing_collector_damaged_blocks";
/// {file, lost}
inline constexpr const char* kCollectorSalvagedTimestampSeconds =
    "lapwing_collector_salvaged_timestamp_seconds";
/// {listener, code}
inline constexpr const char* kCollectorHttpRequestsTotal = "lapwing_collector_http_requests_total";
/// {sender, limit}
inline constexpr const char* kCollectorIngestLimitedTotal = "lapwing_collector_ingest_limited_total";
/// {sender}
inline constexpr const char* kCollectorDocumentBytes = "lapwing_collector_document_bytes";
/// {sender}
inline constexpr const char* kCollectorDocumentsDroppedTotal = "lapwing_collector_documents_dropped_total";
/// {listener, of}
inline constexpr const char* kCollectorConnections = "lapwing_collector_connections";
/// {listener, limit}
inline constexpr const char* kCollectorConnectionsLimitedTotal =
    "lapwing_collector_connections_limited_total";
/// {listener}
inline constexpr const char* kCollectorHandshakesFailedTotal = "lapwing_collector_handshakes_failed_total";
/// {listener, of}
inline constexpr const char* kCollectorBufferedBytes = "lapwing_collector_buffered_bytes";
inline constexpr const char* kCollectorQueriesTotal = "lapwing_collector_queries_total";  ///< {result}
inline constexpr const char* kCollectorQueries = "lapwing_collector_queries";             ///< {state}
/// {reason}
inline constexpr const char* kCollectorRefusedLoginsTotal = "lapwing_collector_refused_logins_total";
inline constexpr const char* kCollectorPulseTimestampSeconds = "lapwing_collector_pulse_timestamp_seconds";
/// {certificate, host}
inline constexpr const char* kCertificateEndTimestampSeconds =
    "lapwing_collector_certificate_end_timestamp_seconds";
inline constexpr const char* kAgentLastSeenSeconds = "lapwing_agent_last_seen_seconds";   ///< {host}
inline constexpr const char* kAgentIdentityConflict = "lapwing_agent_identity_conflict";  ///< {host, kind}

// The analysis (job collector).
inline constexpr const char* kAnalysisRoundsTotal = "lapwing_analysis_rounds_total";  ///< {result}
inline constexpr const char* kAnalysisDurationSeconds = "lapwing_analysis_duration_seconds";

// Rules (job collector).
/// {rule_group}
inline constexpr const char* kRuleEvaluationsTotal = "lapwing_rule_evaluations_total";
/// {rule_group}
inline constexpr const char* kRuleEvaluationFailuresTotal = "lapwing_rule_evaluation_failures_total";
/// {rule_group}
inline constexpr const char* kRuleEvaluationsMissedTotal = "lapwing_rule_evaluations_missed_total";
/// {rule_group}
inline constexpr const char* kRuleGroupDurationSeconds = "lapwing_rule_group_duration_seconds";
inline constexpr const char* kRuleFailing = "lapwing_rule_failing";  ///< {rule_group, rule}

// Receivers of notifications (job collector).
/// {receiver, result}
inline constexpr const char* kNotificationsTotal = "lapwing_notifications_total";
inline constexpr const char* kNotificationAlertsWaiting =
    "lapwing_notification_alerts_waiting";  ///< {receiver}
/// {receiver, state, notification, reason}
inline constexpr const char* kNotificationTroubleInfo = "lapwing_notification_trouble_info";

// Forwarding (job collector).
/// {destination}
inline constexpr const char* kForwardSentSamplesTotal = "lapwing_forward_sent_samples_total";
/// {destination, reason}
inline constexpr const char* kForwardDroppedSamplesTotal = "lapwing_forward_dropped_samples_total";
/// {destination}
inline constexpr const char* kForwardFailedRequestsTotal = "lapwing_forward_failed_requests_total";
inline constexpr const char* kForwardLagSeconds = "lapwing_forward_lag_seconds";      ///< {destination}
inline constexpr const char* kForwardPendingBytes = "lapwing_forward_pending_bytes";  ///< {destination}

// Findings, topology and replication verdicts (job collector).
inline constexpr const char* kFinding = "lapwing_finding";  ///< {id, subject, severity, confidence}
/// {id, subject}
inline constexpr const char* kFindingAcceptedUntilTimestampSeconds =
    "lapwing_finding_accepted_until_timestamp_seconds";
/// {component, kind, host, works}
inline constexpr const char* kTopologyComponentInfo = "lapwing_topology_component_info";
inline constexpr const char* kTopologyEdgeInfo = "lapwing_topology_edge_info";  ///< {from, to, kind, source}
inline constexpr const char* kTopologyServiceWorks = "lapwing_topology_service_works";  ///< {service}
/// {service, view, components, size, confidence}
inline constexpr const char* kTopologyCutSetInfo = "lapwing_topology_cut_set_info";
inline constexpr const char* kReplicationExpected = "lapwing_replication_expected";  ///< {primary, replica}
/// {replica, primary, channel}
inline constexpr const char* kReplicationLagSeconds = "lapwing_replication_lag_seconds";
/// {replica, primary, channel, state}
inline constexpr const char* kReplicationState = "lapwing_replication_state";
/// {replica, primary, channel, cause}
inline constexpr const char* kReplicationCause = "lapwing_replication_cause";
/// {replica, primary, channel, confidence, source}
inline constexpr const char* kReplicationConfidence = "lapwing_replication_confidence";
/// {replica, primary, channel}
inline constexpr const char* kReplicationTransactionsBehind = "lapwing_replication_transactions_behind";
/// {replica, primary, channel}
inline constexpr const char* kReplicationBytesBehind = "lapwing_replication_bytes_behind";
/// {replica, primary, channel}
inline constexpr const char* kReplicationEvenInSeconds = "lapwing_replication_even_in_seconds";
/// {replica, primary, channel, cause, summary, next_step}
inline constexpr const char* kReplicationAdviceInfo = "lapwing_replication_advice_info";

// systemd's units (job units).
inline constexpr const char* kUnitResultInfo = "lapwing_unit_result_info";               ///< {name, result}
inline constexpr const char* kUnitCpuSecondsTotal = "lapwing_unit_cpu_seconds_total";    ///< {name}
inline constexpr const char* kUnitMemoryBytes = "lapwing_unit_memory_bytes";             ///< {name}
inline constexpr const char* kUnitMemoryLimitBytes = "lapwing_unit_memory_limit_bytes";  ///< {name}
inline constexpr const char* kUnitOomKillsTotal = "lapwing_unit_oom_kills_total";        ///< {name}

// Commands (job exec).
inline constexpr const char* kExecStatus = "lapwing_exec_status";             ///< {command}
inline constexpr const char* kExecFailureInfo = "lapwing_exec_failure_info";  ///< {command, reason}
inline constexpr const char* kExecOutputInfo = "lapwing_exec_output_info";    ///< {command, output}
inline constexpr const char* kExecValue = "lapwing_exec_value";               ///< {command, label, unit}
inline constexpr const char* kExecValueTotal = "lapwing_exec_value_total";    ///< {command, label}

}  // namespace lapwing::metric

/// Names of the exporters that probes replace, as far as the analysis reads them.
namespace lapwing::exporter {

inline constexpr const char* kUp = "up";
inline constexpr const char* kScrapeDurationSeconds = "scrape_duration_seconds";
inline constexpr const char* kScrapeSamplesScraped = "scrape_samples_scraped";
inline constexpr const char* kScrapeSamplesPostMetricRelabeling = "scrape_samples_post_metric_relabeling";
inline constexpr const char* kAlerts = "ALERTS";                    ///< {alertname, alertstate}
inline constexpr const char* kAlertsForState = "ALERTS_FOR_STATE";  ///< {alertname}
inline constexpr const char* kNginxUp = "nginx_up";
inline constexpr const char* kHaproxyUp = "haproxy_up";
inline constexpr const char* kNginxHttpRequestsTotal = "nginx_http_requests_total";
inline constexpr const char* kHaproxyServerStatus = "haproxy_server_status";  ///< {proxy, server, state}
inline constexpr const char* kHaproxyServerWeight = "haproxy_server_weight";  ///< {proxy, server}
/// {proxy, server}
inline constexpr const char* kHaproxyServerLoadbalancedTotal = "haproxy_server_loadbalanced_total";
inline constexpr const char* kKeepalivedUp = "keepalived_up";
inline constexpr const char* kMysqlUp = "mysql_up";
/// {version, version_comment, innodb_version}
inline constexpr const char* kMysqlVersionInfo = "mysql_version_info";
inline constexpr const char* kMysqlGlobalStatusThreadsConnected = "mysql_global_status_threads_connected";
inline constexpr const char* kMysqlGlobalVariablesMaxConnections = "mysql_global_variables_max_connections";
inline constexpr const char* kMysqlGlobalVariablesServerId = "mysql_global_variables_server_id";
inline constexpr const char* kMysqlGlobalVariablesLogBin = "mysql_global_variables_log_bin";
inline constexpr const char* kMysqlGlobalVariablesReadOnly = "mysql_global_variables_read_only";
inline constexpr const char* kMysqlGlobalVariablesSuperReadOnly = "mysql_global_variables_super_read_only";
/// {channel_name, connection_name, master_host, master_uuid}
inline constexpr const char* kMysqlSlaveStatusSecondsBehindMaster =
    "mysql_slave_status_seconds_behind_master";
/// {channel_name, connection_name, master_host, master_uuid}
inline constexpr const char* kMysqlSlaveStatusSlaveIoRunning = "mysql_slave_status_slave_io_running";
/// {channel_name, connection_name, master_host, master_uuid}
inline constexpr const char* kMysqlSlaveStatusSlaveSqlRunning = "mysql_slave_status_slave_sql_running";
inline constexpr const char* kNodeBootTimeSeconds = "node_boot_time_seconds";
inline constexpr const char* kProbeSuccess = "probe_success";  ///< {url}

}  // namespace lapwing::exporter
