"""Load balancer: does HAProxy pass requests on, to which servers, and where do they fail or wait."""

from .model import GREEN, GREY, ORANGE, RED, UP_DOWN, Dashboard, Query, Series, Stat, Steps, Table, Words, bad_from
from .parts import MARKS, failed_by_server, failed_share, requests, server_times, servers

SERVER = "instance, proxy, server"
SERVER_NAME = "{{proxy}}/{{server}} ({{instance}})"
PROXY_NAME = "{{proxy}} ({{instance}})"

ALIVE = Stat(
    "HAProxy",
    (
        "Whether an agent can read HAProxy's statistics. Good: up. down: it does not answer; ask Site entry whether visitors are served. "
        "Bad: down."
    ),
    (Query("max by (instance) (haproxy_up)", "{{instance}}"),),
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    width=5,
)

BACKENDS = Stat(
    "Backends",
    "HAProxy's own verdict on each backend. Good: up. Bad: down: it has no server left, and visitors get 503.",
    (Query('max by (instance, proxy) (haproxy_backend_status{state="UP"})', PROXY_NAME),),
    steps=Steps(RED, ((1, GREEN),)),
    words=UP_DOWN,
    width=5,
)

LEFT = Stat(
    "Servers in use",
    (
        "How many servers of each backend get requests. Good: all of them. 1: the next failure takes the site down. 0 in red: none, "
        "unless the backend has no server lines. Bad: 0: visitors get 503."
    ),
    (Query("max by (instance, proxy) (haproxy_backend_active_servers)", PROXY_NAME),),
    steps=Steps(RED, ((1, ORANGE), (2, GREEN))),
    width=5,
)

FULL = Stat(
    "Sessions in use",
    "The share of its sessions (maxconn) that each frontend has open. Good: below 50 %. Bad: from 80 % on: at 100 % new visitors wait.",
    (Query("max by (instance, proxy) (haproxy_frontend_current_sessions / (haproxy_frontend_limit_sessions > 0))", PROXY_NAME),),
    "percentunit",
    steps=bad_from(0.5, 0.8),
    width=5,
)

HOLDER = Stat(
    "Who holds the moving address",
    'Where keepalived has put the address. Good: exactly one host holds it. Bad: two, or none. "no data": no agent sees keepalived.',
    (Query("max by (instance, ip_address) (keepalived_vrrp_state)", "{{instance}} {{ip_address}}"),),
    steps=Steps(GREY, ((2, GREEN),)),
    words=Words({1: ("backup", GREY), 2: ("holds it", GREEN)}),
    width=4,
)

CODES = Series(
    "Answers by status",
    'HTTP answers to visitors per second, by class. Good: 2xx and 3xx. Bad: 5xx, and a jump of 4xx. "other": no valid answer.',
    (
        Query(
            "max by (instance, proxy, code) (rate(haproxy_frontend_http_responses_total[$__rate_interval]))",
            "{{proxy}} {{code}} ({{instance}})",
        ),
    ),
    "reqps",
    8,
    colors={" 5xx ": RED, " 4xx ": ORANGE, " 2xx ": GREEN},
)

CHECKS = Table(
    "Health checks now",
    (
        "How the last check of each server ended. Good: L4OK, L6OK, L7OK. L4CON: refused; L4TOUT, L7TOUT: no answer in time; L7STS: a "
        "wrong status; INI, none: not checked. Bad: every other word."
    ),
    (Query(f"max by ({SERVER}, state) (haproxy_server_check_status)"),),
    width=12,
    columns={"instance": "HAProxy", "proxy": "Backend", "server": "Server", "state": "Check"},
    words={"state": Words({name: (name, GREEN) for name in ("L4OK", "L6OK", "L7OK")})},
)

SPREAD = Series(
    "Requests by server",
    "How many requests each server answers per second. Good: shares as the weights say. Bad: one server has (almost) all.",
    (
        Query(
            (
                "sum by (instance, proxy, server) (max by (instance, proxy, server, code) "
                "(rate(haproxy_server_http_responses_total[$__rate_interval])))"
            ),
            SERVER_NAME,
        ),
    ),
    "reqps",
    8,
)

CONNECT = Series(
    "Time to connect",
    (
        "The mean time of HAProxy's last 512 requests until the connection to a server stands. Good: a millisecond or two. Bad: it jumps: "
        "the server's queue of connections is full, or packets are lost."
    ),
    (Query(f"max by ({SERVER}) (haproxy_server_connect_time_average_seconds)", SERVER_NAME),),
    "s",
    8,
)

QUEUE = Series(
    "Requests that wait",
    "Requests in HAProxy's queue because every server has as many as it may (maxconn). Good: 0. Bad: anything that lasts.",
    (Query("max by (instance, proxy) (haproxy_backend_current_queue)", PROXY_NAME),),
    "none",
    8,
)

SESSIONS = Series(
    "Open sessions",
    "Open connections of visitors, by frontend. Good: the usual shape. Bad: it climbs while requests do not: answers have become slow.",
    (Query("max by (instance, proxy) (haproxy_frontend_current_sessions)", PROXY_NAME),),
    "none",
    8,
)

RETRIES = Series(
    "Retries",
    "How often per second HAProxy must try again, or takes another server. Good: 0. Bad: above the line (0.2): visitors wait for it.",
    (
        Query(f"max by ({SERVER}) (rate(haproxy_server_retry_warnings_total[$__rate_interval]))", SERVER_NAME + " again"),
        Query(f"max by ({SERVER}) (rate(haproxy_server_redispatch_warnings_total[$__rate_interval]))", SERVER_NAME + " another"),
    ),
    "none",
    8,
    line=Steps("transparent", ((0.2, RED),)),
)

BROKEN = Series(
    "Broken connections",
    "Connections per second to a server that fail, and answers that break off. Good: 0. Bad: any that last.",
    (
        Query(f"max by ({SERVER}) (rate(haproxy_server_connection_errors_total[$__rate_interval]))", SERVER_NAME + " fail"),
        Query(f"max by ({SERVER}) (rate(haproxy_server_response_errors_total[$__rate_interval]))", SERVER_NAME + " break off"),
    ),
    "none",
    8,
)

REFUSED = Series(
    "Requests that HAProxy refuses",
    (
        "Requests per second that are denied by its rules, and requests that are not valid or break off. Good: few. A jump: an attack, or "
        "a rule that meets honest visitors. Bad: a high line that stays."
    ),
    (
        Query("max by (instance, proxy) (rate(haproxy_frontend_requests_denied_total[$__rate_interval]))", PROXY_NAME + " denied"),
        Query("max by (instance, proxy) (rate(haproxy_frontend_request_errors_total[$__rate_interval]))", PROXY_NAME + " invalid"),
    ),
    "reqps",
    12,
)

TRAFFIC = Series(
    "Traffic",
    (
        "Bytes per second from and to visitors, by frontend. Good: the usual shape, far below what the line and the provider allow. Bad: "
        "a flat top: the line is full."
    ),
    (
        Query("max by (instance, proxy) (rate(haproxy_frontend_bytes_in_total[$__rate_interval]))", PROXY_NAME + " in"),
        Query("max by (instance, proxy) (rate(haproxy_frontend_bytes_out_total[$__rate_interval]))", PROXY_NAME + " out"),
    ),
    "Bps",
    12,
)

BOARD = Dashboard(
    "lapwing-balancer",
    "load balancer",
    "Does the load balancer pass requests on? Which servers get them, and where do they fail or wait?",
    (
        (ALIVE, BACKENDS, LEFT, FULL, HOLDER),
        (servers(12), CHECKS),
        (requests(8), CODES, failed_share(8)),
        (failed_by_server(12), server_times(12)),
        (SPREAD, CONNECT, QUEUE),
        (SESSIONS, RETRIES, BROKEN),
        (REFUSED, TRAFFIC),
    ),
    marks=MARKS,
)
