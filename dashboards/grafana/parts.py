"""What several dashboards share: expressions, words, marks, and the titles of findings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Optional, Tuple, Union

from .model import BLUE, GREEN, GREY, ORANGE, RED, Mark, Query, Series, Stat, Steps, Table, Timeline, UP_DOWN, Words, bad_from

HOST = 'instance=~"$instance"'
DISKS = 'fstype!~"tmpfs|ramfs|squashfs|iso9660"'
DEVICES = 'device!~"loop.*|ram.*|zram.*|sr.*|fd.*"'
REPLICA = "replica, primary, channel"
REPLICA_NAME = "{{replica}} {{channel}}"


def finding_titles() -> Dict[Union[int, str], Tuple[str, Optional[str]]]:
    """{id: "id: title"} from the first line of each page in docs/findings."""
    titles: Dict[Union[int, str], Tuple[str, Optional[str]]] = {}
    pages = sorted((Path(__file__).resolve().parents[2] / "docs/findings").glob("*.md"))
    for page in pages:
        line = page.read_text(encoding="utf-8").splitlines()[0]
        match = re.fullmatch(r"# ([A-Z]\d+): (.+)", line)
        if match is None or match[1] != page.stem:
            raise ValueError(f"{page}: the first line is not `# {page.stem}: title`")
        titles[page.stem] = (f"{page.stem}: {match[2]}", None)
    if not titles:
        raise ValueError("docs/findings has no page")
    return titles


TITLES = Words(finding_titles())
SEVERITIES = Words(
    {
        "critical": ("critical", RED),
        "high": ("high", RED),
        "medium": ("medium", ORANGE),
        "warning": ("warning", ORANGE),
        "low": ("low", BLUE),
        "info": ("info", GREY),
    }
)

# Each mark lasts while its expression has a value. A restart resets the counters that it began with.
MARKS = (
    Mark(
        "Alerts",
        RED,
        'max by (alertname, instance, severity) (ALERTS{alertstate="firing"})',
        "{{alertname}}",
        "{{instance}} ({{severity}})",
    ),
    Mark(
        "New findings",
        ORANGE,
        (
            "max by (id, subject, severity) (lapwing_finding) unless max by (id, subject, severity) (max_over_time(lapwing_finding[1h] "
            "offset 1m))"
        ),
        "Finding {{id}}",
        "{{subject}} ({{severity}})",
    ),
    Mark(
        "Restarts",
        BLUE,
        (
            'label_replace(max by (instance) (resets(node_forks_total[5m])) > 0, "program", "host", "", "") or '
            'label_replace(max by (instance) (resets(mysql_global_status_uptime[5m])) > 0, "program", "database", "", "") or '
            'label_replace(max by (instance) (resets(nginx_connections_accepted[5m])) > 0, "program", "Nginx", "", "") or '
            'label_replace(max by (instance) (resets(haproxy_frontend_connections_total[5m])) > 0, "program", "HAProxy", "", "") or '
            'label_replace(max by (instance, job) (resets(process_cpu_seconds_total{job=~"agent|collector"}[5m])) > 0, "program", "$1", '
            '"job", "(.+)")'
        ),
        "Restart of {{program}}",
        "on {{instance}}, within the last five minutes",
    ),
    Mark(
        "Role switches",
        "purple",
        (
            "max by (instance) (changes(lapwing_mysql_replica_configured[5m])) > 0 or max by (instance) "
            "(changes(mysql_global_variables_read_only[5m])) > 0 or max by (instance, ip_address) (changes(keepalived_vrrp_state[5m])) > 0"
        ),
        "Role switch",
        "{{instance}} {{ip_address}}: replication, read-only or the moving address, within the last five minutes",
    ),
)


def counted(what: str, known: str) -> str:
    """The number of series. 0 only while `known` has a value: without data there is no number."""
    return f"count({what}) or 0 * ({known})"


# The rules are evaluated, and the analysis has ended a round: "none" is then a fact.
RULES_RUN = "count(lapwing_rule_evaluations_total) > 0"
ANALYSED = 'sum(increase(lapwing_analysis_rounds_total{result="complete"}[5m])) > 0'

NOT_ACCEPTED = "unless max by (id, subject) (lapwing_finding_accepted_until_timestamp_seconds)"

LAG = (
    f"max by ({REPLICA}, cause) (lapwing_replication_cause) * on ({REPLICA}) group_left () "
    f"max by ({REPLICA}) (lapwing_replication_lag_seconds)"
)


def lag_now(width: int) -> Stat:
    return Stat(
        "Replica lag",
        (
            "How old the replica's data are, by Lapwing's verdict from both ends, with the cause. Good: below 10 s, cause healthy. "
            'Bad: from 30 s on, or any other cause. "unknown" means that the lag cannot be proven: treat it as bad.'
        ),
        (Query(f"{LAG} or on ({REPLICA}) -1 * max by ({REPLICA}, cause) (lapwing_replication_cause)", REPLICA_NAME + ": {{cause}}"),),
        "s",
        width,
        steps=Steps(RED, ((0, GREEN), (10, ORANGE), (30, RED))),
        words=Words({-1: ("unknown", RED)}),
        none="unknown",
    )


def findings_now(width: int, height: int) -> Table:
    return Table(
        "Findings",
        (
            "Everything that is wrong or at risk now, worst first. Good: no row of severity critical or high. Confidence unknown: it "
            "stood before, and cannot be judged now. The collector's page has the evidence and the remedy of each. Bad: a row of severity "
            "critical or high."
        ),
        (
            Query(
                " or ".join(
                    f'{order} * max by (id, subject, severity, confidence) (lapwing_finding{{severity="{severity}"}})'
                    for order, severity in enumerate(("critical", "high", "medium", "low", "info"), 1)
                )
            ),
        ),
        width=width,
        height=height,
        none="No finding, or no data: see Number of findings.",
        columns={"severity": "Severity", "id": "Finding", "subject": "Where", "confidence": "Confidence"},
        value="Order",
        words={"id": TITLES, "severity": SEVERITIES},
        widths={"severity": 90, "confidence": 110, "Value": 70},
        sort="Value",
    )


def findings_count(width: int) -> Stat:
    return Stat(
        "Number of findings",
        (
            "Faults and risks that stand now and are not accepted. Good: 0 critical and high. No number: the analysis has not ended a round for five minutes. "
            "Bad: from 1 critical or high on."
        ),
        (
            Query(counted(f'max by (id, subject) (lapwing_finding{{severity=~"critical|high"}}) {NOT_ACCEPTED}', ANALYSED), "critical and high"),
            Query(counted(f'max by (id, subject) (lapwing_finding{{severity!~"critical|high"}}) {NOT_ACCEPTED}', ANALYSED), "others"),
        ),
        width=width,
        steps=Steps(GREEN, ((1, RED),)),
        mild="^others$",
    )


def services(width: int) -> Stat:
    return Stat(
        "What works",
        (
            "Whether visitors can read and write, whether the replica follows, and whether the site is watched. Good: works. unknown: "
            "Lapwing lacks the evidence; look which agent or probe is silent. Bad: FAILS."
        ),
        (
            Query(
                "min by (service) (lapwing_topology_service_works) or -1 * max by (service) (lapwing_topology_cut_set_info)", "{{service}}"
            ),
        ),
        width=width,
        steps=Steps(ORANGE, ((0, RED), (1, GREEN))),
        words=Words({-1: ("unknown", ORANGE), 0: ("FAILS", RED), 1: ("works", GREEN)}),
        none="unknown",
    )


def entry(width: int) -> Stat:
    return Stat(
        "Site entry",
        (
            "Whether an agent's request to the site's entry address succeeds, as a visitor's would. Good: up. "
            '"no data": no agent requests the entry (probes.app with instance: site). Bad: down: visitors get no page.'
        ),
        (Query('max by (instance, url) (probe_success{job="app",instance="site"})', "{{url}}"),),
        width=width,
        steps=Steps(RED, ((1, GREEN),)),
        words=UP_DOWN,
    )


def probes(width: int) -> Timeline:
    return Timeline(
        "Probes",
        (
            "What each agent could read. Good: green. Red: the program or its status did not answer; the dashboard Lapwing itself has the "
            "reason. A gap: nobody reported, so nothing is known. Bad: red for longer than a restart takes."
        ),
        (Query("max by (job, instance) (up)", "{{instance}} {{job}}"),),
        width=width,
        steps=Steps(RED, ((1, GREEN),)),
        words=UP_DOWN,
        host="instance",
    )


SERVER_STATES = Words({0: ("down", RED), 1: ("up", GREEN), 2: ("draining", ORANGE), 3: ("maintenance", BLUE), 4: ("no balancing", ORANGE)})


def servers(width: int) -> Timeline:
    status = "max by (instance, proxy, server) (haproxy_server_status"
    parts = [f'{number} * {status}{{state="{state}"}} == 1)' for number, state in ((1, "UP"), (2, "DRAIN"), (3, "MAINT"), (4, "NOLB"))]
    parts.append(f'0 * {status}{{state="UP"}})')
    return Timeline(
        "Servers behind the load balancer",
        (
            "The state of each server by HAProxy's checks. Good: up. Red: HAProxy sends nobody there, and the others carry its load. Bad:"
            " all of a backend are down: visitors get 503."
        ),
        (Query(" or ".join(parts), "{{proxy}}/{{server}} ({{instance}})"),),
        width=width,
        steps=Steps(RED, ((1, GREEN),)),
        words=SERVER_STATES,
    )


def requests(width: int) -> Series:
    return Series(
        "Requests",
        (
            "HTTP requests of visitors per second, by frontend of HAProxy. Good: the usual shape of the day. A sudden fall to 0 is bad "
            "even if nothing is red: visitors do not arrive."
        ),
        (Query("max by (instance, proxy) (rate(haproxy_frontend_http_requests_total[$__rate_interval]))", "{{proxy}} ({{instance}})"),),
        "reqps",
        width,
    )


def failed_by_server(width: int) -> Series:
    return Series(
        "Failed requests by server",
        (
            "The share of the requests to a server that fail: answers 5xx, and connections that fail or break. Good: 0. Bad: above the "
            "line (5 %), and much more than the other server has."
        ),
        (
            Query(
                "max by (instance, proxy, server) (instance_proxy_server:haproxy_server_failures:ratio_rate1m)",
                "{{proxy}}/{{server}} ({{instance}})",
            ),
        ),
        "percentunit",
        width,
        line=Steps("transparent", ((0.05, RED),)),
    )


def server_times(width: int) -> Series:
    return Series(
        "Time until servers answer",
        (
            "The mean time of the last minute from HAProxy's request to the first byte of the answer. Good: far below the line (1 s) and "
            "alike for all servers. No line: fewer than six requests a minute, too few for a mean. Bad: above the line, or one server far "
            "above the other."
        ),
        (
            Query(
                "max by (instance, proxy, server) (instance_proxy_server:haproxy_server_response_time_seconds:mean1m)",
                "{{proxy}}/{{server}} ({{instance}})",
            ),
        ),
        "s",
        width,
        line=Steps("transparent", ((1, RED),)),
    )


def failed_share(width: int) -> Series:
    return Series(
        "Failed requests",
        (
            "The share of the visitors' requests of the last five minutes that HAProxy answered with 5xx, by frontend. Good: 0, or "
            'below the share that site.objective allows (the line "allowed"). Bad: above the share that is allowed.'
        ),
        (
            Query("max by (instance, proxy) (instance_proxy:haproxy_frontend_failures:ratio_rate5m)", "{{proxy}} ({{instance}})"),
            Query("max by (instance) (1 - lapwing_site_objective_ratio)", "allowed ({{instance}})"),
        ),
        "percentunit",
        width,
        colors={"^allowed": RED},
    )


def busy(width: int, where: str) -> Series:
    return Series(
        "Processors",
        "The share of the processors' time in use. Good: below 80 %. Bad: near 100 % for minutes: everything on the host waits.",
        (
            Query(
                f'1 - avg by (instance) (max by (instance, cpu) (rate(node_cpu_seconds_total{{mode="idle",{where}}}[$__rate_interval])))',
                "{{instance}}",
            ),
        ),
        "percentunit",
        width,
        top=1,
        host="instance",
        line=Steps("transparent", ((0.95, RED),)),
    )


def memory(width: int, where: str) -> Series:
    return Series(
        "Memory in use",
        (
            "The share of the memory that programs hold and cannot give back. Good: below 90 %. Bad: above the line (95 %): the kernel "
            "soon kills the largest program, often the database."
        ),
        (
            Query(
                f"max by (instance) (1 - node_memory_MemAvailable_bytes{{{where}}} / (node_memory_MemTotal_bytes{{{where}}} > 0))",
                "{{instance}}",
            ),
        ),
        "percentunit",
        width,
        top=1,
        host="instance",
        line=Steps("transparent", ((0.95, RED),)),
    )
