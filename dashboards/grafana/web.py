"""Web and application: do Nginx and the application answer, with what, and how fast."""

from .model import GREEN, ORANGE, RED, Dashboard, Query, Series, Stat, Steps, Table, Timeline, UP_DOWN, bad_below
from .parts import HOST, MARKS

NAME = "{{instance}} {{url}}"
REQUEST = "instance, log, server_name, method, status"

ANSWERS = Stat(
    "The application answers",
    "Whether an agent's request to each URL gets the right answer. Good: up. Bad: down: its users get errors.",
    (Query(f'max by (instance, url) (probe_success{{job="app",{HOST}}})', NAME),),
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    width=8,
)

STATUS = Stat(
    "HTTP status",
    "The status of the last answer. Good: 200. Bad: from 400 on. No value: no answer came.",
    (Query(f"max by (instance, url) (probe_http_status_code{{{HOST}}})", NAME),),
    steps=Steps(GREEN, ((400, RED),)),
    width=6,
    decimals=0,
)

NGINX = Stat(
    "Nginx",
    "Whether Nginx answers the agent. Good: up. Bad: down.",
    (Query(f"max by (instance) (nginx_up{{{HOST}}})", "{{instance}}"),),
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    width=5,
)

CERTIFICATE = Stat(
    "Certificate ends in",
    (
        'The time until the first certificate of the chain ends. Good: more than three weeks. "no data": no URL that '
        "an agent requests uses https. Bad: less than a week: browsers soon warn of the site."
    ),
    (Query(f"min by (instance, url) (probe_ssl_earliest_cert_expiry{{{HOST}}}) - time()", NAME),),
    "s",
    steps=bad_below(7 * 86400, 21 * 86400),
    width=5,
)

TIME = Series(
    "Time of a page",
    "How long the agents' requests take. Good: far below the line (1 s), and steady. Bad: above the line for longer than a moment.",
    (Query(f'max by (instance, url) (probe_duration_seconds{{job="app",{HOST}}})', NAME),),
    "s",
    12,
    line=Steps("transparent", ((1, RED),)),
)

PHASES = Series(
    "Where the time goes",
    (
        "The parts of a request. Good: milliseconds each. What to look at when one grows: processing: the application and the database. "
        "connect: the network, or a full queue of connections. resolve: the name server. Bad: a part that takes a second."
    ),
    (Query(f'max by (instance, url, phase) (probe_http_duration_seconds{{job="app",{HOST}}})', NAME + " {{phase}}"),),
    "s",
    12,
)

FAILURES = Table(
    "Why requests fail",
    "The reason while a request of an agent fails. Good: no row. Bad: each row.",
    (Query(f"max by (instance, url, reason) (probe_failure_info{{{HOST}}})"),),
    width=8,
    none="no failure is known",
    columns={"instance": "Host", "url": "URL", "reason": "Reason"},
)

NGINX_REQUESTS = Series(
    "Requests to Nginx",
    (
        "Requests per second of each Nginx, those of agents and health checks included. Good: alike on servers of equal weight. Bad: one "
        "server far below the other."
    ),
    (Query(f"max by (instance) (rate(nginx_http_requests_total{{{HOST}}}[$__rate_interval]))", "{{instance}}"),),
    "reqps",
    8,
    host="instance",
)

CONNECTIONS = Series(
    "Connections of Nginx",
    (
        "Open connections: writing wait for an answer, waiting are idle. Good: writing is small. Bad: writing climbs: the application has "
        "become slow."
    ),
    (
        Query(f"max by (instance) (nginx_connections_writing{{{HOST}}})", "{{instance}} writing"),
        Query(f"max by (instance) (nginx_connections_waiting{{{HOST}}})", "{{instance}} waiting"),
        Query(f"max by (instance) (nginx_connections_reading{{{HOST}}})", "{{instance}} reading"),
    ),
    "none",
    8,
)

DROPPED = Series(
    "Connections that Nginx drops",
    "Accepted and not handled, per second. Good: 0. Bad: any: worker_connections, or the limit of open files, is reached.",
    (
        Query(
            (
                f"max by (instance) (rate(nginx_connections_accepted{{{HOST}}}[$__rate_interval])) - "
                "max by (instance) "
                f"(rate(nginx_connections_handled{{{HOST}}}[$__rate_interval]))"
            ),
            "{{instance}}",
        ),
    ),
    "none",
    8,
    host="instance",
)

STATUSES = Series(
    "Answers by status",
    "Answers per second in Nginx's access logs. Good: 2xx and 3xx. Bad: 5xx. 499: the visitor gave up before the answer came.",
    (
        Query(
            f"sum by (instance, status) (max by ({REQUEST}) (rate(nginx_http_response_count_total{{{HOST}}}[$__rate_interval])))",
            "{{instance}} {{status}}",
        ),
    ),
    "reqps",
    8,
    colors={" 5..$": RED, " 4..$": ORANGE},
)

# Where a log has no 5xx yet, its share is 0 of its requests.
_ALL = f"sum by (instance) (max by ({REQUEST}) (rate(nginx_http_response_count_total{{{HOST}}}[$__rate_interval])))"
_BAD = f'sum by (instance) (max by ({REQUEST}) (rate(nginx_http_response_count_total{{status=~"5..",{HOST}}}[$__rate_interval])))'
SHARE = Series(
    "Failed answers",
    "The share of 5xx in Nginx's access logs. Good: 0. Bad: above the line (5 %).",
    (Query(f"({_BAD} or 0 * {_ALL}) / ({_ALL} > 0)", "{{instance}}"),),
    "percentunit",
    8,
    line=Steps("transparent", ((0.05, RED),)),
    host="instance",
)

SLOWEST = Series(
    "The slowest tenth",
    (
        "A tenth of the visitors wait at least as long, by Nginx's access logs: for the whole answer, and for each upstream server. Good: "
        'below the line (1 s). "no data": the log lacks $request_time and $upstream_response_time. Bad: above the line.'
    ),
    (
        Query(f"max by (instance) (instance:nginx_http_response_time_seconds:p90_rate1m{{{HOST}}})", "{{instance}}"),
        Query(
            f"max by (instance, upstream) (instance_upstream:nginx_http_upstream_time_seconds:p90_rate1m{{{HOST}}})",
            "{{instance}} upstream {{upstream}}",
        ),
    ),
    "s",
    12,
    none="The access logs do not tell.",
    line=Steps("transparent", ((1, RED),)),
)

UPSTREAMS = Series(
    "Answers of the upstream servers",
    (
        "Attempts per second at each upstream server by status. Good: 2xx and 3xx. Bad: 502 (refused or broken), 504 (too slow). "
        '"no data": the log lacks $upstream_status.'
    ),
    (
        Query(
            (
                "sum by (instance, upstream, status) (max by (instance, log, upstream, status) "
                f"(rate(lapwing_nginx_upstream_responses_total{{{HOST}}}"
                "[$__rate_interval])))"
            ),
            "{{instance}} {{upstream}} {{status}}",
        ),
    ),
    "reqps",
    12,
    none="The access logs do not tell.",
    colors={" 5..$": RED},
)

ERROR_LOG = Series(
    "Messages of the error log",
    "Messages per second of level error and worse. Good: 0. Bad: a steady stream: the log names the cause.",
    (
        Query(
            (
                "sum by (instance, level) (max by (instance, log, level) (rate(lapwing_nginx_error_log_messages_total"
                f'{{level=~"emerg|alert|crit|error",{HOST}}}[$__rate_interval])))'
            ),
            "{{instance}} {{level}}",
        ),
    ),
    "none",
    8,
)

BYTES = Series(
    "Bytes sent",
    "Bytes of answers per second, by Nginx's access logs. Good: the usual shape. Bad: a jump without more requests.",
    (
        Query(
            f"sum by (instance) (max by (instance, log, server_name) (rate(nginx_http_response_size_bytes{{{HOST}}}[$__rate_interval])))",
            "{{instance}}",
        ),
    ),
    "Bps",
    8,
    host="instance",
)

QUEUES = Series(
    "Full queues of connections",
    (
        "Connections per second that the host drops because a program does not accept them fast enough. Good: 0. Bad: any: visitors wait "
        "for seconds."
    ),
    (Query(f"max by (instance) (rate(node_netstat_TcpExt_ListenOverflows{{{HOST}}}[$__rate_interval]))", "{{instance}}"),),
    "none",
    8,
    host="instance",
)

LOGS = Timeline(
    "Logs that can be read",
    (
        "Good: green. Red: the agent may not read the log, or it is gone; lapwing-agent status on the host says why. Bad: red: what"
        " visitors got is not counted."
    ),
    (Query(f"max by (instance, log) (lapwing_log_up{{{HOST}}})", "{{instance}} {{log}}"),),
    width=12,
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    host="instance",
)

UNCOUNTED = Series(
    "Lines that are not counted",
    (
        "Lines per second of the logs whose form the agent does not know, or that are too long. Good: 0. Bad: many: the numbers from the "
        "logs are then too low. In an error log the further lines of a message count here."
    ),
    (
        Query(
            (
                "sum by (instance, result) (max by (instance, log, result) "
                f'(rate(lapwing_log_lines_total{{result!="counted",{HOST}}}[$__rate_interval])))'
            ),
            "{{instance}} {{result}}",
        ),
    ),
    "none",
    12,
)

BOARD = Dashboard(
    "lapwing-web",
    "web and application",
    "Do Nginx and the application answer? With what, and how fast?",
    (
        (ANSWERS, STATUS, NGINX, CERTIFICATE),
        (TIME, PHASES),
        (NGINX_REQUESTS, STATUSES, SHARE),
        (CONNECTIONS, DROPPED, QUEUES),
        (FAILURES, ERROR_LOG, BYTES),
        (SLOWEST, UPSTREAMS),
        (LOGS, UNCOUNTED),
    ),
    hosts=True,
    marks=MARKS,
)
