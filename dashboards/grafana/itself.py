"""Lapwing itself: do the agents deliver, does the collector store, judge and tell."""

from .model import GREEN, RED, Dashboard, Query, Series, Stat, Steps, Table, bad_below, bad_from
from .parts import MARKS, probes

DELIVERY = Stat(
    "Time since the last delivery",
    (
        "How long ago each agent's last samples came. Good: seconds. Bad: from a minute on: nothing is known of that host, though its "
        "graphs may look calm."
    ),
    (Query("max by (host) (lapwing_agent_last_seen_seconds)", "{{host}}"),),
    "s",
    width=10,
    steps=bad_from(15, 60),
)

VERSIONS = Stat(
    "Versions",
    (
        "The versions of the collector and of the agents. Good: one version; agents of the one before are accepted, too. Bad: an agent "
        "that is two versions behind is refused."
    ),
    (
        Query("max by (version) (lapwing_collector_info)", "collector {{version}}"),
        Query("count by (version) (lapwing_agent_info)", "agents {{version}}"),
    ),
    width=4,
    names_only=True,
)

RULES = Stat(
    "Rules that fail",
    "How many rules could not be evaluated at their last turn. Good: 0. Bad: their alerts cannot fire. No number: no rules are loaded.",
    (Query("count(lapwing_rule_failing == 1) or 0 * (count(lapwing_rule_evaluations_total) > 0)", "rules"),),
    width=4,
    steps=Steps(GREEN, ((1, RED),)),
)

SPACE = Stat(
    "The collector's disk",
    "The free share of the file system that holds the data. Good: above 20 %. Bad: below 10 %: soon nothing can be stored.",
    (Query("min by (instance) (lapwing_collector_data_avail_bytes / (lapwing_collector_data_size_bytes > 0))", "{{instance}}"),),
    "percentunit",
    width=6,
    steps=bad_below(0.1, 0.2),
)

REASONS = Table(
    "Why probes fail",
    (
        "The kind of failure of each probe that fails now. Good: no row. refused: nothing listens. timeout: it hangs. denied: the agent "
        "lacks a right. lapwing-agent status on the host says why. Bad: each row."
    ),
    (Query("max by (instance, job, reason) (lapwing_probe_failure)"),),
    width=12,
    none="no failure is known",
    columns={"instance": "Host", "job": "Probe", "reason": "Reason"},
    host="instance",
)

DURATION = Series(
    "Time of the probes",
    "How long each probe takes. Good: below 1 s. Bad: near 4 s, its deadline: what it reads hangs.",
    (Query("max by (instance, job) (scrape_duration_seconds)", "{{instance}} {{job}}"),),
    "s",
    8,
    line=Steps("transparent", ((4, RED),)),
)

SPOOL = Series(
    "Samples that wait at agents",
    (
        "Samples in each agent's spool. Good: up to some thousand, and steady. Bad: it grows: the agent does not reach the collector; "
        "nothing is lost yet."
    ),
    (Query("max by (instance) (lapwing_agent_spool_samples)", "{{instance}}"),),
    "short",
    8,
    host="instance",
)

LOST = Series(
    "Samples lost by agents",
    "Samples that agents gave up within the last hour, by reason. Good: 0. Bad: any: these measurements will never come.",
    (Query("max by (instance, reason) (increase(lapwing_agent_samples_dropped_total[1h]))", "{{instance}} {{reason}}"),),
    "short",
    8,
)

CLOCKS = Series(
    "Clocks",
    (
        "How far the clock of each host is ahead of the site's time. Good: below 1 s. Bad: above a minute: logs and graphs of that host "
        "lie about when."
    ),
    (
        Query("max by (host) (lapwing_agent_clock_ahead_seconds)", "{{host}}"),
        Query("max by (instance) (lapwing_collector_clock_ahead_seconds)", "collector on {{instance}}"),
    ),
    "s",
    8,
    negative=True,
)

STORED = Series(
    "Samples stored and refused",
    (
        "Samples per second that the collector stores, and that it refuses. Good: refused is 0. Bad: refused samples: the log of the "
        "collector names the sender."
    ),
    (
        Query("max by (instance) (rate(lapwing_collector_samples_stored_total[$__rate_interval]))", "{{instance}} stored"),
        Query("max by (instance) (rate(lapwing_collector_samples_refused_total[$__rate_interval]))", "{{instance}} refused"),
    ),
    "short",
    8,
)

SERIES = Series(
    "Series by sender",
    (
        "How many series each sender has had within the last hour. Good: steady. Bad: one that grows without end: a label with ever new "
        "values."
    ),
    (Query("max by (instance, sender) (lapwing_collector_active_series)", "{{sender}}"),),
    "short",
    8,
)

DATABASE = Series(
    "Size of the store",
    "The database, and its write-ahead log. Good: it grows slowly, up to the retention. Bad: a log above 1 GB.",
    (
        Query("max by (instance) (lapwing_collector_db_bytes)", "{{instance}} database"),
        Query("max by (instance) (lapwing_collector_wal_bytes)", "{{instance}} log"),
    ),
    "bytes",
    8,
)

MEMORY = Series(
    "Memory of Lapwing",
    "The memory of each agent and of the collector. Good: steady; an agent has some 20 MB. Bad: it grows without end.",
    (Query('max by (instance, job) (process_resident_memory_bytes{job=~"agent|collector"})', "{{instance}} {{job}}"),),
    "bytes",
    8,
)

PROCESSOR = Series(
    "Processor time of Lapwing",
    "The share of one processor that each agent and the collector use. Good: below 5 %. Bad: above 20 %, for long.",
    (Query('max by (instance, job) (rate(process_cpu_seconds_total{job=~"agent|collector"}[$__rate_interval]))', "{{instance}} {{job}}"),),
    "percentunit",
    8,
)

EVALUATION = Series(
    "Time of the rules",
    "How long the last evaluation of each group of rules took. Good: milliseconds. Bad: near its interval (5 or 10 s): alerts come late.",
    (Query("max by (instance, rule_group) (lapwing_rule_group_duration_seconds)", "{{rule_group}}"),),
    "s",
    8,
)

ANALYSIS = Series(
    "Rounds of the analysis",
    "Rounds per minute, by result. Good: some 6 complete. Bad: unfinished or failed: findings stay as they were, and grow old.",
    (Query("60 * max by (instance, result) (rate(lapwing_analysis_rounds_total[$__rate_interval]))", "{{result}}"),),
    "none",
    8,
)

NOTIFICATIONS = Series(
    "Notifications",
    (
        "Notifications within the last hour, by receiver and result; and alerts that wait for a receiver. Good: accepted, and none that "
        "waits. Bad: failed or given_up: nobody is told."
    ),
    (
        Query("max by (instance, receiver, result) (increase(lapwing_notifications_total[1h]))", "{{receiver}} {{result}}"),
        Query("max by (instance, receiver) (lapwing_notification_alerts_waiting)", "{{receiver}} waits"),
    ),
    "none",
    8,
    none="No receiver is configured (notify), or no data.",
)

FORWARD = Series(
    "Forwarding: the oldest sample that waits",
    (
        "How long the oldest sample has waited for each destination. Good: below 10 s. Bad: above the line (5 min): the destination is "
        "away; nothing is lost for a day."
    ),
    (Query("max by (instance, destination) (lapwing_forward_lag_seconds)", "{{destination}}"),),
    "s",
    12,
    none="No destination is configured (forward), or no data.",
    line=Steps("transparent", ((300, RED),)),
)

CERTIFICATES = Series(
    "Certificates end in",
    (
        "The time until the certificates of the agents, of the collector and of its CA end. Good: weeks, and it jumps up again: agents "
        "renew by themselves. Bad: below three days."
    ),
    (
        Query(
            "min by (instance, certificate, host) (lapwing_collector_certificate_end_timestamp_seconds) - time()",
            "{{certificate}} {{host}}",
        ),
    ),
    "s",
    12,
)

BOARD = Dashboard(
    "lapwing-self",
    "itself",
    "Do the agents deliver? Does the collector store, judge and tell?",
    (
        (DELIVERY, VERSIONS, RULES, SPACE),
        (probes(12), REASONS),
        (DURATION, SPOOL, LOST),
        (CLOCKS, STORED, SERIES),
        (DATABASE, MEMORY, PROCESSOR),
        (EVALUATION, ANALYSIS, NOTIFICATIONS),
        (FORWARD, CERTIFICATES),
    ),
    marks=MARKS,
)
