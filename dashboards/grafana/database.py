"""Database: does MySQL or MariaDB answer, how much does it do, what waits, what is nearly full."""

from .model import BLUE, GREEN, ORANGE, RED, Bars, Dashboard, Query, Series, Stat, Steps, Table, UP_DOWN, Words, bad_from
from .parts import HOST, MARKS


def status(name: str) -> str:
    return f"max by (instance) (mysql_global_status_{name}{{{HOST}}})"


def pace(name: str) -> str:
    return f"max by (instance) (rate(mysql_global_status_{name}{{{HOST}}}[$__rate_interval]))"


ALIVE = Stat(
    "Server",
    (
        "Whether the server answers the agent. Good: up. A server that answers and refuses the agent counts as down here; the table below "
        "has its reason. Bad: down."
    ),
    (Query(f"max by (instance) (mysql_up{{{HOST}}})", "{{instance}}"),),
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    width=5,
)

ROLE = Stat(
    "Accepts writes",
    "Good: the primary is writable, every replica is read-only. Bad: a primary that is read-only: pages that write fail.",
    (Query(f"max by (instance) (mysql_global_variables_read_only{{{HOST}}})", "{{instance}}"),),
    steps=Steps(BLUE, ((1, GREEN),)),
    words=Words({0: ("writable", BLUE), 1: ("read-only", GREEN), 2: ("read-only", GREEN), 3: ("read-only", GREEN)}),
    width=5,
)

UPTIME = Stat(
    "Runs for",
    "How long the server has run. Good: as long as you think. Bad: minutes, if nobody restarted it: it crashed.",
    (Query(status("uptime"), "{{instance}}"),),
    "s",
    steps=Steps(ORANGE, ((3600, GREEN),)),
    width=5,
)

VERSION = Stat(
    "Version",
    (
        "The version of each server. Good: the same everywhere; during an upgrade the replica's may be newer, never the primary's. Bad: a "
        "primary that is newer than its replica: it may stop."
    ),
    (Query(f"max by (instance, version) (mysql_version_info{{{HOST}}})", "{{instance}} {{version}}"),),
    steps=Steps(BLUE),
    names_only=True,
    width=9,
)

CONNECTIONS = Bars(
    "Connections in use",
    "The share of max_connections in use. Good: below 70 %. Bad: from 85 % on: at 100 % the application gets error 1040.",
    (
        Query(
            (
                f"max by (instance) (mysql_global_status_threads_connected{{{HOST}}}) / (max by (instance) "
                f"(mysql_global_variables_max_connections{{{HOST}}}) > 0)"
            ),
            "{{instance}}",
        ),
    ),
    "percentunit",
    8,
    steps=bad_from(0.7, 0.85),
)

THREADS = Series(
    "Connections",
    (
        "connected: open connections. running: those that execute a statement now. Good: running is about the number of processors, or "
        "less. Bad: running climbs: statements wait for one another."
    ),
    (Query(status("threads_connected"), "{{instance}} connected"), Query(status("threads_running"), "{{instance}} running")),
    "none",
    8,
)

QUERIES = Series(
    "Statements",
    (
        "Statements per second. Good: the usual shape. A fall to 0 on the primary: the application does not reach it. Bad: a jump without "
        "more requests."
    ),
    (Query(pace("queries"), "{{instance}}"),),
    "ops",
    8,
    host="instance",
)

KINDS = Series(
    "Statements by kind",
    "Reads, writes and ends of transactions per second. Good: writes on the primary alone. Bad: many rollbacks.",
    (
        Query(
            (
                "max by (instance, command) (rate(mysql_global_status_commands_total"
                f'{{command=~"select|insert|update|delete|replace|commit|rollback",{HOST}}}[$__rate_interval]))'
            ),
            "{{instance}} {{command}}",
        ),
    ),
    "ops",
    8,
)

SLOW = Series(
    "Slow statements",
    "Statements per second that take longer than long_query_time. Good: 0 or few. Bad: a jump: the slow log names them.",
    (Query(pace("slow_queries"), "{{instance}}"),),
    "ops",
    8,
    host="instance",
)

SCANS = Series(
    "Reads without an index",
    (
        "Statements per second that read a whole table, alone (scan) or in a join (join). Good: few, and small tables. Bad: joins that "
        "climb with the traffic."
    ),
    (Query(pace("select_scan"), "{{instance}} scan"), Query(pace("select_full_join"), "{{instance}} join")),
    "ops",
    8,
)

LOCKS = Series(
    "Transactions that wait for row locks",
    "How many wait now. Good: 0. Bad: more than 2 for longer than a moment: another transaction holds the rows.",
    (Query(status("innodb_row_lock_current_waits"), "{{instance}}"),),
    "none",
    8,
    line=Steps("transparent", ((2, RED),)),
    host="instance",
)

LONGEST = Series(
    "The oldest transaction",
    (
        "How long the oldest open transaction has run. Good: seconds. Bad: minutes: it keeps locks, and old rows, for everybody. "
        '"no data": the agent lacks the privilege PROCESS.'
    ),
    (Query(f"max by (instance) (lapwing_mysql_longest_transaction_seconds{{{HOST}}})", "{{instance}}"),),
    "s",
    8,
    host="instance",
)

WAITING = Series(
    "Statements that cannot finish",
    (
        "How long statements have waited for a replica's acknowledgement, a lock or the disk. Good: no line. Bad: any line: pages that "
        "write hang."
    ),
    (
        Query(
            f"max by (instance, reason, state, who) (lapwing_mysql_waiting_seconds{{{HOST}}})",
            "{{instance}} {{reason}}: {{state}} ({{who}})",
        ),
    ),
    "s",
    8,
    none="no statement is known to wait",
)

HITS = Series(
    "Reads from memory",
    (
        "The share of InnoDB's reads that need no disk. Good: above 99 %. Bad: it falls and stays low: the buffer pool is too small for "
        "what is read."
    ),
    (Query(f"1 - {pace('innodb_buffer_pool_reads')} / ({pace('innodb_buffer_pool_read_requests')} > 0)", "{{instance}}"),),
    "percentunit",
    8,
    top=1,
    host="instance",
)

POOL = Series(
    "Buffer pool",
    (
        "The share of the buffer pool that holds data, and that is changed and not written yet. Good: full of data, few changes. Bad: "
        "changes near 90 %: the disk is too slow."
    ),
    (
        Query(
            (
                f"{status('innodb_buffer_pool_bytes_data')} / (max by (instance) (mysql_global_variables_innodb_buffer_pool_size{{{HOST}}})"
                " > 0)"
            ),
            "{{instance}} data",
        ),
        Query(
            (
                f"{status('innodb_buffer_pool_bytes_dirty')} / (max by (instance)"
                f" (mysql_global_variables_innodb_buffer_pool_size{{{HOST}}}) > 0)"
            ),
            "{{instance}} changed",
        ),
    ),
    "percentunit",
    8,
    top=1,
)

DISK = Series(
    "InnoDB and the disk",
    (
        "Bytes per second that InnoDB reads from and writes to its files. Good: the usual shape. Reads that climb: the buffer pool is too "
        "small. Bad: a flat top: the disk is at its end."
    ),
    (Query(pace("innodb_data_read"), "{{instance}} reads"), Query(pace("innodb_data_written"), "{{instance}} writes")),
    "Bps",
    8,
)

HISTORY = Series(
    "History list",
    (
        "Old versions of rows that are not removed yet. Good: up to some thousands. Bad: it grows for hours: an old transaction stops the "
        "purge, and reads become slow."
    ),
    (Query(status("innodb_history_list_length"), "{{instance}}"),),
    "short",
    8,
    host="instance",
)

TEMPORARY = Series(
    "Temporary tables on disk",
    "Per second. Good: few. Bad: many: statements sort or group more than fits into tmp_table_size.",
    (Query(pace("created_tmp_disk_tables"), "{{instance}}"),),
    "ops",
    8,
    host="instance",
)

ERRORS = Series(
    "Failed connections",
    "Per second: connects that fail (a wrong password, the limit), and clients that go without a word. Good: 0. Bad: a steady stream.",
    (
        Query(pace("aborted_connects"), "{{instance}} fail"),
        Query(pace("aborted_clients"), "{{instance}} go"),
        Query(
            f'max by (instance) (rate(mysql_global_status_connection_errors_total{{error="max_connections",{HOST}}}[$__rate_interval]))',
            "{{instance}} refused at the limit",
        ),
    ),
    "ops",
    8,
)

REFUSES = Table(
    "Why the server refuses the agent",
    (
        "The server's error while it answers and refuses the agent. Good: no row. too_many_connections: the application is refused, too. "
        "Bad: each row."
    ),
    (Query(f"max by (instance, errno, reason) (lapwing_mysql_refused_info{{{HOST}}})"),),
    width=24,
    height=5,
    none="no refusal is known",
    columns={"instance": "Host", "errno": "Error", "reason": "Reason"},
    host="instance",
)

BOARD = Dashboard(
    "lapwing-database",
    "database",
    "Does the database answer? How much does it do, what waits, and what is nearly full?",
    (
        (ALIVE, ROLE, UPTIME, VERSION),
        (CONNECTIONS, THREADS, QUERIES),
        (KINDS, SLOW, SCANS),
        (LOCKS, LONGEST, WAITING),
        (HITS, POOL, DISK),
        (HISTORY, TEMPORARY, ERRORS),
        (REFUSES,),
    ),
    hosts=True,
    marks=MARKS,
)
