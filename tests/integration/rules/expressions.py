"""Finds the series that an expression reads, and makes up such series: none, one, two and many of each label."""

import importlib.machinery
import importlib.util
import itertools
import json
import random
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests"))
import boards  # noqa: E402
from grafana.promql import selectors  # noqa: E402

# Labels of the exporters' metrics, which common/metric_names.h does not have.
EXPORTERS = {
    "ALERTS": "alertname alertstate severity channel id subject proxy server url mountpoint",
    "haproxy_backend_active_servers": "proxy via",
    "process_start_time_seconds": "",
    "haproxy_backend_current_queue": "proxy via",
    "haproxy_backend_http_responses_total": "proxy code via",
    "haproxy_backend_status": "proxy state via",
    "haproxy_frontend_bytes_in_total": "proxy via",
    "haproxy_frontend_bytes_out_total": "proxy via",
    "haproxy_frontend_connections_total": "proxy via",
    "haproxy_frontend_current_sessions": "proxy via",
    "haproxy_frontend_http_requests_total": "proxy via",
    "haproxy_frontend_http_responses_total": "proxy code via",
    "haproxy_frontend_limit_sessions": "proxy via",
    "haproxy_frontend_request_errors_total": "proxy via",
    "haproxy_frontend_requests_denied_total": "proxy via",
    "haproxy_process_current_connections": "via",
    "haproxy_process_max_connections": "via",
    "haproxy_server_check_status": "proxy server state via",
    "haproxy_server_connect_time_average_seconds": "proxy server via",
    "haproxy_server_connection_errors_total": "proxy server via",
    "haproxy_server_http_responses_total": "proxy server code via",
    "haproxy_server_redispatch_warnings_total": "proxy server via",
    "haproxy_server_response_errors_total": "proxy server via",
    "haproxy_server_response_time_average_seconds": "proxy server via",
    "haproxy_server_retry_warnings_total": "proxy server via",
    "haproxy_server_status": "proxy server state via",
    "keepalived_vrrp_state": "iname intf vrid ip_address",
    "mysql_global_status_aborted_clients": "",
    "mysql_global_status_aborted_connects": "",
    "mysql_global_status_commands_total": "command",
    "mysql_global_status_connection_errors_total": "error",
    "mysql_global_status_created_tmp_disk_tables": "",
    "mysql_global_status_innodb_buffer_pool_bytes_data": "",
    "mysql_global_status_innodb_buffer_pool_bytes_dirty": "",
    "mysql_global_status_innodb_buffer_pool_read_requests": "",
    "mysql_global_status_innodb_buffer_pool_reads": "",
    "mysql_global_status_innodb_data_read": "",
    "mysql_global_status_innodb_data_written": "",
    "mysql_global_status_innodb_history_list_length": "",
    "mysql_global_status_innodb_row_lock_current_waits": "",
    "mysql_global_status_queries": "",
    "mysql_global_status_select_full_join": "",
    "mysql_global_status_select_scan": "",
    "mysql_global_status_slow_queries": "",
    "mysql_global_status_threads_connected": "",
    "mysql_global_status_threads_running": "",
    "mysql_global_status_uptime": "",
    "mysql_global_variables_innodb_buffer_pool_size": "",
    "mysql_global_variables_max_connections": "",
    "mysql_global_variables_offline_mode": "",
    "mysql_global_variables_read_only": "",
    "mysql_global_variables_super_read_only": "",
    "nginx_connections_accepted": "",
    "nginx_connections_handled": "",
    "nginx_connections_reading": "",
    "nginx_connections_waiting": "",
    "nginx_connections_writing": "",
    "nginx_http_requests_total": "",
    "nginx_http_response_count_total": "log server_name method status",
    "nginx_http_response_size_bytes": "log server_name",
    "node_bonding_active": "master",
    "node_bonding_slaves": "master",
    "nginx_http_response_time_seconds_hist_bucket": "log server_name le",
    "nginx_http_response_time_seconds_hist_count": "log server_name",
    "nginx_http_upstream_time_seconds_hist_bucket": "log upstream le",
    "nginx_http_upstream_time_seconds_hist_count": "log upstream",
    "node_boot_time_seconds": "",
    "node_cpu_seconds_total": "cpu mode",
    "node_disk_io_time_seconds_total": "device",
    "node_disk_read_bytes_total": "device",
    "node_disk_read_time_seconds_total": "device",
    "node_disk_reads_completed_total": "device",
    "node_disk_write_time_seconds_total": "device",
    "node_disk_writes_completed_total": "device",
    "node_disk_written_bytes_total": "device",
    "node_filefd_allocated": "",
    "node_filefd_maximum": "",
    "node_filesystem_avail_bytes": "device fstype mountpoint",
    "node_filesystem_files": "device fstype mountpoint",
    "node_filesystem_files_free": "device fstype mountpoint",
    "node_filesystem_readonly": "device fstype mountpoint",
    "node_filesystem_size_bytes": "device fstype mountpoint",
    "node_forks_total": "",
    "node_load1": "",
    "node_md_disks": "device state",
    "node_md_disks_required": "device",
    "node_md_state": "device state",
    "node_memory_Cached_bytes": "",
    "node_memory_MemAvailable_bytes": "",
    "node_memory_MemTotal_bytes": "",
    "node_netstat_TcpExt_ListenOverflows": "",
    "node_netstat_Tcp_OutSegs": "",
    "node_netstat_Tcp_RetransSegs": "",
    "node_network_receive_bytes_total": "device",
    "node_network_receive_drop_total": "device",
    "node_network_receive_errs_total": "device",
    "node_network_transmit_bytes_total": "device",
    "node_network_transmit_drop_total": "device",
    "node_network_transmit_errs_total": "device",
    "node_nf_conntrack_entries": "",
    "node_nf_conntrack_entries_limit": "",
    "node_pressure_cpu_waiting_seconds_total": "",
    "node_pressure_io_stalled_seconds_total": "",
    "node_pressure_io_waiting_seconds_total": "",
    "node_pressure_memory_waiting_seconds_total": "",
    "node_systemd_service_restart_total": "name",
    "node_systemd_unit_state": "name state type",
    "node_textfile_scrape_error": "",
    "node_vmstat_oom_kill": "",
    "node_vmstat_pswpin": "",
    "node_vmstat_pswpout": "",
    "probe_duration_seconds": "url",
    "probe_failure_info": "url reason",
    "probe_http_duration_seconds": "url phase",
    "probe_http_status_code": "url",
    "probe_ssl_earliest_cert_expiry": "url",
    "probe_success": "url",
    "process_cpu_seconds_total": "",
    "process_resident_memory_bytes": "",
    "up": "",
}
SHIPPED = sorted((REPOSITORY / "dashboards/alerts").glob("*.rules.yml"))


def _recorded():
    """{series of a recording rule: labels}: its name begins with the labels that it keeps."""
    names = {name for path in SHIPPED for name in re.findall(r"record: (\S+)", path.read_text())}
    return {name: name.split(":")[0].replace("_", " ") for name in names}


# Every sample has these.
COMMON = ("job", "instance", "agent")
# Labels whose values are hosts: one name may stand in several of them.
HOSTS = {"instance", "agent", "host", "replica", "primary"}
MOST_SERIES = 64  # of one metric in one case


def _declared():
    """{metric: labels} of common/metric_names.h, as tests/check-metric-names reads them."""
    path = str(REPOSITORY / "tests/check-metric-names")
    loader = importlib.machinery.SourceFileLoader("check_metric_names", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.declared()


LABELS = {**_declared(), **{name: labels.split() for name, labels in {**EXPORTERS, **_recorded()}.items()}}


def known_selectors(expression):
    out = selectors(expression)
    unknown = sorted({selector.metric for selector in out} - LABELS.keys())
    assert not unknown, f"the labels of {unknown} belong into common/metric_names.h, or into EXPORTERS"
    return out


def within(expression, case):
    """The expression, of which each selector reads the series of one case only."""
    out, at = "", 0
    for selector in selectors(expression):
        more = "".join(f",{name}{operator}{json.dumps(value)}" for name, operator, value in selector.matchers)
        out += expression[at:selector.start] + f'{selector.metric}{{case="{case}"{more}}}'
        at = selector.end
    return out + expression[at:]


def values_of(label, metric, chosen):
    """Values that a label may have, those first that the expression's matchers name."""
    named = []
    for selector in chosen:
        for name, operator, value in selector.matchers:
            if selector.metric == metric and name == label and operator in ("=", "=~"):
                named += [each for each in value.split("|") if re.fullmatch(r"[\w-]+", each)]
    named = list(dict.fromkeys(named))
    if label == "job" and named:
        return named
    if label in HOSTS:
        return named + [f"h{i}" for i in range(4)]
    if label == "subject":
        return [f"mysql@h{i}" for i in range(4)]
    if label in ("channel", "channel_name"):
        return named + ["", "c1", "c2", "c3"]  # "": a channel without a name
    return named + [f"{label}{i}" for i in range(4)]


def series_of(expression, amounts, otherwise, value, at_ms):
    """Series for every metric of the expression: `amounts[label]` values of a label, of other labels `otherwise`."""
    chosen = known_selectors(expression)
    counters = set(re.findall(r"(?:rate|increase)\((\w+)", expression))
    out = []
    for metric in dict.fromkeys(selector.metric for selector in chosen):
        labels = list(dict.fromkeys([*LABELS[metric], *COMMON]))
        choices = [values_of(label, metric, chosen)[:amounts.get(label, otherwise)] for label in labels]
        everything = list(itertools.islice(itertools.product(*choices), 20_000))
        if len(everything) > MOST_SERIES:
            everything = random.Random(metric).sample(everything, MOST_SERIES)
        for each in everything:
            named = {"__name__": metric, **{label: text for label, text in zip(labels, each) if text}}
            later = value + 60 if metric in counters else value
            out.append((named, [(at_ms - 50_000, float(value)), (at_ms, float(later))]))
    return out


def cases(expression):
    """(name, amounts, otherwise): none, one, two and many of all labels; if series are matched, also two and four of each label alone."""
    found = known_selectors(expression)
    labels = {label for selector in found for label in [*LABELS[selector.metric], *COMMON]}
    out = [("none", {}, 0), ("one", {}, 1), ("two of each", {}, 2), ("many of each", {}, 4)]
    for label in sorted(labels) if len({(each.metric, each.matchers) for each in found}) > 1 else ():
        out += [(f"{amount} of {label}", {label: amount}, 1) for amount in (2, 4)]
    return out


def panels():
    """(name, type, expression) of each query of each dashboard, with Grafana's variables filled in."""
    return [(f"{dashboard['uid']}: {panel['title']}", panel["type"], boards.substituted(target["expr"], {"instance": ".*"}, 75))
            for dashboard in boards.DASHBOARDS for panel, target in boards.queries(dashboard)]


def marks():
    """(name, expression) of each annotation. The dashboards share them."""
    return [(mark["name"], mark["expr"]) for mark in boards.DASHBOARDS[0]["annotations"]["list"]]
