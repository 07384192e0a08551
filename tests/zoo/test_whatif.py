"""`whatif` against the truth: each part of the site is stopped, and each pair; then visitors ask the site."""

import contextlib
import itertools
import json
import random
import time
import urllib.parse

import lab
from watched import run

PROGRAMS = {"haproxy": "haproxy", "nginx": "nginx", "web": "nginx", "app": "app", "mysql": "mariadb"}
REQUESTS = 20
# HAProxy gives a server up after three checks, two seconds apart; keepalived moves an address after three advertisements.
SETTLING_SECONDS = 12
# A check of a host that is gone ends by its timeout, and the application avoids a database that did not answer for ten seconds.
HOST_SETTLING_SECONDS = 35


def topology():
    return lab.api("/api/lapwing/v1/topology")["data"]


def services(*failed):
    """What reading and writing do once the components have failed: "yes", "no" or "unknown"."""
    query = "&".join("component=" + urllib.parse.quote(each) for each in failed)
    answer = lab.api("/api/lapwing/v1/whatif" + ("?" + query if query else ""))["data"]
    return {each["name"]: each["after"] for each in answer["services"] if each["name"] in ("read", "write")}


def states():
    """The states of the components, and whether the load balancer uses each server."""
    site = topology()
    used = {(each["from"], each["to"]): each["works"] for each in site["edges"] if each["kind"] == "balances"}
    return {each["id"]: each["works"] for each in site["components"]} | used


def is_settled(before, healthy):
    """Twice, with a round of every probe between: samples of one that was cut off arrive late."""
    first = services(), states()
    time.sleep(SETTLING_SECONDS)
    return first == (services(), states()) == (before, healthy)


def is_here(host):
    return (lab.STATE / host).is_dir()


def runs(host, program):
    """As a service of the lab, which the test can stop."""
    return (lab.STATE / host / f"srv/lab/{program}.service").exists() and lab.inside(host, "svc", program, "status", check=False).returncode == 0


def parts():
    """The components that the test can stop: programs of the lab's hosts, and hosts."""
    found = []
    for each in topology()["components"]:
        program = PROGRAMS.get(each["kind"])
        if each["kind"] == "host" and is_here(each["id"]) and each["id"] not in ("monitor", "client"):
            found.append(each["id"])
        elif program and is_here(each["host"]) and runs(each["host"], program):
            found.append(each["id"])
    return sorted(found)


def commands(component):
    """How to stop the component, and how to start it."""
    if "@" not in component:
        return (f"inside {component} ip link set eth0 down", f"inside {component} ip link set eth0 up")
    kind, host = component.split("@")
    return (f"inside {host} svc {PROGRAMS[kind]} stop", f"inside {host} svc {PROGRAMS[kind]} start")


def answered(url):
    """How many of some requests of a visitor get an answer that is no error."""
    trust = "--cacert /etc/site.pem" if (lab.STATE / "client/etc/site.pem").exists() else ""
    script = f"seq {REQUESTS} | xargs -P 4 -I% sh -c 'curl -fsS -m 3 {trust} -o /dev/null {url} && echo answered'; true"
    return lab.inside("client", "bash", "-c", script, check=False).stdout.count("answered")


def truth(entry):
    return {"read": answered(entry), "write": answered(entry.rstrip("/") + "/write")}


def entry_of():
    text = (lab.STATE / "client/srv/lab/client.service").read_text(encoding="utf-8")
    return next(word for word in text.split() if word.startswith(("http://", "https://")))


@contextlib.contextmanager
def stopped(failed):
    try:
        run("; ".join(commands(each)[0] for each in failed))
        yield
    finally:
        run("; ".join(commands(each)[1] for each in reversed(failed)))


def test_what_if_is_true(site, shape, pytestconfig):
    """No service that still works by `whatif` has failed, and none that stops by `whatif` answers everything."""
    entry = entry_of()
    lab.until(lambda: services().get("read") == "yes", 120, "the site is understood")
    time.sleep(SETTLING_SECONDS)
    before, healthy = services(), states()
    chosen = pytestconfig.getoption("--part") or parts()
    pairs = [pair for pair in itertools.combinations(chosen, 2) if len({each.split("@")[-1] for each in pair}) == 2]
    random.Random(14).shuffle(pairs)
    rows, wrong = [], []
    results = lab.LAB_DIR.parents[1] / "build/zoo/whatif"
    results.mkdir(parents=True, exist_ok=True)
    for failed in [(each,) for each in chosen] + pairs[:pytestconfig.getoption("--pairs")]:
        lab.until(lambda: is_settled(before, healthy), 180, "the site is healthy")
        said = services(*failed)
        with stopped(failed):
            time.sleep(SETTLING_SECONDS if all("@" in each for each in failed) else HOST_SETTLING_SECONDS)
            seen = truth(entry)
        for service, word in said.items():
            if before.get(service) != "yes" or service in shape.unasked:
                continue
            rows.append({"failed": list(failed), "service": service, "whatif": word, "answered": seen[service], "of": REQUESTS})
            if (word == "yes" and seen[service] < REQUESTS) or (word == "no" and seen[service] == REQUESTS):
                wrong.append(rows[-1])
        (results / f"{shape.name}.json").write_text(json.dumps({"rows": rows, "wrong": wrong}, indent=1), encoding="utf-8")
        lab.until(lambda: states() == healthy and not lab.findings(id="R2") and services() == before
                  and set(truth(entry).values()) == {REQUESTS}, 180, f"the site is back after {failed}")
    assert rows, "nothing was compared"
    assert not wrong, wrong
