"""No shipped alert fires over a healthy day: the tides of its visitors, a backup at night, two deployments, restarts, scanners."""

import json
import math
import random
import subprocess
from pathlib import Path

import pytest

# promtool takes minutes for a day.
pytestmark = pytest.mark.long

RULES = sorted((Path(__file__).resolve().parents[3] / "dashboards/alerts").glob("*.yml"))
STEP_S = 10
STEPS = 24 * 3600 // STEP_S
BACKUP = range(3 * 360, 3 * 360 + 90)  # at three, for a quarter of an hour
DEPLOYMENTS = (11 * 360 + 7, 16 * 360 + 3)
RESTARTS = (4 * 360, 13 * 360)  # of the agents and of the collector, for upgrades


def visitors(step):
    """Requests a second: few at night, most in the evening, with a spike of a newsletter at ten."""
    hour = step * STEP_S / 3600
    tide = 1.5 + 12 * max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi)) ** 1.5
    return tide + (25 * math.exp(-(hour - 10) * 40) if 10 <= hour < 10.2 else 0)


class Day:
    """The samples of each series, by its name."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.series = {}

    def put(self, name, value):
        self.series.setdefault(name, []).append(value)

    def count(self, name, by):
        values = self.series.setdefault(name, [0])
        values.append(values[-1] + by)

    def number_of(self, expected):
        """As many as come at random where so many are expected."""
        return sum(self.random.random() < expected / 50 for _ in range(50)) if expected < 10 else max(0, round(self.random.gauss(expected, expected ** 0.5)))


def balancer(day, step):
    lb = 'instance="lb-01",job="haproxy",agent="lb-01",via="socket"'
    busy = visitors(step)
    errors = retries = 0
    for server in ("web-01", "web-02"):
        labels = f'{lb},proxy="web",server="{server}"'
        requests = day.number_of(busy / 2 * STEP_S)
        restarting = any(step == at + (server == "web-02") * 3 for at in DEPLOYMENTS)
        failed = day.number_of(0.0004 * requests) + (min(requests, 6) if restarting else 0)
        retried = min(requests, 8) if restarting else day.number_of(0.0002 * requests)
        scanned = day.number_of(6) if step % 700 < 20 else 0
        day.count(f'haproxy_server_http_responses_total{{{labels},code="2xx"}}', max(0, requests - failed))
        day.count(f'haproxy_server_http_responses_total{{{labels},code="4xx"}}', day.number_of(0.02 * requests) + scanned)
        day.count(f'haproxy_server_http_responses_total{{{labels},code="5xx"}}', failed)
        day.count(f'haproxy_server_connection_errors_total{{{labels}}}', retried)
        day.count(f'haproxy_server_response_errors_total{{{labels}}}', 0)
        day.count(f'haproxy_server_retry_warnings_total{{{labels}}}', retried)
        day.count(f'haproxy_server_redispatch_warnings_total{{{labels}}}', retried // 2)
        slow = 0.12 + 0.1 * busy / 14 + (0.25 if step in BACKUP and server == "web-02" else 0)
        average = f"haproxy_server_response_time_average_seconds{{{labels}}}"
        before = day.series.get(average, [slow])[-1]
        weight = (1 - 1 / 512) ** requests
        day.put(average, round(weight * before + (1 - weight) * slow * day.random.uniform(0.8, 1.25), 3))
        day.put(f'haproxy_server_status{{{labels},state="DOWN"}}', 0)
        errors, retries = errors + failed, retries + retried
    proxy = f'{lb},proxy="web"'
    day.count(f'haproxy_backend_http_responses_total{{{proxy},code="2xx"}}', day.number_of(busy * STEP_S))
    day.count(f'haproxy_backend_http_responses_total{{{proxy},code="5xx"}}', errors)
    day.put(f'haproxy_backend_status{{{proxy},state="DOWN"}}', 0)
    day.put(f"haproxy_backend_current_queue{{{proxy}}}", 2 if day.random.random() < 0.01 else 0)
    site = f'{lb},proxy="site"'
    day.count(f"haproxy_frontend_http_requests_total{{{site}}}", day.number_of(busy * STEP_S))
    day.count(f'haproxy_frontend_http_responses_total{{{site},code="2xx"}}', day.number_of(busy * STEP_S))
    day.count(f'haproxy_frontend_http_responses_total{{{site},code="5xx"}}', errors)
    day.put(f"haproxy_frontend_current_sessions{{{site}}}", day.number_of(busy * 2))
    day.put(f"haproxy_frontend_limit_sessions{{{site}}}", 2000)
    day.put(f"haproxy_process_current_connections{{{lb}}}", day.number_of(busy * 2))
    day.put(f"haproxy_process_max_connections{{{lb}}}", 2000)
    day.put(f"up{{{lb}}}", 1)


def server(day, step, name):
    host = f'instance="{name}",agent="{name}"'
    busy = visitors(step)
    work = 0.1 + 0.5 * busy / 14 + (0.35 if step in BACKUP and name == "web-02" else 0) + (0.3 if any(0 <= step - at < 6 for at in DEPLOYMENTS) else 0)
    work = min(0.99, max(0.02, work + day.random.uniform(-0.08, 0.08)))
    for cpu in ("0", "1"):
        day.count(f'node_cpu_seconds_total{{{host},job="node",cpu="{cpu}",mode="idle"}}', STEP_S * (1 - work))
        day.count(f'node_cpu_seconds_total{{{host},job="node",cpu="{cpu}",mode="user"}}', STEP_S * work)
    day.put(f'node_memory_MemTotal_bytes{{{host},job="node"}}', 4e9)
    day.put(f'node_memory_MemAvailable_bytes{{{host},job="node"}}', 1.6e9 - 5e8 * busy / 14 - (6e8 if step in BACKUP else 0))
    day.count(f'node_vmstat_oom_kill{{{host},job="node"}}', 0)
    day.count(f'node_netstat_TcpExt_ListenOverflows{{{host},job="node"}}', 1 if step == 10 * 360 + 1 else 0)
    disk = f'{host},job="node",device="/dev/vda1",fstype="ext4",mountpoint="/"'
    rotated = 2e9 * (step / STEPS)
    day.put(f"node_filesystem_size_bytes{{{disk}}}", 4e10)
    day.put(f"node_filesystem_avail_bytes{{{disk}}}", 1.5e10 - rotated - (4e9 * (step - BACKUP.start) / 90 if step in BACKUP else 0))
    day.put(f"node_filesystem_readonly{{{disk}}}", 0)
    day.put(f"node_filesystem_files{{{disk}}}", 2.5e6)
    day.put(f"node_filesystem_files_free{{{disk}}}", 2e6)
    day.put(f'lapwing_fstab_mounted{{{host},job="node",mountpoint="/"}}', 1)
    day.put(f'node_boot_time_seconds{{{host},job="node"}}', -8e6)
    for job in ("node", "nginx", "mysql", "sockets", "firewall", "inventory"):
        day.put(f'up{{{host},job="{job}"}}', 1)
    day.put(f'nginx_up{{{host},job="nginx"}}', 1)
    day.put(f'mysql_up{{{host},job="mysql"}}', 1)
    requests = day.number_of(busy / 2 * STEP_S)
    day.count(f'nginx_connections_accepted{{{host},job="nginx"}}', requests)
    day.count(f'nginx_connections_handled{{{host},job="nginx"}}', requests)
    day.count(f'nginx_http_requests_total{{{host},job="nginx"}}', requests)
    day.put(f'lapwing_nginx_workers_without_master{{{host},job="nginx"}}', 0)
    day.put(f'mysql_global_status_threads_connected{{{host},job="mysql"}}', day.number_of(8 + busy))
    day.put(f'mysql_global_variables_max_connections{{{host},job="mysql"}}', 151)
    day.put(f'mysql_global_status_innodb_row_lock_current_waits{{{host},job="mysql"}}', 3 if day.random.random() < 0.005 else 0)
    day.put(f'mysql_global_variables_read_only{{{host},job="mysql"}}', 1 if name == "web-02" else 0)
    waits = day.random.uniform(0, 4) if day.random.random() < 0.01 else 0
    day.put(f'lapwing_mysql_waiting_seconds{{{host},job="mysql",reason="row_lock",state="updating",who="site"}}', waits)


def monitor(day, step):
    own = 'instance="monitor",job="collector"'
    for name in ("web-01", "web-02", "lb-01"):
        away = next((step - at for at in RESTARTS if 0 <= step - at < 2), None)
        day.put(f'lapwing_agent_last_seen_seconds{{{own},host="{name}"}}', day.random.uniform(0, 9) if away is None else 6 + 10 * away)
    day.put(f"process_start_time_seconds{{{own}}}", -1e5)
    day.put(f"lapwing_site_objective_ratio{{{own}}}", 0.999)
    pair = f'{own},replica="web-02",primary="web-01",channel=""'
    lag = 0.3 + day.random.random() + (day.random.uniform(0, 8) if step in BACKUP else 0) + (14 if step % 2000 == 0 else 0)
    day.put(f'lapwing_replication_state{{{pair},state="healthy"}}', 1)
    day.put(f"lapwing_replication_lag_seconds{{{pair}}}", lag)
    day.put(f'lapwing_replication_expected{{{own},replica="web-02",primary="web-01"}}', 1)
    page = 'instance="site",agent="monitor",job="app",url="http://www.example.org/"'
    day.put(f"probe_success{{{page}}}", 1)
    day.put(f"probe_duration_seconds{{{page}}}", 0.15 + 0.2 * visitors(step) / 14 + (2.5 if step % 900 == 5 else 0) + day.random.uniform(0, 0.1))
    day.put(f"probe_ssl_earliest_cert_expiry{{{page}}}", 86400 * 60)
    day.count(f'lapwing_analysis_rounds_total{{{own},result="complete"}}', 1)


def input_series(day):
    return [{"series": name, "values": " ".join(f"{value:.9g}" for value in values[:STEPS])} for name, values in day.series.items()]


def fired(day, folder):
    """The alerts that fired at any time of the day, as promtool evaluates the rules."""
    tests = {"rule_files": [str(path) for path in RULES], "evaluation_interval": f"{STEP_S}s",
             "tests": [{"interval": f"{STEP_S}s", "input_series": input_series(day),
                        "promql_expr_test": [{"expr": 'count_over_time(ALERTS{alertstate="firing"}[24h])', "eval_time": f"{(STEPS - 1) * STEP_S}s", "exp_samples": []}]}]}
    file = folder / "day.test.yml"
    file.write_text(json.dumps(tests), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=3000)
    return done.returncode, done.stdout + done.stderr


def a_day(seed):
    day = Day(seed)
    for step in range(STEPS):
        balancer(day, step)
        for name in ("web-01", "web-02"):
            server(day, step, name)
        monitor(day, step)
    return day


def test_no_alert_fires_over_a_healthy_day(tmp_path):
    code, output = fired(a_day(1), tmp_path)
    assert code == 0, output[-3000:]


def test_the_same_day_with_a_fault_has_its_alert(tmp_path):
    """The day would show an alert if there was one: a quarter of the requests to web-02 fails for two minutes."""
    day = a_day(1)
    name = next(each for each in day.series if each.startswith("haproxy_server_http_responses_total") and 'server="web-02"' in each and "5xx" in each)
    failures = day.series[name]
    for step in range(12 * 360, STEPS):
        failures[step] += 30 * min(12, step - 12 * 360)
    code, output = fired(day, tmp_path)
    assert code != 0 and 'alertname="ServerErrors"' in output, output[-3000:]
