"""Exposure and redundancy: what is open that should not be, and what would take the site down if it failed."""

from .model import BLUE, GREEN, GREY, ORANGE, RED, Dashboard, Query, Series, Stat, Steps, Table, Words
from .parts import HOST, MARKS, findings_count, findings_now, services

YES_NO = Words({"yes": ("yes", GREEN), "no": ("no", RED), "unknown": ("unknown", ORANGE)})

DENY = Stat(
    "Firewall closes by default",
    (
        "What becomes of a packet to a port that no rule names. Good: closed. Bad: open: each new program is open to everybody who "
        "reaches the host. unknown: the agent cannot read the rules, or they do not decide it."
    ),
    (
        Query(
            (
                f"min by (instance, family) (lapwing_firewall_default_deny{{{HOST}}}) "
                f'or on (instance) 0 * max by (instance) (up{{job="firewall",{HOST}}}) - 1'
            ),
            "{{instance}} {{family}}",
        ),
    ),
    width=8,
    steps=Steps(ORANGE, ((0, RED), (1, GREEN))),
    words=Words({-1: ("unknown", ORANGE), 0: ("open", RED), 1: ("closed", GREEN)}),
    none="unknown",
)

SINGLES = Table(
    "Single points of failure",
    (
        "Each component whose failure alone stops a service. view design: as the site is built. view now: with what is down at present. "
        "Good: no row of view now that design lacks; the fewer, the better. Bad: a row about read or write that you did not expect."
    ),
    (Query('max by (service, components, view, confidence) (lapwing_topology_cut_set_info{size="1"})'),),
    width=12,
    height=9,
    none="None is known, or no data: see What works.",
    columns={"service": "Stops", "components": "If this fails", "view": "View", "confidence": "Confidence"},
    sort="components",
)

COMPONENTS = Table(
    "Components",
    "Every part of the site that Lapwing knows, and whether it works. Good: yes. unknown: nobody reports it. Bad: no.",
    (Query("max by (component, kind, host, works) (lapwing_topology_component_info)"),),
    width=12,
    height=9,
    columns={"component": "Component", "kind": "Kind", "host": "Host", "works": "Works"},
    words={"works": YES_NO},
    widths={"works": 90},
    host="host",
    sort="component",
)

EDGES = Table(
    "What depends on what",
    (
        "Each dependency, and the evidence for it. Good: it looks as you think that the site is built. Bad: a dependency that should not "
        "be there, or one that is missing."
    ),
    (Query("max by (from, to, kind, source) (lapwing_topology_edge_info)"),),
    width=12,
    height=9,
    columns={"from": "This", "kind": "How", "to": "Depends on", "source": "Evidence"},
    sort="from",
)

PORTS = Table(
    "Ports by the firewall's rules",
    (
        "For each port with a listener: whom the firewall lets in. any: every address that no rule names. Good: any only at ports for the "
        "public; must_block elsewhere. may: the rules do not decide it. Bad: reaches, from any, at the port of a database."
    ),
    (Query(f"max by (instance, port, protocol, family, source, verdict) (lapwing_firewall_port_verdict{{{HOST}}})"),),
    width=12,
    height=9,
    columns={"instance": "Host", "port": "Port", "protocol": "Protocol", "family": "Family", "source": "From", "verdict": "Verdict"},
    words={"verdict": Words({"must_reach": ("reaches", ORANGE), "must_block": ("blocked", GREEN), "may": ("may reach", ORANGE)})},
    sort="port",
    host="instance",
)

ATTEMPTS = Table(
    "Ports by real attempts",
    (
        "What happened when agents tried to connect to their peers. second: an address that no rule should name. Good: what must be "
        "closed is silent, refused or rejected. Bad: open, for a source that has no business there."
    ),
    (Query(f"max by (peer, port, service, source, source_kind, result) (lapwing_attempt_result{{{HOST}}})"),),
    width=12,
    height=9,
    columns={"peer": "Host", "port": "Port", "service": "Service", "source": "From", "source_kind": "Kind", "result": "Result"},
    words={
        "result": Words(
            {"open": ("open", ORANGE), "refused": ("refused", GREEN), "silent": ("silent", GREEN), "rejected": ("rejected", GREEN)}
        )
    },
    sort="port",
    host="peer",
)

CANARY = Table(
    "A port that no rule names",
    (
        "The attempt to reach a port of the peer that no service uses: the proof of the firewall's default. Good: silent, rejected or "
        "refused. Bad: open."
    ),
    (Query(f"max by (peer, source, source_kind, result) (lapwing_canary_result{{{HOST}}})"),),
    width=12,
    height=6,
    none="No attempt has been made, or no data.",
    columns={"peer": "Host", "source": "From", "source_kind": "Kind", "result": "Result"},
    words={
        "result": Words(
            {"open": ("open", RED), "refused": ("refused", GREEN), "silent": ("silent", GREEN), "rejected": ("rejected", GREEN)}
        )
    },
    host="peer",
)

LISTENERS = Table(
    "Listening programs",
    (
        "Every socket that accepts connections. Good: each is one that you know. 0.0.0.0 and :: mean every address of the host, 127.0.0.1 "
        "the host alone. Bad: a program that you do not know."
    ),
    (Query(f"max by (instance, address, port, protocol, process, unit) (lapwing_listener_info{{{HOST}}})"),),
    width=12,
    height=9,
    columns={"instance": "Host", "address": "Address", "port": "Port", "protocol": "Protocol", "process": "Program", "unit": "Service"},
    sort="port",
    host="instance",
)

CLIENTS = Table(
    "Who is connected",
    (
        "Open connections to each listening port, by client. An empty client stands for the rest, and for addresses of the Internet. "
        "Good: you know each client of the database. Bad: a client that you do not know."
    ),
    (Query(f"max by (instance, port, address) (lapwing_incoming_connections{{{HOST}}})"),),
    width=12,
    height=9,
    value="Connections",
    columns={"instance": "Host", "port": "Port", "address": "Client"},
    sort="port",
    host="instance",
)

GOING_OUT = Table(
    "Where hosts connect to",
    "The most frequent destinations of each host's own connections. Good: you know each of them. Bad: a destination that you do not know.",
    (Query(f"max by (instance, address, port) (lapwing_outgoing_connections{{{HOST}}})"),),
    width=12,
    height=9,
    value="Connections",
    columns={"instance": "Host", "address": "Destination", "port": "Port"},
    sort="address",
    host="instance",
)

BOOT = Table(
    "After a reboot",
    (
        "Why the rules after a reboot are not known, or will not be loaded. Good: no row. Bad: a fault: the host may come up without its "
        "firewall."
    ),
    (
        Query(
            f'label_replace(max by (instance, reason) (lapwing_boot_ruleset_fault_info{{{HOST}}}), "what", "fault", "", "") or '
            f'label_replace(max by (instance, reason) (lapwing_boot_ruleset_unknown_info{{{HOST}}}), "what", "unknown", "", '
            '"")'
        ),
    ),
    width=12,
    height=6,
    none="no doubt is known",
    columns={"instance": "Host", "what": "What", "reason": "Reason"},
    words={"what": Words({"fault": ("fault", RED), "unknown": ("unknown", ORANGE)})},
    widths={"instance": 110, "what": 90},
    host="instance",
)

UNREAD = Table(
    "Rules that are not understood",
    (
        "Parts of a firewall that Lapwing cannot evaluate, while a verdict depends on them. Good: no row. The verdict is then may, never "
        "a guess. Bad: a row: what the host lets in is then not proven."
    ),
    (Query(f"max by (instance, reason) (lapwing_firewall_unknown_info{{{HOST}}})"),),
    width=12,
    height=6,
    none="no such rule is known",
    columns={"instance": "Host", "reason": "Rule"},
    widths={"instance": 110},
    host="instance",
)

AGE = Series(
    "Age of the snapshot",
    (
        "How old the listing of rules and listeners is that the agent reads. Good: below 20 s. Bad: above the line (60 s): the firewall "
        "counts as unknown; see lapwing-snapshot.timer."
    ),
    (Query(f"max by (instance) (lapwing_ruleset_age_seconds{{{HOST}}})", "{{instance}}"),),
    "s",
    12,
    6,
    line=Steps("transparent", ((60, RED),)),
    host="instance",
)

SSH = Stat(
    "ssh accepts passwords",
    'Good: no. Bad: yes on a host whose ssh is open to anybody: passwords get guessed. "no data": no sshd, or it cannot be asked.',
    (Query(f"max by (instance) (lapwing_ssh_password_authentication{{{HOST}}})", "{{instance}}"),),
    width=8,
    height=8,
    steps=Steps(GREEN, ((1, ORANGE),)),
    words=Words({0: ("no", GREEN), 1: ("yes", ORANGE)}),
)

OVER_TIME = Series(
    "Findings over time",
    (
        "How many findings of each severity stood. Good: it falls. A step upwards: something was opened, or broke; the marks say what. "
        "Bad: it rises."
    ),
    (Query("count by (severity) (max by (id, subject, severity) (lapwing_finding))", "{{severity}}"),),
    "none",
    16,
    colors={"^critical$": RED, "^high$": ORANGE, "^medium$": "yellow", "^low$": BLUE, "^info$": GREY},
)

BOARD = Dashboard(
    "lapwing-exposure",
    "exposure and redundancy",
    "What is open that should be closed? What would take the site down if it failed?",
    (
        (findings_count(6), DENY, services(10)),
        (findings_now(24, 10),),
        (SINGLES, COMPONENTS),
        (EDGES, PORTS),
        (ATTEMPTS, LISTENERS),
        (CLIENTS, GOING_OUT),
        (CANARY, BOOT),
        (UNREAD, AGE),
        (OVER_TIME, SSH),
    ),
    hosts=True,
    marks=MARKS,
)
