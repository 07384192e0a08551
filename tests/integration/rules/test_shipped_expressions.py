"""Every expression of the shipped rules and dashboards, with none, one, two and many of each label of the series that it reads:
a real Prometheus and the collector evaluate it, without an error, to the same; and every subject in a bad state has its alert."""

import itertools
import json
import math
import os
import re
import time
import urllib.parse

import pytest
from expressions import SHIPPED, cases, marks, panels, selectors, series_of, within
from harness import WRITE_HEADERS, Collector, now_ms, write_request
from reference import Prometheus, from_sid

VALUES = (0, 1, 100)
BATCH = 5000

collector = prometheus = None
AT_MS = now_ms() - 1000


@pytest.fixture(scope="module", autouse=True)
def servers():
    global collector, prometheus
    collector = Collector(f"rules: [ {', '.join(map(str, SHIPPED))} ]\nrules_interval: 1h\ningest: {{ local: on }}\n")
    collector.start()
    prometheus = Prometheus(from_sid("prometheus"), "global: { evaluation_interval: 1h }\n", "--web.enable-remote-write-receiver")
    yield
    collector.close()
    prometheus.close()


def write(series):
    for start in range(0, len(series), BATCH):
        body = write_request(series[start:start + BATCH])
        for server in (collector.people, lambda path, method, *rest: prometheus.request(method, path, *rest)):
            answer = server("/api/v1/write", "POST", body, WRITE_HEADERS)
            assert answer.status in (200, 204), (answer.status, answer.body)


def asked(request, expression):
    answer = request("/api/v1/query?" + urllib.parse.urlencode({"query": expression, "time": AT_MS / 1000}))
    document = answer.json()
    if document["status"] != "success":
        return document["error"]
    return sorted(((json.dumps(each["metric"], sort_keys=True), float(each["value"][1])) for each in document["data"]["result"]))


def same(left, right):
    return len(left) == len(right) and all(
        a[0] == b[0] and (math.isclose(a[1], b[1], rel_tol=1e-9) or (math.isnan(a[1]) and math.isnan(b[1])))
        for a, b in zip(left, right))


def evaluate(expression):
    """The labels of the elements, after both servers have given the same answer."""
    ours = asked(collector.people, expression)
    theirs = asked(lambda path: prometheus.request("GET", path), expression)
    assert not isinstance(theirs, str), f"Prometheus: {theirs}"
    assert not isinstance(ours, str), f"the collector: {ours}"
    assert same(ours, theirs), f"the collector: {ours}\nPrometheus: {theirs}"
    return [json.loads(labels) for labels, _ in ours]


def rules():
    """(name, severity, expression) of each shipped alert."""
    groups = collector.people("/api/v1/rules").json()["data"]["groups"]
    return [(rule["name"], rule["labels"]["severity"], rule["query"]) for group in groups for rule in group["rules"] if rule["type"] == "alerting"]


def recorded():
    """(name, expression) of each shipped recording rule."""
    groups = collector.people("/api/v1/rules").json()["data"]["groups"]
    return [(rule["name"], rule["query"]) for group in groups for rule in group["rules"] if rule["type"] == "recording"]


def test_the_selectors_of_an_expression_are_found():
    text = 'max by (a, up) (rate(x_total{b="c,}",d!~"e"}[5m])) > on (f) (label_replace(y, "g", "$1", "h", "(.+)") or z{}) offset 1h'
    assert [(each.metric, each.matchers) for each in selectors(text)] == [("x_total", (("b", "=", "c,}"), ("d", "!~", "e"))), ("y", ()), ("z", ())]
    assert within('1 - a{b="c"} / a', 7) == '1 - a{case="7",b="c"} / a{case="7"}'


def test_no_expression_fails_with_any_number_of_anything():
    judged = [(name, query) for name, _, query in rules()] + recorded()
    shown = [(name, query) for name, _, query in panels()] + marks()
    assert len(judged) > 40 and len(shown) > 150
    written, checks = [], []
    # The values decide what a rule yields, and hardly what a panel shows.
    for (name, expression), value in dict.fromkeys([*itertools.product(judged, VALUES), *((each, 1) for each in shown)]):
        for what, amounts, otherwise in cases(expression):
            case = str(len(checks))
            for labels, samples in series_of(expression, amounts, otherwise, value, AT_MS):
                written.append(({**labels, "case": case}, samples))
            checks.append((name, what, value, within(expression, case)))
    write(written)
    wrong = {}
    for name, what, value, expression in checks:
        try:
            elements = evaluate(expression)
            assert all("agent" not in labels for labels in elements), "keeps the label agent"
        except AssertionError as error:
            wrong.setdefault(name, f"{name}, {what}, value {value}: {str(error)[:600]}")
    assert not wrong, "\n".join(wrong.values())


def test_no_panel_makes_up_a_number():
    """Where nothing has been reported, a panel is empty: 0 would say that all is well."""
    for name, _, expression in panels():
        assert evaluate(within(expression, "nothing")) == [], name


def test_no_panel_shows_what_an_agent_said_before_it_fell_silent():
    """Prometheus repeats a value for five minutes. Panels show it for a minute and a half."""
    present = [(name, expression) for name, _, expression in panels() if not re.search(r"\[(?!90s)|offset", expression)]
    assert len(present) > 90
    written, checks = [], []
    for name, expression in present:
        for ago, shown in ((60, True), (100, False)):
            case = f"silent{len(checks)}"
            # The first sample of each series is 50 s older; rules and steps of a minute are within the time.
            written += [({**labels, "case": case}, samples[1:]) for labels, samples in series_of(expression, {}, 2, 1, AT_MS - ago * 1000)]
            checks.append((name, within(expression, case), shown))
    write(written)
    wrong = [name for name, expression, shown in checks if bool(evaluate(expression)) != shown]
    assert not wrong, wrong


def test_marks_mark_what_they_say():
    """Each mark is on the host `a`, where something happened half a minute ago, and not on `b`."""
    restart, switch = ((100, 5), (100, 100)), ((1, 0), (1, 1))
    # (metric, labels, values before and after on a, the same on b)
    changes = {
        "Alerts": [("ALERTS", {"alertname": "X", "alertstate": "firing"}, (None, 1), (None, None))],
        "New findings": [("lapwing_finding", {"id": "F1", "severity": "high"}, (None, 1), (1, 1))],
        "Restarts": [("node_forks_total", {}, *restart), ("mysql_global_status_uptime", {}, *restart),
                     ("nginx_connections_accepted", {}, *restart), ("haproxy_frontend_connections_total", {"proxy": "p"}, *restart),
                     ("process_cpu_seconds_total", {"job": "agent"}, *restart)],
        "Role switches": [("lapwing_mysql_replica_configured", {}, *switch), ("mysql_global_variables_read_only", {}, *switch),
                          ("keepalived_vrrp_state", {"ip_address": "10.0.0.1"}, *switch)],
    }
    assert {name for name, _ in marks()} == changes.keys()
    checks, written = [], []
    for name, expression in marks():
        for metric, labels, *ends in changes[name]:
            case = f"mark{len(checks)}"
            for host, (before, after) in zip("ab", ends):
                values = {AT_MS - 200_000: before, AT_MS - 100_000: before, AT_MS - 30_000: after, AT_MS: after}
                written.append(({"__name__": metric, "job": "j", **labels, "instance": host, "subject": host, "case": case},
                                [(ms, float(value)) for ms, value in values.items() if value is not None]))
            checks.append((f"{name}: {metric}", within(expression, case)))
    write(written)
    for what, expression in checks:
        hosts = [labels.get("subject", labels.get("instance")) for labels in evaluate(expression)]
        assert hosts == ["a"], f"{what}: {hosts}"


# Labels that tell the subjects of a panel apart: a subject in a bad state must not hide behind another one.
APART = {
    "haproxy_server_status": {"instance", "proxy", "server"}, "haproxy_frontend_http_requests_total": {"instance", "proxy"},
    "lapwing_mysql_replica_thread_state": {"instance", "channel_name", "thread"}, "probe_duration_seconds": {"instance", "url"},
    "lapwing_mysql_replica_lag_seconds": {"instance", "channel_name"}, "lapwing_finding": {"id", "subject"}, "up": {"instance", "job"},
    "node_filesystem_avail_bytes": {"instance", "mountpoint"}, "lapwing_agent_last_seen_seconds": {"host"},
    "lapwing_agent_clock_ahead_seconds": {"host"}, "lapwing_attempt_result": {"peer", "port", "source"}, "lapwing_canary_result": {"peer", "source"},
    # The collector's own view of the site: its subjects are other labels than its host.
    **{f"lapwing_replication_{name}": {"replica", "primary", "channel"} for name in (
        "lag_seconds", "state", "cause", "confidence", "advice_info", "even_in_seconds", "transactions_behind", "bytes_behind")},
    "lapwing_topology_component_info": {"component"}, "lapwing_topology_edge_info": {"from", "to"},
    "lapwing_topology_cut_set_info": {"service", "components"}, "lapwing_topology_service_works": {"service"},
    "lapwing_site_objective_ratio": set(),
}


def test_no_panel_hides_one_subject_behind_another():
    written, checks = [], []
    for name, kind, expression in panels():
        # A single figure may be the worst of all, and a sum or a number is one of all.
        if kind == "stat" or expression.startswith(("sum ", "count ")):
            continue
        case = f"panel{len(checks)}"
        written += [({**labels, "case": case}, samples) for labels, samples in series_of(expression, {}, 2, 1, AT_MS)]
        apart = set().union(*(APART.get(each.metric, {"instance"}) for each in selectors(expression)))
        checks.append((name, within(expression, case), apart))
    write(written)
    hiding = []
    for name, expression, apart in checks:
        kept = set().union(*evaluate(expression))
        hiding += [f"{name} does not keep {sorted(apart - kept)}"] if not apart <= kept else []
    assert checks and not hiding, "\n".join(hiding)


CERTIFICATE = "lapwing_collector_certificate_end_timestamp_seconds"
REPLICA = {"replica": "instance", "channel": "channel"}
BACKEND = {"instance": "instance", "proxy": "proxy"}
SERVER = {**BACKEND, "server": "server"}
SERVICE = {"instance": "instance"}
DISK = {"instance": "instance", "mountpoint": "mountpoint"}
RECEIVER = {"instance": "instance", "receiver": "receiver"}
SENDER = {"instance": "instance", "sender": "sender"}
FORWARD = {"instance": "instance", "destination": "destination"}


def cause(name, state="broken"):
    return [("lapwing_replication_cause", {"cause": name}, 1), ("lapwing_replication_state", {"state": state}, 1)]


def disk(free):
    return [("node_filesystem_avail_bytes", {"fstype": "ext4"}, free), ("node_filesystem_size_bytes", {"fstype": "ext4"}, 100),
            ("node_filesystem_readonly", {"fstype": "ext4"}, 0)]


def inodes(free):
    return [("node_filesystem_files_free", {"fstype": "ext4"}, free), ("node_filesystem_files", {"fstype": "ext4"}, 100),
            ("node_filesystem_readonly", {"fstype": "ext4"}, 0)]


def failing(what, share, rate):
    labels = {"server": "instance_proxy_server", "backend": "instance_proxy"}[what]
    return [(f"{labels}:haproxy_{what}_failures:{name}", {}, value) for name, value in (("ratio_rate1m", share), ("rate1m", rate), ("increases1m", 4))]


# (alert, severity): series of a subject in a bad state (metric, fixed labels, value), and the labels that tell subjects apart, with
# their names in the alert. All other labels vary, too, without giving more alerts.
BAD = [
    ("MysqlReplicationStopped", "critical", cause("applier_stopped"), REPLICA, {"cause": "applier_stopped"}),
    ("MysqlReplicationBroken", "critical", cause("network", "unknown"), REPLICA, {"cause": "network"}),
    ("MysqlReplicationBroken", "critical", cause("diverged"), REPLICA, {"cause": "diverged"}),
    ("MysqlReplicationNotConfigured", "critical", cause("not_configured"), REPLICA, {"cause": "not_configured"}),
    ("MysqlReplicationUnknown", "critical", cause("unknown", "unknown"), REPLICA, {}),
    ("MysqlReplicationUnknown", "critical", [("lapwing_replication_expected", {}, 1)], {"replica": "instance"}, {}),
    ("MysqlReplicaLag", "warning", [("lapwing_replication_lag_seconds", {}, 11)], REPLICA, {}),
    ("MysqlReplicaLag", "critical", [("lapwing_replication_lag_seconds", {}, 31)], REPLICA, {}),
    ("MysqlReplicationAtRisk", "warning", cause("clock_skew", "at_risk"), REPLICA, {"cause": "clock_skew"}),
    ("MysqlReplicationAtRisk", "critical", cause("both_writable", "at_risk"), REPLICA, {"cause": "both_writable"}),
    ("SiteEntryDown", "critical", [("probe_success", {"job": "app", "instance": "site"}, 0)], {"url": "url"}, {"instance": "site"}),
    ("AppDown", "critical", [("probe_success", {"job": "app"}, 0)], {"instance": "instance", "url": "url"}, {}),
    ("NginxDown", "critical", [("up", {"job": "nginx"}, 0)], SERVICE, {}),
    ("MysqlDown", "critical", [("up", {"job": "mysql"}, 0)], SERVICE, {}),
    ("MysqlRefusesAgent", "critical", [("up", {"job": "mysql"}, 0), ("mysql_up", {"job": "mysql"}, 1)], SERVICE, {}),
    ("HaproxyDown", "critical", [("up", {"job": "haproxy"}, 0)], SERVICE, {}),
    ("MysqlRefusesAgent", "critical", [("up", {"job": "mysql"}, 0), ("lapwing_mysql_refused_info", {"job": "mysql"}, 1)], SERVICE, {}),
    ("ProbeFailing", "warning", [("up", {"job": "node"}, 0)], SERVICE, {"job": "node"}),
    ("ScrapeFailing", "warning", [("up", {"job": "redis"}, 0)], SERVICE, {"job": "redis"}),
    ("LogUnreadable", "warning", [("lapwing_log_up", {}, 0)], {**SERVICE, "log": "log"}, {}),
    ("CommandReportsProblem", "critical", [("lapwing_exec_status", {}, 2)], {**SERVICE, "command": "command"}, {}),
    *(("CommandReportsProblem", "warning", [("lapwing_exec_status", {}, status)], {**SERVICE, "command": "command"}, {}) for status in (1, 3)),
    ("CommandFails", "warning", [("up", {"job": "exec"}, 0)], {**SERVICE, "command": "command"}, {}),
    ("TextfileUnreadable", "warning", [("node_textfile_scrape_error", {}, 1)], SERVICE, {}),
    ("HaproxyOldWorker", "warning", [("lapwing_haproxy_old_workers", {}, 1)], SERVICE, {}),
    ("BackendServerDown", "warning", [("haproxy_server_status", {"state": "DOWN"}, 1)], {**BACKEND, "server": "server"}, {}),
    ("BackendWithoutServers", "critical", [("haproxy_backend_status", {"state": "DOWN"}, 1)], BACKEND, {}),
    ("AgentSilent", "critical", [("lapwing_agent_last_seen_seconds", {}, 21), ("process_start_time_seconds", {"job": "collector", "host": ""}, AT_MS / 1000 - 60)],
     {"host": "instance"}, {}),
    ("AgentIdentityConflict", "warning", [("lapwing_agent_identity_conflict", {}, 1)], {"host": "instance", "kind": "kind"}, {}),
    ("CertificateEnding", "warning", [(CERTIFICATE, {"certificate": "agent"}, AT_MS / 1000 + 13 * 86400)], {"host": "instance"},
     {"certificate": "agent"}),
    ("CertificateEnding", "critical", [(CERTIFICATE, {"certificate": "agent"}, AT_MS / 1000 + 2 * 86400)], {"host": "instance"},
     {"certificate": "agent"}),
    ("CertificateEnding", "warning", [(CERTIFICATE, {"certificate": "collector"}, AT_MS / 1000 + 59 * 86400)], SERVICE,
     {"certificate": "collector"}),
    ("ConfigurationBroken", "warning", [("lapwing_configuration_test_info", {"result": "broken"}, 1)], {**SERVICE, "program": "program"}, {}),
    ("CertificateNotReloaded", "warning", [("lapwing_stale_certificate_end_timestamp_seconds", {}, AT_MS / 1000)], {**SERVICE, "program": "program"}, {}),
    ("ProgramReplaced", "warning", [("lapwing_replaced_program_info", {}, 1)], {**SERVICE, "process": "process"}, {}),
    ("RebootRequired", "warning", [("lapwing_reboot_required_info", {}, 1)], SERVICE, {}),
    ("SecurityUpdatesPending", "warning", [("lapwing_security_updates_pending", {}, 3)], SERVICE, {}),
    ("PackageListsOld", "warning", [("lapwing_package_lists_timestamp_seconds", {}, 1)], SERVICE, {}),
    ("NginxWithoutMaster", "warning", [("lapwing_nginx_workers_without_master", {}, 1)], SERVICE, {}),
    ("CertificateEnding", "warning", [(CERTIFICATE, {"certificate": "ca"}, AT_MS / 1000 + 364 * 86400)], SERVICE, {"certificate": "ca"}),
    ("MysqlValuesLeftOut", "warning", [("lapwing_mysql_values_left_out", {}, 21)], {**SERVICE, "statement": "statement"}, {}),
    ("ForeignSamplesRefused", "warning", [("lapwing_collector_foreign_samples_refused_total", {}, [1, 2])], SENDER, {}),
    ("ClockWrong", "warning", [("lapwing_agent_clock_ahead_seconds", {}, -61)], {"host": "instance"}, {}),
    ("ClockWrong", "warning", [("lapwing_collector_clock_ahead_seconds", {}, 61)], SERVICE, {}),
    ("ServerRefusesAgent", "warning", [("lapwing_probe_refused_info", {"job": "nginx"}, 1), ("up", {"job": "nginx"}, 0)],
     {**SERVICE, "detail": "detail"}, {"job": "nginx"}),
    ("ObservationMissing", "warning", [("up", {"job": "nginx"}, None)], SERVICE, {"job": "nginx"}),
    ("DiskSpaceLow", "warning", disk(9), DISK, {}),
    ("DiskSpaceLow", "critical", disk(2), DISK, {}),
    ("DiskWillFill", "warning", disk([30, 20]), DISK, {}),
    ("CollectorDiskLow", "critical", [("lapwing_collector_data_avail_bytes", {}, 9), ("lapwing_collector_data_size_bytes", {}, 100)], SERVICE, {}),
    ("SeriesBudgetNear", "warning", [("lapwing_collector_active_series", {}, 90), ("lapwing_collector_series_limit", {"scope": "agent"}, 100)],
     SENDER, {}),
    ("SenderLimited", "warning", [("lapwing_collector_ingest_limited_total", {}, [1, 2])], SENDER, {}),
    ("SenderLimited", "warning", [("lapwing_collector_documents_dropped_total", {}, [1, 2])], SENDER, {}),
    ("ConnectionsLimited", "warning", [("lapwing_collector_connections_limited_total", {"limit": "members"}, [1, 2])],
     {**SERVICE, "listener": "listener"}, {"limit": "members"}),
    ("SeriesLimitNear", "warning", [("lapwing_collector_series", {}, 90), ("lapwing_collector_series_limit", {"scope": "kept"}, 100)], SERVICE, {}),
    ("SeriesRefused", "warning", [("lapwing_collector_series_limit_refused_total", {}, [1, 2])], SENDER, {}),
    ("OwnSamplesRefused", "warning", [("lapwing_collector_own_samples_refused_total", {}, [1, 2])], SERVICE, {}),
    ("RuleFailing", "warning", [("lapwing_rule_failing", {}, 1)], {**SERVICE, "rule_group": "rule_group", "rule": "rule"}, {}),
    ("RuleEvaluationsMissed", "warning", [("lapwing_rule_evaluations_missed_total", {}, [1, 100])], {**SERVICE, "rule_group": "rule_group"}, {}),
    ("CollectorStoreTrouble", "critical", [("lapwing_collector_store_trouble", {}, 1)], SERVICE, {}),
    ("DatabaseSalvaged", "critical", [("lapwing_collector_salvaged_timestamp_seconds", {}, 1_700_000_000)], {**SERVICE, "file": "file", "lost": "lost"}, {}),
    ("DatabaseBlocksDamaged", "warning", [("lapwing_collector_damaged_blocks", {}, 2)], SERVICE, {}),
    ("CollectorLogLong", "warning", [("lapwing_collector_wal_bytes", {}, 2_000_000_000)], SERVICE, {}),
    ("NotificationsWaiting", "warning", [("lapwing_notification_alerts_waiting", {}, [10, 30])], RECEIVER, {}),
    ("ForwardBehind", "warning", [("lapwing_forward_lag_seconds", {}, 301)], FORWARD, {}),
    ("ForwardDropping", "warning", [("lapwing_forward_dropped_samples_total", {}, [1, 2])], {**FORWARD, "reason": "reason"}, {}),
    ("AnalysisStalled", "warning", [("lapwing_analysis_rounds_total", {"result": "complete"}, 5)], SERVICE, {}),
    ("ReceiverFailing", "warning", [("lapwing_notification_trouble_info", {"state": "failing"}, 1)], RECEIVER, {}),
    ("NotificationRefused", "warning", [("lapwing_notification_trouble_info", {"state": "given_up"}, 1)],
     {**RECEIVER, "notification": "notification"}, {}),
    ("ServerErrors", "critical", failing("server", 0.3, 0.2), SERVER, {}),
    ("ServerErrors", "critical", failing("server", 0.2, 0.2) + [("instance_proxy_server:haproxy_server_failures:ratio_rate1m:avg1d", {}, 0.02)],
     SERVER, {}),
    ("BackendErrors", "critical", failing("backend", 0.06, 0.2), BACKEND, {}),
    *(("SiteErrorBudget", severity, [(f"instance_proxy:haproxy_frontend_failures:{name}", {}, value) for name, value in
                                     ((f"ratio_rate{long}", 0.02), (f"ratio_rate{short}", 0.02), ("increase1h", 21))]
       + [("lapwing_site_objective_ratio", {"instance": "monitor", "agent": ""}, 0.999)], BACKEND, {})
      for severity, long, short in (("critical", "1h", "5m"), ("warning", "6h", "30m"))),
    ("ServerAnswersDiffer", "warning", [("instance_proxy_server:haproxy_server_responses_4xx:ratio_rate1m", {}, 0.5),
                                        ("instance_proxy_server:haproxy_server_responses_4xx:ratio_rate1m", {"server": "another"}, 0.02),
                                        ("instance_proxy_server:haproxy_server_responses_4xx:rate1m", {}, 0.2)], SERVER, {}),
    ("ServerRetries", "warning", [("haproxy_server_retry_warnings_total", {}, {40: 0, 30: 20, 20: 40, 10: 60, 0: 80}), ("haproxy_server_redispatch_warnings_total", {}, [0, 1])],
     SERVER, {}),
    ("PagesSlow", "warning", [("instance_url:probe_duration_seconds:avg1m", {}, 1.1)], {**SERVICE, "url": "url"}, {}),
    ("PagesSlow", "warning", [("instance_url:probe_duration_seconds:avg1m", {}, 5.1), ("instance_url:probe_duration_seconds:avg1m:avg1d", {}, 5)],
     {**SERVICE, "url": "url"}, {}),
    ("ServerSlow", "warning", [("instance_proxy_server:haproxy_server_response_time_seconds:mean30s", {}, 1.1)], SERVER, {}),
    ("UpstreamSlow", "warning", [("instance_upstream:nginx_http_upstream_time_seconds:p90_rate1m", {}, 1.1)], {**SERVICE, "upstream": "upstream"}, {}),
    ("UpstreamSlow", "warning", [("instance_upstream:nginx_http_upstream_time_seconds:p90_rate1m", {}, 15.1),
                                 ("instance_upstream:nginx_http_upstream_time_seconds:p90_rate1m:avg1d", {}, 5)], {**SERVICE, "upstream": "upstream"}, {}),
    ("HaproxyNearItsLimit", "critical", [("haproxy_frontend_current_sessions", {}, 81), ("haproxy_frontend_limit_sessions", {}, 100)], BACKEND, {}),
    ("HaproxyNearItsLimit", "critical", [("haproxy_process_current_connections", {}, 81), ("haproxy_process_max_connections", {}, 100)], SERVICE, {}),
    ("BackendQueue", "warning", [("haproxy_backend_current_queue", {}, {10: 1, 0: 1})], BACKEND, {}),
    ("NginxDropsConnections", "critical", [("nginx_connections_accepted", {}, [10, 20]), ("nginx_connections_handled", {}, [10, 18])], SERVICE, {}),
    ("MysqlConnectionsNearLimit", "critical",
     [("mysql_global_status_threads_connected", {}, 86), ("mysql_global_variables_max_connections", {}, 100)], SERVICE, {}),
    ("MysqlRowLockWaits", "warning", [("mysql_global_status_innodb_row_lock_current_waits", {}, {10: 3, 0: 3})], SERVICE, {}),
    ("HostCpuBusy", "warning", [("node_cpu_seconds_total", {"mode": "idle"}, [5, 6])], SERVICE, {}),
    ("HostMemoryLow", "warning", [("node_memory_MemAvailable_bytes", {}, 4), ("node_memory_MemTotal_bytes", {}, 100)], SERVICE, {}),
    ("HostSwaps", "warning", [("node_vmstat_pswpin", {}, [0, 50_000]), ("node_vmstat_pswpout", {}, [0, 50_000])], SERVICE, {}),
    ("OutOfMemoryKill", "critical", [("node_vmstat_oom_kill", {}, [3, 4])], SERVICE, {}),
    ("UnitFailed", "warning", [("node_systemd_unit_state", {"state": "failed"}, 1)], {**SERVICE, "name": "name"}, {}),
    ("UnitRestarting", "warning", [("node_systemd_service_restart_total", {}, [0, 4])], {**SERVICE, "name": "name"}, {}),
    ("HostDiskBusy", "warning", [("node_disk_io_time_seconds_total", {}, [0, 200]), ("node_pressure_io_stalled_seconds_total", {}, [0, 100])],
     {**SERVICE, "device": "device"}, {}),
    ("RaidDegraded", "critical", [("node_md_disks_required", {}, 2), ("node_md_disks", {"state": "active"}, 1)],
     {**SERVICE, "device": "device"}, {}),
    ("BondLinkDown", "warning", [("node_bonding_slaves", {}, 2), ("node_bonding_active", {}, 1)], {**SERVICE, "master": "master"}, {}),
    ("ConntrackNearLimit", "critical", [("node_nf_conntrack_entries", {}, 81), ("node_nf_conntrack_entries_limit", {}, 100)], SERVICE, {}),
    ("OpenFilesNearLimit", "warning", [("node_filefd_allocated", {}, 81), ("node_filefd_maximum", {}, 100)], SERVICE, {}),
    ("PacketsLost", "warning", [("node_netstat_Tcp_RetransSegs", {}, [0, 500]), ("node_netstat_Tcp_OutSegs", {}, [0, 1000])], SERVICE, {}),
    ("ListenQueueFull", "critical", [("node_netstat_TcpExt_ListenOverflows", {}, [1, 20])], SERVICE, {}),
    *(("PrimaryReadOnly", "critical", [("lapwing_replication_state", {"state": "healthy", "primary": "{instance}"}, 1), (f"mysql_global_variables_{variable}", {}, 1)],
       SERVICE, {}) for variable in ("read_only", "super_read_only", "offline_mode")),
    ("MysqlWritesWait", "critical", [("lapwing_mysql_waiting_seconds", {}, 11)], {**SERVICE, "reason": "reason"}, {}),
    ("CertificateExpires", "warning", [("probe_ssl_earliest_cert_expiry", {}, AT_MS / 1000 + 20 * 86400)], {**SERVICE, "url": "url"}, {}),
    ("CertificateExpires", "critical", [("probe_ssl_earliest_cert_expiry", {}, AT_MS / 1000 - 86400)], {**SERVICE, "url": "url"}, {}),
    ("InodesLow", "warning", inodes(9), DISK, {}),
    ("InodesLow", "critical", inodes(2), DISK, {}),
    ("MountMissing", "critical", [("lapwing_fstab_mounted", {}, 0)], DISK, {}),
    ("FilesystemReadOnly", "critical", [("node_filesystem_readonly", {}, [0, 1])], DISK, {}),
    ("HostRebooted", "warning", [("node_boot_time_seconds", {}, {900: AT_MS / 1000 - 1e6, 50: AT_MS / 1000 - 60, 0: AT_MS / 1000 - 60})], SERVICE, {}),
    ("CriticalFinding", "critical", [("lapwing_finding", {"severity": "critical"}, 1)], {"id": "id", "subject": "subject"}, {}),
]
BAD_LABELS = {
    "lapwing_replication_cause": ["primary"], "lapwing_replication_state": ["primary", "replica"], "lapwing_replication_expected": ["primary"],
    "lapwing_replication_lag_seconds": ["primary"], "haproxy_server_status": ["via"], "haproxy_backend_status": ["via"],
    "node_filesystem_avail_bytes": ["device"], "node_filesystem_size_bytes": ["device"], "node_filesystem_readonly": ["device"],
    "node_filesystem_files": ["device"], "node_filesystem_files_free": ["device"], "node_cpu_seconds_total": ["cpu"],
    "haproxy_server_retry_warnings_total": ["via"], "haproxy_server_redispatch_warnings_total": ["via"], "haproxy_backend_current_queue": ["via"],
    "haproxy_frontend_current_sessions": ["via"], "haproxy_frontend_limit_sessions": ["via"], "lapwing_mysql_waiting_seconds": ["state", "who"],
    "lapwing_finding": ["confidence"], "lapwing_mysql_refused_info": ["errno", "reason"],
    "lapwing_notification_trouble_info": ["reason"],
}


def bad_series(case, series, subject, subjects, others):
    """`subjects` values of each label of a subject, `others` values of each other label."""
    out = []
    for metric, fixed, value in series:
        observed = [] if ":" in metric else ["instance", "agent"]
        free = [label for label in [*observed, *BAD_LABELS.get(metric, [])] if label not in subject and label not in fixed]
        named = [label for label in subject if label not in fixed]
        names = [*named, *free]
        counts = [subjects] * len(named) + [others] * len(free)
        for each in itertools.product(*(range(count) for count in counts)):
            labels = {"__name__": metric, **({"job": "j"} if observed else {}), **fixed, "case": case}
            for name, number in zip(names, each):
                text = f"mysql@{name}{number}" if name == "subject" else f"{name}{number}"
                # A channel may have no name.
                labels[name] = "" if name == "channel" and number == 0 else text
            labels = {name: text.format(**labels) for name, text in labels.items() if text}
            if value is None:  # seen half an hour ago
                samples = [(AT_MS - 1_800_000, 1.0)]
            else:
                # By seconds ago, or of the last minute.
                values = value if isinstance(value, dict) else {50: value[0], 0: value[1]} if isinstance(value, list) else {50: value, 0: value}
                samples = [(AT_MS - ago * 1000, float(each)) for ago, each in values.items()]
            out.append((labels, samples))
    return out


def expected(subject, fixed, subjects):
    out = []
    for each in itertools.product(range(subjects), repeat=len(subject)):
        labels = dict(fixed)
        for (name, shown), number in zip(subject.items(), each):
            if name == "subject":
                labels |= {"subject": f"mysql@subject{number}", "instance": f"subject{number}"}
            elif name != "channel" or number > 0:
                labels[shown] = f"{name}{number}"
        out.append(labels)
    return out


def test_every_subject_in_a_bad_state_has_its_alert():
    queries = {(name, severity): query for name, severity, query in rules()}
    assert {(name, severity) for name, severity, *_ in BAD} == set(queries), "each shipped alert needs a line in BAD"
    written, checks = [], []
    for name, severity, series, subject, fixed in BAD:
        for subjects, others in itertools.product((0, 1, 2, 5), (1, 2)):
            if subjects ** len(subject) * others ** 3 > 1200:
                subjects = 3
            case = f"bad{len(checks)}"
            written += bad_series(case, series, subject, subjects, others)
            checks.append((name, f"{subjects} subjects, {others} of each other label", within(queries[name, severity], case),
                           expected(subject, fixed, subjects)))
    write(written)
    wrong = []
    for name, what, expression, alerts in checks:
        found = evaluate(expression)
        key = lambda labels: json.dumps(labels, sort_keys=True)
        if sorted(map(key, found)) != sorted(map(key, alerts)):
            wrong.append(f"{name}, {what}: {len(found)} alerts instead of {len(alerts)}; for example {found[:1]} and {alerts[:1]}")
    assert not wrong, "\n".join(wrong)


def test_the_texts_of_many_alerts_are_whole():
    """The rules without their waiting times: every template expands, with two of each thing."""
    second = Collector("")
    os.makedirs(second.path("rules"))
    for path in SHIPPED:
        with open(second.path(f"rules/{path.name}"), "w") as out:
            out.write(re.sub(r"\n        for: \S+|\n    interval: \S+", "", path.read_text()))
    second.write_config("rules_interval: 1s\ningest: { local: on }\n")
    second.start()
    try:
        written = [series for number, (_, _, bad, subject, _) in enumerate(BAD) for series in bad_series(str(number), bad, subject, 2, 2)]
        for replica, channel, collected in itertools.product(("replica0", "replica1"), ("", "channel1"), ("instance0", "instance1")):
            labels = {"replica": replica, "instance": collected, "job": "j", **({"channel": channel} if channel else {})}
            for each in ("network", "applier_stopped"):
                written.append(({"__name__": "lapwing_replication_advice_info", **labels, "cause": each, "summary": each + " is the cause",
                                 "next_step": "do " + each}, [(AT_MS, 1.0)]))
            written.append(({"__name__": "lapwing_replication_even_in_seconds", **labels}, [(AT_MS, 40.0)]))
        # The samples of different alerts are not kept apart here, so one of several values stands.
        at = now_ms()
        written = [(labels, [(at - 1000, samples[0][1]), (at, samples[-1][1])]) for labels, samples in written]
        assert second.people("/api/v1/write", "POST", write_request(written), WRITE_HEADERS).status in (200, 204)
        time.sleep(3)
        broken = [rule for group in second.people("/api/v1/rules").json()["data"]["groups"] for rule in group["rules"] if rule["health"] != "ok"]
        assert not broken, broken
        alerts = second.people("/api/v1/alerts").json()["data"]["alerts"]
        assert len({alert["labels"]["alertname"] for alert in alerts}) > 12
        for alert in alerts:
            for name, text in alert["annotations"].items():
                assert text and "error expanding" not in text and "no value" not in text, (name, text)
                for step in ("do network", "do applier_stopped", "will catch up", "is the cause"):
                    assert text.count(step) <= 2, text
        [stopped] = [alert for alert in alerts if alert["labels"]["alertname"] == "MysqlReplicationStopped"
                     and alert["labels"] == {**alert["labels"], "instance": "replica0"} and "channel" not in alert["labels"]]
        assert stopped["annotations"]["summary"] == "Replica replica0: applier_stopped is the cause", stopped
        assert stopped["annotations"]["next_step"] == "do applier_stopped", stopped
    finally:
        second.close()
