"""Clients that hold connections: idle, half a handshake, slow in heads, in bodies and in reading answers, and too many."""

import contextlib
import http.client
import itertools
import os
import resource
import signal
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
from attacks import MB, AttackedSite
from bodies import label, packed, sample
from harness import LONG, NAME, WRITE_HEADERS, Answer, Collector, now_ms, varint, write_request

ADDRESSES = 12 if LONG else 5
CONNECTIONS = 250 if LONG else 60  # of each address
SECONDS = 20 if LONG else 3
HONEST_P99 = 2.0  # seconds; the machine of the test may be busy


class Trickle(threading.Thread):
    """A client whose body comes byte by byte. `lasted`: the seconds until its connection ends."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.lasted = port, None
        self.start()

    def run(self):
        with socket.create_connection(("127.0.0.1", self.port), 10) as client:
            client.sendall(b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n")
            began = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 300:
                    client.sendall(b"x")
                    time.sleep(0.3)
            self.lasted = time.monotonic() - began


@pytest.fixture(scope="module")
def site():
    with AttackedSite("promql: { timeout: 5s }\n") as attacked:
        attacked.trickle = Trickle(attacked.collector.people_port)
        yield attacked


@contextlib.contextmanager
def held(port, payload=b"", again=0.2):
    """Keeps connections from many addresses of the loopback open, and opens those again that the collector ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    stop = threading.Event()

    def hold(address):
        mine = []
        while not stop.is_set():
            while len(mine) < CONNECTIONS and not stop.is_set():
                client = socket.socket()
                client.settimeout(5)
                try:
                    client.bind((address, 0))
                    client.connect(("127.0.0.1", port))
                    client.sendall(payload)
                except OSError:
                    client.close()
                    break
                client.setblocking(False)
                mine.append(client)
            alive = []
            for client in mine:
                try:
                    ended = client.recv(100) == b""
                except BlockingIOError:
                    ended = False
                except OSError:
                    ended = True
                if ended:
                    client.close()
                else:
                    alive.append(client)
            mine = alive
            stop.wait(again)
        for client in mine:
            client.close()

    threads = [threading.Thread(target=hold, args=(f"127.0.1.{i + 1}",)) for i in range(ADDRESSES)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limited(collector, listener, limit):
    """How often the collector counted a limit."""
    for line in collector.people("/metrics").body.decode().splitlines():
        if line.startswith("lapwing_collector_connections_limited_total{") and f'"{limit}"' in line and f'"{listener}"' in line:
            return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"no metric for {limit}")


def page_stays_reachable(site, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path in ("/-/healthy", "/", "/api/v1/query?query=1"):
            assert site.collector.people(path).status == 200
        time.sleep(0.2)


def test_idle_strangers(site):
    with site.attack(f"{ADDRESSES * CONNECTIONS} idle connections from {ADDRESSES} addresses", limit="connections of strangers, at each listener", memory=32 * MB, p99=HONEST_P99) as attack:
        with held(site.collector.agents_port):
            page_stays_reachable(site, SECONDS)
            newcomer = site.attacker().write([({"__name__": "newcomer"}, [(now_ms(), 1.0)])])
            assert newcomer.status == 204
        attack.told = f"{limited(site.collector, 'agents', 'strangers'):.0f} ended"
    assert limited(site.collector, "agents", "strangers") > 0
    assert "had sent no request yet" in site.collector.log_text()


def test_half_handshakes(site):
    hello = b"\x16\x03\x01\x02\x00\x01"
    with site.attack(f"{ADDRESSES * CONNECTIONS} half TLS handshakes", limit="connections of strangers, at each listener", memory=32 * MB, p99=HONEST_P99):
        with held(site.collector.agents_port, hello):
            page_stays_reachable(site, SECONDS)
            assert site.attacker().write([({"__name__": "newcomer"}, [(now_ms(), 1.0)])]).status == 204


def test_slow_heads(site):
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
    with site.attack(f"{ADDRESSES * CONNECTIONS} heads without an end", limit="handshake and first head of a connection; each later head from its first byte", memory=32 * MB, p99=HONEST_P99):
        with held(site.collector.people_port, head):
            page_stays_reachable(site, SECONDS)


def large_answer(site, series, step):
    """Stores ten minutes of so many series. Returns the parameters of a query_range for all of them."""
    now = now_ms()
    for block in range(0, series, 500):
        written = [({"__name__": "x", "k": f"{i:05d}"}, [(now - 600_000 + j * 10_000, float(j)) for j in range(60)]) for i in range(block, block + 500)]
        assert site.collector.people("/api/v1/write", "POST", write_request(written), WRITE_HEADERS).status == 204
    return urllib.parse.urlencode({"query": "x", "start": (now - 600_000) / 1000, "end": now / 1000, "step": step})


def slow_reader(site, parameters):
    """A client that asks for a query_range and reads nothing of the answer."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", site.collector.people_port))
    reader.sendall(b"GET /api/v1/query_range?" + parameters.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader


def test_slow_readers():
    with AttackedSite("ingest: { local: true }\n") as site:
        parameters = large_answer(site, 2000, step=5)
        readers = []
        with site.attack("12 readers of an answer of 6 MB who read nothing", limit="answers that wait for their clients, at each listener", memory=256 * MB, p99=HONEST_P99):
            for _ in range(12):
                readers.append(slow_reader(site, parameters))
            page_stays_reachable(site, SECONDS)
        for reader in readers:
            reader.close()


def test_an_answer_that_is_too_large():
    with AttackedSite("ingest: { local: true }\n") as site:
        parameters = large_answer(site, 3000, step=0.5)
        with site.attack("an answer of 100 MB", limit="an answer", memory=400 * MB, p99=HONEST_P99) as attack:
            answer = site.collector.people("/api/v1/query_range?" + parameters)
            assert answer.status == 422 and b"gzip" in answer.body, (answer.status, answer.body[:200])
            attack.told = "422"


def test_readers_who_fill_the_room_for_answers_are_told():
    with AttackedSite("ingest: { local: true }\n") as site:
        parameters = large_answer(site, 3000, step=1)
        readers = []
        with site.attack("answers of 40 MB for readers who read nothing", limit="answers that wait for their clients, at each listener", memory=700 * MB, p99=HONEST_P99) as attack:
            for _ in range(6):
                readers.append(slow_reader(site, parameters))
            site.until(lambda: limited(site.collector, "people", "answers") > 0)
            page_stays_reachable(site, 1)
            attack.told = "503"
        for reader in readers:
            reader.close()


def test_agents_behind_one_address():
    """Each agent has its long poll and writes: they count by their certificates."""
    hosts = [f"web-{i:02d}" for i in range(30)]
    with AttackedSite(attackers=hosts) as site:
        with site.attack("30 agents behind one address, each with a long poll", limit="connections of one member", p99=HONEST_P99):
            version = Answer.json(site.attacker(hosts[0]).get_answer("/api/lapwing/v1/assignments?version="))["version"]
            polls = [site.attacker(host) for host in hosts]
            for poll in polls:
                poll.request("GET", "/api/lapwing/v1/assignments?version=" + version)
            writers = [site.attacker(host) for host in hosts]
            for _ in range(5):
                for host, writer in zip(hosts, writers):
                    assert writer.write([({"__name__": "behind"}, [(now_ms(), 1.0)])]).status == 204, host
            for connection in polls + writers:
                connection.close()


def busy(connection):
    """Begins a request on it, so that it is not idle."""
    connection.putrequest("POST", "/api/v1/write")
    for name, value in {**WRITE_HEADERS, "Content-Length": "100"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def test_too_many_connections_of_one_agent(site):
    with site.attack("20 busy connections of one agent", limit="connections of one member", p99=HONEST_P99) as attack:
        idle = [site.attacker() for _ in range(40)]
        for connection in idle:
            assert connection.write([({"__name__": "many"}, [(now_ms(), 1.0)])]).status == 204
        connections = [busy(site.attacker()) for _ in range(20)]
        time.sleep(0.5)
        surplus = site.attacker()
        surplus.request("GET", "/api/lapwing/v1/assignments?version=")
        answer = Answer(surplus.getresponse())
        assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0 and b"web-01" in answer.body, (answer.status, answer.body)
        attack.told = "429"
        for connection in idle + connections:
            connection.close()
    assert limited(site.collector, "agents", "idle") > 0 and limited(site.collector, "agents", "member") > 0


def begun(connection, body):
    """Sends the head of a write, and not yet its body."""
    connection.putrequest("POST", "/api/v1/write")
    for name, value in {**WRITE_HEADERS, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection


@contextlib.contextmanager
def stopped(process):
    """Whatever is sent meanwhile arrives at once."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def statuses(connections):
    """{status: how many}; "ended" for a connection without an answer."""
    out = {}
    for connection in connections:
        try:
            status = Answer(connection.getresponse()).status
        except (OSError, http.client.HTTPException):
            status = "ended"
        out[status] = out.get(status, 0) + 1
    return out


def test_as_many_members_as_there_may_be():
    """Most have begun a request. The others are idle, and make room for new ones, until all have begun a request. At last all these
    requests arrive at once."""
    most, idle, hosts = 1024, 24, [f"member-{i:02d}" for i in range(66)]
    body = write_request([({"__name__": "member"}, [(now_ms(), 1.0)])])
    with AttackedSite(attackers=[*hosts, "web-01"]) as site:
        turns = itertools.cycle(hosts)
        with site.attack("1,050 connections of 66 agents", limit="connections of members, at each listener", memory=160 * MB, p99=HONEST_P99) as attack:
            began = time.monotonic()
            members = [begun(site.attacker(next(turns)), body) for _ in range(most - idle)]
            for _ in range(2 * idle):
                members.append(site.attacker(next(turns)))
                assert members[-1].post("/api/v1/write", body, WRITE_HEADERS).status == 204
            ended = limited(site.collector, "agents", "idle")
            busy_ones = members[: most - idle] + [begun(connection, body) for connection in members[1 - idle :]]  # one is the honest agent's
            # Between its batches the honest agent is the only idle one: it has to make room for a moment.
            last = begun(site.attacker(), body)
            if time.monotonic() - began > 120:
                pytest.skip("the machine is so busy that the first bodies are late before the last connection is open")
            assert ended >= idle

            def refused():
                surplus = site.attacker()
                answer = surplus.get_answer("/api/lapwing/v1/assignments?version=")
                surplus.close()
                assert answer.status != 503 or (int(answer.headers["Retry-After"]) > 0 and b"too many connections" in answer.body), answer.body
                return answer.status == 503

            site.until(refused)
            last.close()
            attack.told = f"{ended:.0f} idle ones ended; 503"
        assert limited(site.collector, "agents", "members") > 0
        with site.attack("as many requests at once as there may be connections", limit="requests that wait for a thread, at each listener", memory=32 * MB, p99=HONEST_P99) as attack:
            with stopped(site.collector.process):
                for connection in busy_ones:
                    with contextlib.suppress(OSError):
                        connection.send(body)
            told = statuses(busy_ones)
            assert set(told) <= {204, 503, "ended"} and told[204] > most - 100, told
            assert told.get(503, 0) == limited(site.collector, "agents", "queue"), told
            attack.told = f"{told[204]} times 204"
        for connection in members:
            connection.close()


def test_write_requests_in_flight():
    """Of local senders, who share no limit of their own, and of agents beside them."""
    hosts = [f"web-{i:02d}" for i in range(1, 5)]
    count, unit = 90_000, sample()
    labels = label(b"__name__", b"large")
    body = packed(b"\x0a" + varint(len(labels) + count * len(unit)) + labels, unit, count)
    with AttackedSite("ingest: { local: true, agent: { max_samples_per_second: 100000000 } }\n", attackers=hosts) as site:
        with site.attack("40 local senders and 16 requests of 4 agents at once, each with 90,000 samples", limit="write requests in flight", memory=160 * MB, p99=HONEST_P99) as attack:
            told = {}

            def burst():
                local = [http.client.HTTPConnection("127.0.0.1", site.collector.people_port, timeout=60) for _ in range(40)]
                agents = [begun(site.attacker(host), body) for host in hosts for _ in range(4)]
                for connection in local:
                    connection.connect()
                with stopped(site.collector.process):
                    for connection in agents:
                        connection.send(body)
                    for connection in local:
                        connection.request("POST", "/api/v1/write", body, WRITE_HEADERS)
                for connection in [*local, *agents]:
                    answer = Answer(connection.getresponse())
                    assert answer.status in (204, 503), (answer.status, answer.body)
                    assert answer.status == 204 or (answer.headers["Retry-After"] == "1" and b"too many requests at once" in answer.body), answer.body
                    told[answer.status] = told.get(answer.status, 0) + 1
                    connection.close()
                return 503 in told

            site.until(burst)
            attack.told = f"{told[503]} of {sum(told.values())} times 503"


def test_too_many_long_polls_of_one_agent(site):
    with site.attack("5 long polls of one agent", limit="long polls of one agent", p99=HONEST_P99) as attack:
        version = site.attacker().get_answer("/api/lapwing/v1/assignments?version=").json()["version"]
        polls = [site.attacker() for _ in range(5)]
        for poll in polls:
            poll.request("GET", "/api/lapwing/v1/assignments?version=" + version)
            time.sleep(0.2)
        answer = Answer(polls[-1].getresponse())
        assert answer.status == 429 and answer.headers["Retry-After"] == "30"
        attack.told = "429"
        for poll in polls:
            poll.close()


def test_bodies_that_do_not_end(site):
    """Bodies are counted by the bytes that have arrived, for each member."""
    with site.attack("5 bodies of 8 MB without their ends, of one agent", limit="bodies that are being read, at each listener", memory=48 * MB, p99=HONEST_P99) as attack:
        connections = []
        refused = None
        for _ in range(5):
            connection = site.attacker()
            connection.putrequest("POST", "/api/v1/write")
            for name, value in {**WRITE_HEADERS, "Content-Length": str(8 * MB)}.items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                connection.send(b"x" * (6 * MB))
            except OSError:
                pass  # it is refused meanwhile
            connections.append(connection)
        site.until(lambda: limited(site.collector, "agents", "bodies") > 0)
        for connection in connections:
            connection.sock.settimeout(2)
            try:
                refused = Answer(connection.getresponse())
                break
            except OSError:
                continue
        assert refused is not None and refused.status == 429 and refused.headers["Retry-After"], refused
        attack.told = "429"
        for connection in connections:
            connection.close()


def test_without_descriptors():
    """accept() fails for want of descriptors: strangers make room, and the processor is not busy."""
    with AttackedSite() as site:
        process = site.collector.process
        with site.attack("more connections than descriptors", limit="descriptors of the process", p99=HONEST_P99) as attack:
            used = len(os.listdir(f"/proc/{process.pid}/fd"))
            members = []
            for _ in range(10):
                member = site.attacker()
                assert member.write([({"__name__": "member"}, [(now_ms(), 1.0)])]).status == 204
                members.append(member)
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 20, hard))
            idle = []
            for i in range(60):
                client = socket.socket()
                client.bind((f"127.0.2.{i + 1}", 0))
                client.connect(("127.0.0.1", site.collector.agents_port))
                idle.append(client)
            site.until(lambda: "descriptors are used up" in site.collector.log_text())
            ticks = os.sysconf("SC_CLK_TCK")
            fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
            before, began = int(fields[11]) + int(fields[12]), time.monotonic()
            time.sleep(2)
            fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
            share = (int(fields[11]) + int(fields[12]) - before) / ticks / (time.monotonic() - began)
            attack.told = f"{share * 100:.0f} % of a processor"
            assert share < 0.8, share
            for client in idle:
                client.close()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            site.until(lambda: site.attacker().write([({"__name__": "after"}, [(now_ms(), 1.0)])]).status == 204)
        for member in members:
            member.close()


def test_stopping_with_many_open_connections():
    collector = Collector()
    try:
        bundle = collector.enrol("web-01")
        collector.start()
        clients = []
        for _ in range(150):
            client = socket.create_connection(("127.0.0.1", collector.people_port), 10)
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(10)
            clients.append(client)
        for payload in (b"", b"GET / HTTP/1.1\r\nX: ", b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx"):
            for _ in range(10):
                client = socket.create_connection(("127.0.0.1", collector.people_port), 10)
                client.sendall(payload)
                clients.append(client)
        polls = [collector.agent(bundle) for _ in range(3)]
        version = collector.agent(bundle).get_answer("/api/lapwing/v1/assignments?version=").json()["version"]
        for poll in polls:
            poll.request("GET", "/api/lapwing/v1/assignments?version=" + version)
        # The requests of an agent are handled in their order: after this answer the polls wait, or are about to.
        assert collector.agent(bundle).get_answer("/api/lapwing/v1/assignments?version=").status == 200
        time.sleep(2)
        began = time.monotonic()
        collector.process.send_signal(signal.SIGTERM)
        # A waiting poll still gets its answer.
        assert Answer(polls[0].getresponse()).status == 304
        assert collector.process.wait(10) == 0
        assert time.monotonic() - began < 5
        for client in clients:
            client.close()
    finally:
        collector.close()


def test_members_do_not_renegotiate_or_resume(site):
    """A renegotiation would cost a handshake each time; a resumed session would skip the check of the certificate's dates."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=site.bundles["web-01"])
    context.load_cert_chain(site.bundles["web-01"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        session = None
        for _ in range(3):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", site.collector.agents_port), 10), server_hostname=NAME, session=session) as client:
                client.sendall(b"GET /api/lapwing/v1/assignments?version= HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b" 200 " in client.recv(100)
                assert not client.session_reused
                session = client.session


def test_a_body_that_trickles(site):
    """It began before the other tests of this file."""
    with site.attack("a body that trickles", limit="time for a body, for the work, and for reading the answer", p99=HONEST_P99) as attack:
        site.trickle.join(120)
        # 35 s by the clock of the collector.
        assert site.trickle.lasted and 25 < site.trickle.lasted < 120, site.trickle.lasted
        attack.told = f"ended after {site.trickle.lasted:.0f} s"
    site.until(lambda: limited(site.collector, "people", "late") > 0)
