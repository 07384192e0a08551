"""A long blocklist hides no open port: F2 follows the rules beside it."""

import ipaddress

import pytest
from lab import findings, inside, query, until

pytestmark = pytest.mark.long

# The sources that the rules let in are of the lab's own network: web-01 has no route to another.
FIRST = int(ipaddress.ip_address("172.16.1.1"))
SITE = """table inet site { chain input { type filter hook input priority 0; policy drop;
    iif lo accept; ct state established,related accept; meta l4proto { 1, 58 } accept; tcp dport 22 accept;
    ip saddr { 10.77.0.10, 10.77.0.11, 10.77.0.12, 10.77.0.20 } tcp dport { 80, 3306 } accept;
    ip saddr 10.77.0.64/28 tcp dport 3306 accept; }; }
"""


def blocklist(length):
    elements = ", ".join(f"{ipaddress.ip_address(FIRST + 2 * i)} timeout 4h" for i in range(length))
    return f"""table ip b {{
    set s {{ type ipv4_addr; flags timeout; elements = {{ {elements} }}; }}
    chain c {{ type filter hook input priority -10; ip saddr @s drop; }}
}}
"""


def database():
    return next((each for each in findings(id="F2") if each["subject"] == "mysql@web-01"), None)


def names(source):
    found = database()
    return found and found["confidence"] != "unknown" and any(source in each["text"] for each in found["evidence"])


@pytest.mark.parametrize("length", [5_000, 20_000])
def test_a_port_that_opens_beside_a_blocklist_is_found(length):
    try:
        inside("web-01", "nft", "-f", "-", text=SITE + blocklist(length))
        until(lambda: names("10.77.0.64/28"), 150, "F2 names the source of the rule")
        inside("web-01", "nft", "add rule inet site input ip saddr 10.77.0.160/28 tcp dport 3306 accept")
        until(lambda: names("10.77.0.160/28"), 150, "F2 names the source that came later")
        assert not [each for each in findings(id="F14") if each["subject"] == "web-01"], findings(id="F14")
        assert query('up{job="firewall", instance="web-01"} == 1')
    finally:
        for table in ("inet site", "ip b"):
            inside("web-01", "nft", f"delete table {table}", check=False)
