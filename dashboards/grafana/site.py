"""Site: is it up, what is wrong now, how many requests, errors, how slow."""

from .model import GREEN, ORANGE, RED, Bars, Dashboard, Query, Series, Stat, Steps, Table, bad_from
from .parts import (
    DISKS,
    LAG,
    MARKS,
    REPLICA_NAME,
    RULES_RUN,
    SEVERITIES,
    TITLES,
    busy,
    counted,
    entry,
    failed_by_server,
    failed_share,
    findings_count,
    findings_now,
    lag_now,
    memory,
    probes,
    requests,
    server_times,
    servers,
    services,
)

ALERT_LABELS = "severity, alertname, instance, id, subject, channel, proxy, server, url, mountpoint"

ALERTS_COUNT = Stat(
    "Alerts firing",
    "Alerts that fire now. Good: 0. No number: the collector does not evaluate its rules, so nothing is known. Bad: from 1 critical on.",
    (
        Query(counted('ALERTS{alertstate="firing",severity="critical"}', RULES_RUN), "critical"),
        Query(counted('ALERTS{alertstate="firing",severity!="critical"}', RULES_RUN), "others"),
    ),
    width=4,
    steps=Steps(GREEN, ((1, RED),)),
    mild="^others$",
)

ALERTS = Table(
    "Alerts firing now",
    (
        "What is broken, and where. Good: no row. The notification of each alert, and the collector's page, say what to do next. Bad: "
        "each row, critical above all."
    ),
    (Query(f'max by ({ALERT_LABELS}) (ALERTS{{alertstate="firing"}})'),),
    width=12,
    height=9,
    none="No alert fires, or no data: see Alerts firing.",
    columns={
        "severity": "Severity",
        "alertname": "Alert",
        "instance": "Host",
        "id": "Finding",
        "subject": "Subject",
        "channel": "Channel",
        "proxy": "Proxy",
        "server": "Server",
        "url": "URL",
        "mountpoint": "Disk",
    },
    words={"id": TITLES, "severity": SEVERITIES},
    widths={"severity": 90},
    sort="severity",
    host="instance",
)

SLOW = Series(
    "Time of a page",
    (
        "How long the agents' requests to the site's entry and to each application take, on average of a minute. Good: far below the line "
        "(1 s). No line: the request fails, see Site entry. Bad: above the line for longer than a moment."
    ),
    (Query("max by (instance, url) (instance_url:probe_duration_seconds:avg1m)", "{{instance}} {{url}}"),),
    "s",
    8,
    line=Steps("transparent", ((1, RED),)),
)

LAG_OVER_TIME = Series(
    "Replica lag over time",
    (
        "The verdict on the age of the replica's data, and its cause. Good: near 0, cause healthy. A gap: the lag is unknown, which is "
        "bad; the dashboard Replication shows why."
    ),
    (Query(LAG, REPLICA_NAME + ": {{cause}}"),),
    "s",
    12,
    line=Steps("transparent", ((10, ORANGE), (30, RED))),
)

BUDGET = Series(
    "Error budget",
    (
        "How fast the errors that site.objective allows for a month are used up, by the requests of the last hour. Good: below 1. At 1 "
        "the month's errors last exactly a month. Bad: above the line (14.4): they last two days."
    ),
    (
        Query(
            (
                "max by (instance, proxy) (instance_proxy:haproxy_frontend_failures:ratio_rate1h / on () group_left () (1 - "
                "max(lapwing_site_objective_ratio)))"
            ),
            "{{proxy}} ({{instance}})",
        ),
    ),
    "none",
    12,
    line=Steps("transparent", ((14.4, RED),)),
)

DISKS_USED = Bars(
    "Disks",
    "The used share of each file system. Good: below 90 %. Bad: red: programs that cannot write stop working.",
    (
        Query(
            f"max by (instance, mountpoint) (1 - node_filesystem_avail_bytes{{{DISKS}}} / (node_filesystem_size_bytes > 0))",
            "{{instance}} {{mountpoint}}",
        ),
    ),
    "percentunit",
    8,
    steps=bad_from(0.9, 0.97),
)

BOARD = Dashboard(
    "lapwing-overview",
    "site",
    "Is the site up? What is wrong now? How many requests, how many errors, how slow?",
    (
        (entry(3), services(7), ALERTS_COUNT, findings_count(4), lag_now(6)),
        (ALERTS, findings_now(12, 9)),
        (requests(8), failed_share(8), SLOW),
        (failed_by_server(12), server_times(12)),
        (LAG_OVER_TIME, BUDGET),
        (probes(12), servers(12)),
        (busy(8, ""), memory(8, ""), DISKS_USED),
    ),
    marks=MARKS,
)
