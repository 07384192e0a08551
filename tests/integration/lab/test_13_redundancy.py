"""Faults of redundancy on real servers: each finding comes with its cause and goes with it."""

import time

import pytest
from lab import api, collector_with, findings, haproxy_with, inside, received, sql, svc, until

POOL = "lb-01/web"


def standing(*wanted, seconds=90):
    """Waits for these (id, subject)."""
    def there():
        found = {(each["id"], each["subject"]) for each in findings()}
        assert set(wanted) <= found, f"only {sorted(found)}"
        return True
    until(there, seconds, f"findings {wanted}")
    by_key = {(each["id"], each["subject"]): each for each in findings()}
    for key in wanted:
        assert by_key[key]["evidence"] and by_key[key]["remedy"].strip(), by_key[key]
    return [by_key[key] for key in wanted]


def gone(*unwanted, seconds=120):
    def away():
        found = {(each["id"], each["subject"]) for each in findings()}
        assert not set(unwanted) & found, f"still {sorted(set(unwanted) & found)}"
        return True
    until(away, seconds, f"no findings {unwanted}")


def runtime(command):
    answer = inside("lb-01", "sh", "-c", f"echo '{command}' | socat stdio /run/haproxy/admin.sock").strip()
    assert not answer, answer


def test_both_servers_on_one_host_and_a_shallow_check():
    with haproxy_with("s/10.77.0.12:80/10.77.0.111:80/", "/option httpchk/d", "/http-check/d"):
        shared, shallow = standing(("R3", POOL), ("R5", POOL))
        assert shared["severity"] == "high" and "web-01" in str(shared["evidence"]), shared
        assert "L4" in str(shallow["evidence"]), shallow
    gone(("R3", POOL), ("R5", POOL))


def test_what_nginx_is_configured_to_pass_requests_to():
    def drawn():
        edges = api("/api/lapwing/v1/topology")["data"]["edges"]
        for host in ("web-01", "web-02"):
            found = [each for each in edges if each["from"] == f"web@{host}" and each["kind"] == "proxies"]
            assert len(found) == 1, found
            edge = found[0]
            assert edge["to"] == f"app@{host}", edge
            assert {"source": f"Nginx configuration of {host}", "text": "127.0.0.1:8000"} in edge["evidence"], edge
        return True

    # The agents read configurations once a minute.
    until(drawn, 90, "the edges")


@pytest.mark.long
def test_one_application_behind_both():
    """web-02's Nginx passes its requests on to web-01."""
    file = "/etc/nginx/nginx.conf"
    original = inside("web-02", "cat", file)

    def nginx_with(text):
        inside("web-02", "sh", "-c", f"cat >{file}", text=text)
        inside("web-02", "nginx", "-s", "reload")

    try:
        nginx_with(original.replace("http://127.0.0.1:8000;", "http://10.77.0.11;"))
        # The agents read configurations once a minute.
        [shared] = standing(("R3", POOL), seconds=150)
        assert "web@web-02 answers with the help of app@web-01 alone" in str(shared["evidence"]), shared
    finally:
        nginx_with(original)
    gone(("R3", POOL), seconds=150)


def test_weight_0_and_a_replica_that_takes_writes():
    runtime("set weight web/web-02 0")
    sql("web-02", "SET GLOBAL read_only = OFF")
    try:
        degraded, writable = standing(("R4", POOL), ("R7", "mysql@web-02"))
        assert "weight 0" in str(degraded["evidence"]), degraded
        assert writable["severity"] == "critical", writable
    finally:
        # As the remedies say.
        runtime("set weight web/web-02 100%")
        sql("web-02", "SET GLOBAL read_only = ON")
    gone(("R4", POOL), ("R7", "mysql@web-02"), ("R2", POOL))


@pytest.mark.long
def test_drain_and_a_replica_that_could_not_take_over():
    runtime("set server web/web-02 state drain")
    sql("web-02", "STOP SLAVE")
    try:
        _, _, replica = standing(("R2", POOL), ("R4", POOL), ("R6", "mysql@web-02"))
        assert replica["severity"] == "high", replica
    finally:
        runtime("set server web/web-02 state ready")
        sql("web-02", "START SLAVE")
    gone(("R2", POOL), ("R4", POOL), ("R6", "mysql@web-02"))


@pytest.mark.long
def test_one_nginx_stopped(fault):
    with fault("backend-down"):
        spare, _ = standing(("R2", POOL), ("R4", POOL))
        assert spare["severity"] == "critical", spare
    gone(("R2", POOL), ("R4", POOL))


KEEPALIVED = """
vrrp_instance database {
    state BACKUP
    interface eth0
    virtual_router_id 61
    priority %d
    virtual_ipaddress {
        10.77.0.101/24
    }
}
"""


@pytest.mark.long
def test_databases_that_fail_over_by_themselves():
    """R12: keepalived moves an address between the two, and no third party has a vote."""
    hosts = {"web-01": 150, "web-02": 100}
    try:
        for host, priority in hosts.items():
            inside(host, "mkdir", "-p", "/etc/keepalived")
            inside(host, "sh", "-c", "cat >/etc/keepalived/keepalived.conf", text=KEEPALIVED % priority)
            svc(host, "keepalived", "start")
        [vote] = standing(("R12", "10.77.0.101"))
        assert vote["severity"] == "medium" and "witness" in str(vote["evidence"]), vote
        with collector_with("site:", "site:\n  witness: monitor"):
            # Several evaluations later, the finding is still gone.
            time.sleep(30)
            gone(("R12", "10.77.0.101"))
        standing(("R12", "10.77.0.101"))
    finally:
        # The remedy: keepalived no longer has the address.
        for host in hosts:
            svc(host, "keepalived", "stop")
            inside(host, "rm", "-f", "/etc/keepalived/keepalived.conf")
    gone(("R12", "10.77.0.101"))


@pytest.mark.long
def test_a_name_with_one_address():
    """R10: the name of the site's entry resolves to lb-01 only."""
    with collector_with("http://10.77.0.10/", "http://lb-01/"):
        [record] = standing(("R10", "lb-01"))
        assert record["severity"] == "high" and "10.77.0.10 only" in str(record["evidence"]), record
    gone(("R10", "lb-01"))


def test_nobody_outside_hears_the_collector():
    """R11 goes with the remedy, a heartbeat, and comes back without."""
    key = ("R11", "collector@monitor")
    [alone] = standing(key)
    assert alone["severity"] == "medium" and "notify.heartbeat" in alone["remedy"], alone
    began = time.time()
    with collector_with("notify:", "notify:\n  heartbeat: { url: http://127.0.0.1:9000/heartbeat, interval: 5s }"):
        gone(key)
        until(lambda: any(event["path"] == "/heartbeat" for event in received(began)), 30, "a heartbeat at the receiver")
    standing(key)
