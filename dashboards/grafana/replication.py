"""Replication: does the replica follow, how far is it behind, why, and what to do."""

from .model import BLUE, GREEN, GREY, ORANGE, RED, Dashboard, Query, Series, Stat, Steps, Table, Timeline, Words, bad_from
from .parts import MARKS, REPLICA, REPLICA_NAME, lag_now

CHANNEL_NAME = "{{instance}} {{channel_name}}"

STATE = Stat(
    "State",
    (
        "The verdict in one word. Good: ok, or delayed where you ordered a delay. lagging, at_risk: look now. Bad: broken. unknown is "
        "bad, too: the evidence is missing."
    ),
    (Query(f"max by ({REPLICA}, state) (lapwing_replication_state)", "{{replica}} of {{primary}} {{channel}}: {{state}}"),),
    width=6,
    names_only=True,
    colors={": (ok|delayed)$": GREEN, ": (lagging|at_risk)$": ORANGE, ": (broken|unknown)$": RED},
)

EVEN = Stat(
    "Even in",
    (
        "When the replica has caught up, at its present pace. A number that becomes smaller is good. No value: it does not catch up now, "
        "because it is even or because it stands. Bad: a number that grows."
    ),
    (Query(f"min by ({REPLICA}) (lapwing_replication_even_in_seconds)", REPLICA_NAME),),
    "s",
    none="does not catch up",
    width=6,
    steps=bad_from(300, 3600),
)

WRITABLE = Stat(
    "Who accepts writes",
    (
        "Whether each server accepts writes of ordinary accounts. Good: exactly one, the primary. Bad: two that are writable: their data "
        "part; or none: pages that write fail."
    ),
    (Query("max by (instance) (mysql_global_variables_read_only)", "{{instance}}"),),
    width=6,
    steps=Steps(BLUE, ((1, GREEN),)),
    words=Words({0: ("writable", BLUE), 1: ("read-only", GREEN), 2: ("read-only", GREEN), 3: ("read-only", GREEN)}),
)

ADVICE = Table(
    "What to do",
    (
        "For each replica that needs a hand: the cause in words, and the command to type. Good: no row. Bad: a row that stays after you "
        "have followed it."
    ),
    (Query(f"max by ({REPLICA}, cause, summary, next_step) (lapwing_replication_advice_info)"),),
    width=24,
    height=5,
    none="Nothing to do, or no data: see the state.",
    columns={
        "replica": "Replica",
        "primary": "Primary",
        "channel": "Channel",
        "cause": "Cause",
        "summary": "What is wrong",
        "next_step": "Next step",
    },
    widths={"replica": 110, "primary": 110, "channel": 90, "cause": 150},
    host="replica",
)

LAGS = Series(
    "Lag, by witness",
    (
        "The verdict beside what it is made of: the replica's own Seconds_Behind, and the age of the heartbeat that went through "
        "replication. Good: all near 0. Where they differ, trust the verdict: a server's own number is 0 or absent when its receiver "
        "stands. Bad: above the lines."
    ),
    (
        Query(f"max by ({REPLICA}) (lapwing_replication_lag_seconds)", REPLICA_NAME + " verdict"),
        Query("max by (instance, channel_name) (lapwing_mysql_replica_lag_seconds)", CHANNEL_NAME + " by the server"),
        Query(
            (
                "max by (instance, server_id) (lapwing_mysql_heartbeat_age_seconds) and on (instance) max by (instance) "
                "(lapwing_mysql_replica_configured) == 1"
            ),
            "{{instance}} heartbeat of server {{server_id}}",
        ),
    ),
    "s",
    12,
    line=Steps("transparent", ((10, ORANGE), (30, RED))),
)

CAUSE = Timeline(
    "Cause over time",
    (
        "Which cause the verdict named, and when. Good: healthy alone, all the time. The page docs/replication.md explains each cause. "
        "Bad: any other row."
    ),
    (Query(f"max by ({REPLICA}, cause) (lapwing_replication_cause)", REPLICA_NAME + ": {{cause}}"),),
    steps=Steps(ORANGE),
    colors={": healthy$": GREEN},
)

TRANSACTIONS = Series(
    "Transactions behind",
    "How many of the primary's transactions are not applied. Good: a few, back to 0 at once. Bad: it grows.",
    (Query(f"max by ({REPLICA}) (lapwing_replication_transactions_behind)", REPLICA_NAME),),
    "short",
    8,
)

BYTES = Series(
    "Bytes behind",
    "How much of the primary's binary log is not applied. Good: near 0. Bad: it grows: the replica is slower than the primary.",
    (Query(f"max by ({REPLICA}) (lapwing_replication_bytes_behind)", REPLICA_NAME),),
    "bytes",
    8,
)

PACE = Series(
    "Written and applied",
    (
        "Bytes of the binary log that each server writes per second, and that each replica receives and applies. Good: the lines lie on "
        "one another. Bad: received without applied (the applier stands), or written without received (the receiver stands)."
    ),
    (
        Query("max by (instance) (rate(lapwing_mysql_binlog_written_bytes_total[$__rate_interval]))", "{{instance}} writes"),
        Query(
            "max by (instance, channel_name) (rate(lapwing_mysql_replica_read_position_bytes[$__rate_interval]))",
            CHANNEL_NAME + " receives",
        ),
        Query(
            "max by (instance, channel_name) (rate(lapwing_mysql_replica_exec_position_bytes[$__rate_interval]))", CHANNEL_NAME + " applies"
        ),
    ),
    "Bps",
    8,
)

THREADS = Timeline(
    "Receiver and applier",
    (
        "The states of the receiver (io) and the applier (sql) of each replica. Good: running. Red: stopped; connecting: the receiver "
        "does not reach the primary. Bad: stopped: the replica stands."
    ),
    (
        Query(
            "max by (instance, channel_name, thread, state) (lapwing_mysql_replica_thread_state)", CHANNEL_NAME + " {{thread}}: {{state}}"
        ),
    ),
    steps=Steps(RED),
    colors={": running$": GREEN, ": connecting$": ORANGE, ": unknown$": GREY},
)

CONFIDENCE = Table(
    "How sure the verdict is",
    (
        "The confidence of each verdict, and the witness that the lag comes from. Good: confirmed. suspected or unknown: one end does not "
        "report, or the ends contradict each other. Bad: unknown for longer than a minute."
    ),
    (Query(f"max by ({REPLICA}, confidence, source) (lapwing_replication_confidence)"),),
    width=12,
    columns={"replica": "Replica", "primary": "Primary", "channel": "Channel", "confidence": "Confidence", "source": "Witness of the lag"},
    host="replica",
)

BLOCKED = Series(
    "Applier blocked",
    (
        "How long the applier has waited for a lock, and the connection that holds it. Good: no line. Bad: any line: end the blocker "
        "(KILL its id), or wait for its transaction."
    ),
    (
        Query(
            "max by (instance, channel_name, kind, blocker) (lapwing_mysql_applier_blocked_seconds)",
            CHANNEL_NAME + " {{kind}}, connection {{blocker}}",
        ),
    ),
    "s",
    8,
    none="no applier is known to be blocked",
)

ERRORS = Table(
    "Errors of the threads",
    (
        "The error on which a thread has stopped, by MySQL's number. Good: no row. What to do (above) and SHOW REPLICA STATUS have the"
        " text. Bad: each row: replication stands until somebody acts."
    ),
    (Query("max by (instance, channel_name, thread, errno) (lapwing_mysql_replica_error_info)"),),
    width=8,
    none="no error is known",
    columns={"instance": "Replica", "channel_name": "Channel", "thread": "Thread", "errno": "Error"},
    host="instance",
)

WAITS = Table(
    "Why a thread waits",
    "The server's own words while a thread waits. Good: no row. Bad: a row that stays.",
    (Query("max by (instance, channel_name, thread, reason, state) (lapwing_mysql_replica_wait_info)"),),
    width=8,
    none="no wait is known",
    columns={"instance": "Replica", "channel_name": "Channel", "thread": "Thread", "reason": "Reason", "state": "The server says"},
    host="instance",
)

HEARTBEAT = Series(
    "Age of the heartbeat",
    (
        "How old the newest heartbeat in each server's table is. Good: below two seconds on every server. Old on the primary: nobody "
        "writes it. Old on the replica alone: it lags. Bad: above ten seconds."
    ),
    (Query("max by (instance, server_id) (lapwing_mysql_heartbeat_age_seconds)", "{{instance}}, written by server {{server_id}}"),),
    "s",
    12,
)

WRITER = Timeline(
    "Who writes the heartbeat",
    "Good: exactly one server, the primary. None: lag is judged by the other witnesses alone. Bad: two.",
    (Query("max by (instance) (lapwing_mysql_heartbeat_writing)", "{{instance}}"),),
    width=12,
    steps=Steps(GREY, ((1, GREEN),)),
    words=Words({0: ("does not write", GREY), 1: ("writes", GREEN)}),
    host="instance",
)

READERS = Series(
    "Connections that read the binary log",
    (
        "Replicas, and copies of the log, that are connected to each server. Good: one for each replica on the primary. Bad: 0 on the "
        "primary: no replica is connected."
    ),
    (Query("max by (instance) (lapwing_mysql_dump_threads)", "{{instance}}"),),
    "none",
    8,
)

SEMI_SYNC = Timeline(
    "Semi-synchronous replication",
    (
        "Whether commits wait for the replica. Good: what you have configured, without a change. active turns to off by itself when the "
        "replica does not answer in time: then a crash of the primary may lose commits. No row: the server lacks the plugin. Bad: off "
        "where you have configured it."
    ),
    (Query("max by (instance, role) (lapwing_mysql_semi_sync)", "{{instance}} as {{role}}"),),
    width=8,
    steps=Steps(GREY, ((1, GREEN),)),
    words=Words({0: ("off", GREY), 1: ("active", GREEN)}),
    host="instance",
)

CLOCKS = Series(
    "Clocks of the hosts",
    (
        "How far each host's clock is from the collector's. Good: below 0.1 s. Bad: seconds: every lag that compares two clocks is then "
        "wrong by as much, and the verdict says clock_skew."
    ),
    (Query("max by (instance) (lapwing_clock_offset_seconds)", "{{instance}}"),),
    "s",
    8,
    negative=True,
)

BOARD = Dashboard(
    "lapwing-replication",
    "replication",
    "Does the replica follow? How far is it behind, why, and what is to be done?",
    (
        (lag_now(6), STATE, EVEN, WRITABLE),
        (ADVICE,),
        (LAGS, CAUSE),
        (TRANSACTIONS, BYTES, PACE),
        (THREADS, CONFIDENCE),
        (BLOCKED, ERRORS, WAITS),
        (HEARTBEAT, WRITER),
        (READERS, SEMI_SYNC, CLOCKS),
    ),
    marks=MARKS,
)
