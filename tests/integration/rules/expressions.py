"""Finds the series that an expression reads, and makes up such series: none, one, two and many of each label."""

import importlib.machinery
import importlib.util
import itertools
import json
import random
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
DASHBOARDS = sorted((REPOSITORY / "dashboards/grafana").glob("*.json"))

# Labels of the exporters' metrics, which common/metric_names.h does not have.
EXPORTERS = {
    "ALERTS": "alertname alertstate severity channel",
    "haproxy_backend_current_queue": "proxy via",
    "haproxy_backend_http_responses_total": "proxy code via",
    "haproxy_backend_status": "proxy state via",
    "haproxy_frontend_current_sessions": "proxy via",
    "haproxy_frontend_http_requests_total": "proxy via",
    "haproxy_frontend_http_responses_total": "proxy code via",
    "haproxy_frontend_limit_sessions": "proxy via",
    "haproxy_process_current_connections": "via",
    "haproxy_process_max_connections": "via",
    "haproxy_server_check_status": "proxy server state via",
    "haproxy_server_connection_errors_total": "proxy server via",
    "haproxy_server_http_responses_total": "proxy server code via",
    "haproxy_server_redispatch_warnings_total": "proxy server via",
    "haproxy_server_response_errors_total": "proxy server via",
    "haproxy_server_response_time_average_seconds": "proxy server via",
    "haproxy_server_retry_warnings_total": "proxy server via",
    "haproxy_server_status": "proxy server state via",
    "mysql_global_status_innodb_row_lock_current_waits": "",
    "mysql_global_status_queries": "",
    "mysql_global_status_threads_connected": "",
    "mysql_global_variables_max_connections": "",
    "mysql_global_variables_offline_mode": "",
    "mysql_global_variables_read_only": "",
    "mysql_global_variables_super_read_only": "",
    "nginx_connections_accepted": "",
    "nginx_connections_handled": "",
    "nginx_http_requests_total": "",
    "node_bonding_active": "master",
    "node_bonding_slaves": "master",
    "nginx_http_response_count_total": "log server_name method status",
    "nginx_http_response_time_seconds_hist_bucket": "log server_name le",
    "nginx_http_response_time_seconds_hist_count": "log server_name",
    "nginx_http_upstream_time_seconds_hist_bucket": "log upstream le",
    "nginx_http_upstream_time_seconds_hist_count": "log upstream",
    "node_boot_time_seconds": "",
    "node_cpu_seconds_total": "cpu mode",
    "node_disk_io_time_seconds_total": "device",
    "node_filefd_allocated": "",
    "node_filefd_maximum": "",
    "node_filesystem_avail_bytes": "device fstype mountpoint",
    "node_filesystem_files": "device fstype mountpoint",
    "node_filesystem_files_free": "device fstype mountpoint",
    "node_filesystem_readonly": "device fstype mountpoint",
    "node_filesystem_size_bytes": "device fstype mountpoint",
    "node_md_disks": "device state",
    "node_md_disks_required": "device",
    "node_md_state": "device state",
    "node_memory_MemAvailable_bytes": "",
    "node_memory_MemTotal_bytes": "",
    "node_netstat_TcpExt_ListenOverflows": "",
    "node_network_receive_bytes_total": "device",
    "node_network_transmit_bytes_total": "device",
    "node_nf_conntrack_entries": "",
    "node_nf_conntrack_entries_limit": "",
    "node_pressure_io_stalled_seconds_total": "",
    "node_textfile_scrape_error": "",
    "node_vmstat_oom_kill": "",
    "node_vmstat_pswpin": "",
    "node_vmstat_pswpout": "",
    "probe_duration_seconds": "url",
    "probe_ssl_earliest_cert_expiry": "url",
    "probe_success": "url",
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

NOT_METRICS = set("""by without on ignoring group_left group_right bool offset and or unless inf nan start end""".split())


def _declared():
    """{metric: labels} of common/metric_names.h, as tests/check-metric-names reads them."""
    path = str(REPOSITORY / "tests/check-metric-names")
    loader = importlib.machinery.SourceFileLoader("check_metric_names", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.declared()


LABELS = {**_declared(), **{name: labels.split() for name, labels in {**EXPORTERS, **_recorded()}.items()}}


class Selector:
    def __init__(self, metric, matchers, start, end):
        self.metric, self.matchers, self.start, self.end = metric, matchers, start, end


def selectors(expression):
    """The selectors of an expression, in order, with their places."""
    token = re.compile(r"""(?P<text>"(?:\\.|[^"\\])*")|(?P<grouping>\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))|"""
                       r"""(?P<name>[a-zA-Z_:][\w:]*)(?P<call>\s*\(|\s+(?=(?:by|without)\b))?|(?P<number>\d\w*)""")
    out, at = [], 0
    while match := token.search(expression, at):
        at = match.end()
        name = match["name"]
        if not name or match["call"] or name in NOT_METRICS:
            if match["call"]:
                at = match.end("name")
            continue
        matchers = []
        if expression[at:at + 1] == "{":
            end = at + 1
            for each in re.finditer(r'\s*(\w+)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")\s*,?', expression):
                if each.start() == end:
                    matchers.append((each[1], each[2], json.loads(each[3])))
                    end = each.end()
            assert expression[end] == "}", expression[at:]
            at = end + 1
        out.append(Selector(name, matchers, match.start(), at))
    return out


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
    """(name, amounts, otherwise): none, one, two and many of all labels, then two and four of each label alone."""
    labels = {label for selector in known_selectors(expression) for label in [*LABELS[selector.metric], *COMMON]}
    out = [("none", {}, 0), ("one", {}, 1), ("two of each", {}, 2), ("many of each", {}, 4)]
    for label in sorted(labels):
        out += [(f"{amount} of {label}", {label: amount}, 1) for amount in (2, 4)]
    return out


def panels():
    """(name, type, expression) of each query of each dashboard, with Grafana's variables filled in."""
    out = []
    for path in DASHBOARDS:
        rows = json.loads(path.read_text())["panels"]
        for panel in [*rows, *(inner for row in rows for inner in row.get("panels", []))]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
                out.append((f"{path.stem}: {panel['title']}", panel["type"], expression))
    return out
