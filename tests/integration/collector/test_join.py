"""A server joins in one command: real collectors and agents, and those who should not get in."""

import base64
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest
from harness import NAME, PROBES, PROGRAM, Collector
from reference import eventually

AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
JOIN = "/api/lapwing/v1/join"


@pytest.fixture(scope="module")
def collector():
    made = Collector()
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(prefix="lapwing-join-") as directory:
        yield Server(directory)


class Server:
    """A server with an agent that has not joined yet."""

    def __init__(self, directory):
        self.directory = directory
        self.pem, self.fragment = self.path("agent.pem"), self.path("agent.d/10-join.yaml")
        wanted = ", ".join(f"{probe}: {'on' if probe == 'node' else 'off'}" for probe in PROBES)
        with open(self.path("agent.yaml"), "w") as out:
            out.write(f"data: {self.path('data')}\nstatus_socket: {self.path('sock')}\nattempts: off\ncanary: off\n"
                      f"probes: {{ {wanted} }}\n")
        os.mkdir(self.path("data"))
        self.before = self.files()

    def path(self, name):
        return os.path.join(self.directory, name)

    def files(self):
        return sorted(os.path.join(place, name) for place, directories, files in os.walk(self.directory)
                      for name in files + directories)

    def command(self, *arguments):
        return [AGENT, "--config", self.path("agent.yaml"), *arguments]

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60)

    def join(self, text, *arguments):
        return self.run("join", text, "--no-start", *arguments)

    def refused(self, text, *arguments, code=2):
        """The one line that explains why this server cannot join; it is as it was before."""
        done = self.join(text, *arguments)
        assert (done.returncode, done.stdout) == (code, ""), (done.returncode, done.stdout, done.stderr)
        assert self.files() == self.before
        return done.stderr


def request_of(path):
    """A request for a certificate with a new key."""
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-keyout", path + ".key", "-out", path + ".csr"], check=True, capture_output=True)
    with open(path + ".csr") as pem:
        return pem.read()


def secret_of(text):
    payload = text.split(".", 1)[1]
    return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))[:16].hex()


def post(collector, body, source=None, path=JOIN, headers=None):
    connection = collector.stranger(source)
    try:
        return connection.post(path, body if isinstance(body, (str, bytes)) else json.dumps(body), headers or {})
    finally:
        connection.close()


def answered(collector):
    """How many requests of agents were answered."""
    text = collector.people("/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("lapwing_collector_http_requests_total{") and 'listener="agents"' in line)


def test_a_server_joins_and_leaves(collector, server):
    joining = subprocess.Popen(server.command("join", collector.invite("web-01"), "--no-start", "--wait", "30"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    agent = None
    try:
        eventually(lambda: os.path.exists(server.fragment), 10)
        assert server.run("check-config").returncode == 0
        agent = subprocess.Popen(server.command("run"), stderr=subprocess.DEVNULL)
        out, err = joining.communicate(timeout=60)
    finally:
        joining.kill()
        if agent:
            agent.terminate()
            agent.wait(20)
    assert joining.returncode == 0, (out, err)
    assert f"web-01 has joined the collector at https://127.0.0.1:{collector.agents_port}" in out, out
    assert "has acknowledged its first samples" in out and "\n  node       web-01\n" in out, out
    [found] = collector.query('max_over_time(up{job="node",instance="web-01"}[5m])')
    assert found["metric"]["agent"] == "web-01", found
    assert os.stat(server.pem).st_mode & 0o037 == 0
    assert "web-01 has joined, from 127.0.0.1" in collector.log_text()
    [listed] = [each for each in json.loads(collector.run("invite", "--list", "--json").stdout)["data"] if each["host"] == "web-01"]
    assert (listed["state"], listed["joined"]) == ("used", ["web-01"]), listed

    left = server.run("leave", "--no-stop")
    assert left.returncode == 0 and "lapwing-collector forget web-01" in left.stdout, (left.stdout, left.stderr)
    assert not os.path.exists(server.pem) and not os.path.exists(server.fragment)
    again = server.run("leave", "--no-stop")
    assert again.returncode == 0 and "has not joined" in again.stdout, (again.stdout, again.stderr)


def test_the_string_may_come_from_the_standard_input_and_the_name_from_the_configuration(collector, server):
    with open(server.path("agent.yaml"), "a") as config:
        config.write("host: db1\n")
    umask = os.umask(0o077)
    try:
        done = subprocess.run(server.command("join", "-", "--no-start"), input=f"  '{collector.invite('--many', '10m')}'\n", capture_output=True,
                              text=True, timeout=60)
    finally:
        os.umask(umask)
    assert done.returncode == 0 and done.stdout.startswith("db1 has joined"), (done.stdout, done.stderr)
    # The agent's user reads them, whatever root's umask.
    assert os.stat(os.path.dirname(server.fragment)).st_mode & 0o777 == 0o755
    assert os.stat(server.fragment).st_mode & 0o777 == 0o644
    assert subprocess.run(server.command("join", "-", "--no-start"), input="", capture_output=True, timeout=60).returncode == 2


def test_an_agent_that_does_not_deliver_is_told(collector, server):
    done = server.join(collector.invite("silent"), "--wait", "1")
    assert done.returncode == 1 and "no samples within 1 s" in done.stderr, (done.stdout, done.stderr)


def test_a_secret_serves_one_key(collector, server):
    text = collector.invite("once")
    assert server.join(text).returncode == 0
    with tempfile.TemporaryDirectory(prefix="lapwing-join-") as other:
        error = Server(other).refused(text)
    assert "the invitation was used already" in error and "lapwing-collector invite once" in error, error


def test_a_lost_answer_can_be_asked_for_again(collector, server):
    text = collector.invite("lost")
    asked = {"host": "lost", "secret": secret_of(text), "request": request_of(server.path("data/one"))}
    first, second = post(collector, asked), post(collector, asked)
    assert (first.status, second.status) == (200, 200), (first.body, second.body)
    assert b"BEGIN CERTIFICATE" in first.body and b"PRIVATE KEY" not in first.body
    asked["request"] = request_of(server.path("data/two"))
    assert post(collector, asked).status == 403


def test_an_invitation_ends(collector, server):
    text = collector.invite("--many", "1s")
    time.sleep(1.1)
    assert "the invitation has expired" in server.refused(text, "--host", "late")


def test_an_invitation_is_for_its_host(collector, server):
    text = collector.invite("right")
    assert "is for right, not for wrong" in server.refused(text, "--host", "wrong")
    assert server.join(text).returncode == 0


def test_a_newer_invitation_replaces_the_older(collector, server):
    old, new = collector.invite("twice"), collector.invite("twice")
    assert "knows no such invitation" in server.refused(old)
    ended = collector.run("invite", "--revoke", "twice")
    assert ended.returncode == 0, ended.stderr
    assert "knows no such invitation" in server.refused(new)
    assert collector.run("invite", "--revoke", "twice").returncode == 2


def test_one_string_serves_several_hosts(collector, server):
    collector.enrol("present")
    text = collector.invite("--many", "10m")
    assert "has a certificate already" in server.refused(text, "--host", "present")
    for host in ("many-01", "many-02"):
        with tempfile.TemporaryDirectory(prefix="lapwing-join-") as directory:
            assert Server(directory).join(text, "--host", host).returncode == 0
    assert "was used already" in server.refused(text, "--host", "many-02")
    assert "cannot be a host's name" in server.refused(text, "--host", "Not A Name")


def test_the_collector_may_restart_meanwhile(collector, server):
    text = collector.invite("restarted")
    collector.stop()
    try:
        error = server.refused(text, code=3)
        assert "the collector cannot be reached" in error and len(error.splitlines()) == 1, error
    finally:
        collector.start()
    assert server.join(text).returncode == 0


def test_another_collector_gets_nothing(server):
    """It has the same name and the same port, and another CA."""
    right, wrong = Collector(), Collector()
    try:
        text = right.start().invite("web-01")
        right.stop()
        wrong.agents_port = right.agents_port
        wrong.write_config("")
        wrong.start()
        before = answered(wrong)
        error = server.refused(text, code=3)
        assert "another collector answers there, and nothing was sent to it" in error, error
        assert len(error.splitlines()) == 1
        assert answered(wrong) == before
    finally:
        right.close()
        wrong.close()


def test_a_stolen_ca_certificate_does_not_help(server):
    """Somebody in the way presents the right CA's certificate beside one of their own: they get no byte of a request."""
    right = Collector()
    received = []
    try:
        text = right.start().invite("web-01")
        right.stop()
        own = server.path("data/own")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", own + ".key", "-out", own + ".crt"],
                       check=True, capture_output=True)
        with open(own + ".crt", "a") as chain, open(right.path("data/ca/ca.crt")) as ca:
            chain.write(ca.read())
        server.before = server.files()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own + ".crt", own + ".key")
        with socket.create_server(("127.0.0.1", right.agents_port)) as listener:
            listener.settimeout(20)
            ended = threading.Event()

            def serve():
                while not ended.is_set():
                    try:
                        raw, _ = listener.accept()
                        raw.settimeout(5)
                        with context.wrap_socket(raw, server_side=True) as tls:
                            received.append(tls.recv(4096))
                    except OSError as error:
                        received.append(str(error))

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            error = server.refused(text, code=3)
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
        assert "cannot be reached" in error and "certificate" in error, error
        assert received and not any(isinstance(each, bytes) and each for each in received), received
    finally:
        right.close()


# It attacks "failed attempts to join, of an address (over IPv6, its /64) and of all".
def test_who_guesses_waits(collector):
    """As at a login: an address after ten failures, and all that have failed after twenty."""
    guess = {"host": "web-01", "secret": "0" * 32, "request": "x"}
    for _ in range(10):
        assert post(collector, guess, "127.0.0.9").status == 403
    waits = post(collector, guess, "127.0.0.9")
    assert waits.status == 429 and 1 <= int(waits.headers["Retry-After"]) <= 2, waits.body
    assert post(collector, guess, "127.0.0.10").status == 403
    for _ in range(9):
        assert post(collector, guess, "127.0.0.10").status == 403
    # After twenty failures from anywhere, one of its own is enough.
    assert post(collector, guess, "127.0.0.11").status == 403
    assert post(collector, guess, "127.0.0.11").status == 429
    assert "127.0.0.9 may not join: the collector knows no such invitation" in collector.log_text()
    assert guess["secret"] not in collector.log_text()


def test_malformed_requests_store_nothing(collector, server):
    text = collector.invite("malformed")
    good = {"host": "malformed", "secret": secret_of(text), "request": request_of(server.path("data/one"))}
    before = sorted(os.listdir(collector.path("data/ca/agents")))
    # Each from an address that has not failed yet.
    sources = (f"127.0.0.{number}" for number in range(20, 250))
    for body in ("", "garbage", b"\x00\xff" * 100, "[]", "{", '{"host":', "[" * 10000):
        assert post(collector, body, next(sources)).status == 400, body
    for change in ({"request": "garbage"}, {"request": good["request"][:-60]}, {"request": 7}, {"host": "../../x"}, {"host": ""},
                   {"host": None}, {"secret": None}, {"secret": [good["secret"]]}):
        assert post(collector, {**good, **change}, next(sources)).status in (400, 403), change
    assert sorted(os.listdir(collector.path("data/ca/agents"))) == before
    assert post(collector, good).status == 200


# It attacks "a request to join".
def test_a_stranger_may_join_and_nothing_else(collector):
    assert post(collector, b"x" * (16 * 1024 + 1)).status == 413
    for path in ("/api/v1/write", "/api/lapwing/v1/documents?kind=x", "/api/lapwing/v1/renew", "/", JOIN + "/"):
        answer = post(collector, "x", path=path)
        assert answer.status == 403 and b"a client certificate is needed" in answer.body, (path, answer.body)
    connection = collector.stranger()
    answer = connection.get_answer(JOIN)
    assert answer.status == 405 and answer.headers["Allow"] == "POST"
    assert answer.headers["Connection"] == "close"
    connection.close()
    connection = collector.stranger()
    connection.request("POST", JOIN, iter([b"x" * 10]), {"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 411
    connection.close()


def test_a_directory_that_takes_no_files_costs_no_invitation(collector, server):
    text = collector.invite("unwritable")
    with open(server.path("agent.d"), "w"):
        pass
    server.before = server.files()
    error = server.refused(text)
    assert "Nothing was sent" in error and "agent.d" in error, error
    os.remove(server.path("agent.d"))
    assert server.join(text).returncode == 0


def test_bad_strings_and_addresses_are_refused_here(server):
    for text in ("", "x", "lapwing1.", "lapwing1.AAAA", "lapwing2.AAAA", "lapwing1." + "A" * 5000, "'", "lapwing1.\n"):
        error = server.refused(text)
        assert "no string of `lapwing-collector invite`" in error and len(error.splitlines()) == 1, (text, error)


def test_changes_need_an_agent_to_look_at(collector, server):
    text = collector.invite("changer")
    assert "--apply changes services that systemd runs" in server.refused(text, "--apply", "--yes")
    done = server.run("join", text, "--yes")
    assert done.returncode == 2 and "--apply" in done.stderr and server.files() == server.before, done
    assert server.join(text).returncode == 0, "the invitation is as good as before"


def test_invite_takes_a_host_or_a_time(collector):
    assert collector.invite("--address", "203.0.113.5", "order")
    for arguments in ((), ("web-01", "--many", "10m"), ("Web",), ("--many", "soon"), ("--many", "2d"), ("web-01", "--address", ":1")):
        done = collector.run("invite", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), (arguments, done)
    other = Collector()
    try:
        assert other.run("invite", "web-01").returncode == 3
    finally:
        other.close()


def test_addresses_come_from_the_configuration_and_its_directory():
    collector = Collector("")
    try:
        os.mkdir(collector.path("collector.d"))
        with open(collector.path("collector.d/10-names.yaml"), "w") as out:
            out.write("agents: { names: [ mon.example.org ] }\n")
        collector.start()
        done = collector.run("invite", "web-01", "--address", "192.0.2.7")
        port = collector.agents_port
        assert f"192.0.2.7:{port}, mon.example.org:{port} and 127.0.0.1:{port}" in done.stderr, done.stderr
        with open(collector.path("collector.d/20-wrong.yaml"), "w") as out:
            out.write("# one line\nagent: { names: x }\n")
        checked = collector.run("check-config")
        assert checked.returncode == 2
        assert checked.stderr == f'{collector.path("collector.d/20-wrong.yaml")}:2:1: unknown key "agent"; did you mean "agents"?\n'
    finally:
        collector.close()
