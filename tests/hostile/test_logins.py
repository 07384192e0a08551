"""Guesses of passwords: from one address, and of one user from many addresses. Whoever logged in before, and other users, get in."""

import http.client
import os
import ssl
import subprocess
import time
import urllib.parse

import pytest
from attacks import MB, AttackedSite
from harness import Answer, basic, free_port

OF_AN_ADDRESS = "failed logins of an address (over IPv6, its /64)"
OF_A_USER = "failed logins of a user, from anywhere"
TURNS = "requests of one member that are handled at once"
HONEST_P99 = 2.0  # seconds; the machine of the test may be busy
PASSWORDS = {"ann": "correct horse", "bob": "battery staple"}
SLOW = "+".join(["quantile_over_time(0.5,vector(time())[9000s:1s])"] * 50)


@pytest.fixture(scope="module")
def site():
    """Its listener `outer` asks for a login."""
    made = AttackedSite()
    made.outer = free_port()
    with open(made.collector.path("users"), "w") as users:
        for user, password in PASSWORDS.items():
            users.write(user + ":" + subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True).stdout)
    made.collector.write_config(f"http: {{ listen: [ 127.0.0.1:{made.collector.people_port}, 0.0.0.0:{made.outer} ], tls: auto,"
                                f" users_file: {made.collector.path('users')} }}\n")
    with made:
        yield made


def connect(site, source):
    context = ssl.create_default_context(cafile=site.bundles["web-01"])
    return http.client.HTTPSConnection("127.0.0.1", site.outer, context=context, timeout=60, source_address=(source, 0))


def ask(site, source, user, password, path="/-/healthy"):
    connection = connect(site, source)
    try:
        connection.request("GET", path, headers=basic(user, password))
        return Answer(connection.getresponse())
    finally:
        connection.close()


def refused(site):
    """How many logins were refused, by reason."""
    lines = [line for line in site.collector.people("/metrics").body.decode().splitlines() if line.startswith("lapwing_collector_refused_logins_total{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_guesses_of_an_address(site):
    assert ask(site, "127.0.4.1", "ann", PASSWORDS["ann"]).status == 200
    with site.attack("100 guesses of one address", limit=OF_AN_ADDRESS, memory=16 * MB, p99=HONEST_P99) as attack:
        before = refused(site).get("credentials", 0)
        answers = [ask(site, "127.0.4.1", f"user{i}", "guess") for i in range(100)]
        told = [answer.status for answer in answers]
        assert set(told) == {401, 429} and 10 <= told.count(401) <= 20, told
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers if answer.status == 429)
        assert refused(site)["credentials"] - before == told.count(401), (refused(site), told)
        # The right password of another user does not help, the one that was right before does.
        assert ask(site, "127.0.4.1", "bob", PASSWORDS["bob"]).status == 429
        assert ask(site, "127.0.4.1", "ann", PASSWORDS["ann"]).status == 200
        assert ask(site, "127.0.4.2", "bob", PASSWORDS["bob"]).status == 200
        attack.told = f"{told.count(429)} times 429"


def test_guesses_of_a_user_from_many_addresses(site):
    with site.attack("guesses of one user's password from 40 addresses", limit=OF_A_USER, memory=16 * MB, p99=HONEST_P99) as attack:
        first = [ask(site, f"127.0.5.{i + 1}", "ann", f"guess {i}").status for i in range(40)]
        assert first == [401] * 40, first
        again = [ask(site, f"127.0.5.{i + 1}", "ann", f"another {i}") for i in range(40)]
        waits = [answer for answer in again if answer.status == 429]
        assert len(waits) >= 35 and all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in waits), [answer.status for answer in again]
        # An address that has not failed gets in, and another user from an address that has.
        assert ask(site, "127.0.6.1", "ann", PASSWORDS["ann"]).status == 200
        assert ask(site, "127.0.5.1", "bob", PASSWORDS["bob"]).status == 200
        attack.told = f"{len(waits)} of 40 addresses wait"


def threads(site):
    """How many threads the listeners for people have."""
    tasks = f"/proc/{site.collector.process.pid}/task"
    names = [open(os.path.join(tasks, task, "comm")).read().strip() for task in os.listdir(tasks)]
    return names.count("people")


def test_a_user_with_many_slow_queries(site):
    """Eight of them have a thread, the others wait. Another user is answered at once."""
    with site.attack("30 queries that take minutes, of one user", limit=TURNS, memory=256 * MB, p99=HONEST_P99) as attack:
        before = threads(site)
        connections = [connect(site, f"127.0.7.{i + 1}") for i in range(30)]
        for connection in connections:
            connection.request("GET", "/api/v1/query?timeout=60s&query=" + urllib.parse.quote(SLOW), headers=basic("ann", PASSWORDS["ann"]))
        site.until(lambda: threads(site) >= before + 8)
        waits = []
        for _ in range(10):
            began = time.monotonic()
            assert ask(site, "127.0.7.99", "bob", PASSWORDS["bob"], "/api/v1/status/buildinfo").status == 200
            waits.append(time.monotonic() - began)
        more = threads(site) - before
        # Bob's requests and the check of the logins have threads, too.
        assert more <= 8 + 1 + 4, more
        assert max(waits) < 5, waits
        attack.told = f"{more} threads more"
        for connection in connections:
            connection.close()
