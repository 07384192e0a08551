"""The agents' listener refuses wrong requests with a clear answer and stores nothing of them."""

import os
import socket
import ssl
import subprocess
import time

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, varint, write_request

collector = Collector()
good = None  # the bundle of web-01


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=collector.directory)


def other_ca():
    """A certificate for web-01 from another CA of the same name."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=Lapwing collector CA", "-days", "9", "-keyout", "other.key", "-out", "other.crt")
    return signed("other.crt", "other.key", "foreign", "/CN=web-01", "clientAuth", "-days", "9")


def signed(ca_cert, ca_key, name, subject, usage, *validity):
    with open(collector.path(name + ".ext"), "w") as out:
        out.write(f"extendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout",
            name + ".key", "-out", name + ".csr")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca_cert, "-CAkey", ca_key, "-CAcreateserial", "-out",
            name + ".crt", "-extfile", name + ".ext", *validity)
    return collector.path(name + ".crt"), collector.path(name + ".key")


def series(metric, **labels):
    return [({"__name__": metric, "job": "test", "instance": "web-01", **labels}, [(now_ms(), 1.0)])]


def stored(metric):
    return collector.query(metric)


def refused_handshake(metric, cert=None, key=None):
    """The TLS library reports, at the handshake or at the first read, that the collector rejects the client."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=good)
    if cert:
        context.load_cert_chain(cert, key)
    from harness import AgentConnection
    try:
        answer = AgentConnection(collector.agents_port, context).write(series(metric))
    except (ssl.SSLError, ConnectionError) as error:
        assert stored(metric) == []
        return str(error)
    raise AssertionError(f"was answered {answer.status}")


@pytest.fixture(scope="module", autouse=True)
def running():
    global good
    try:
        good = collector.enrol("web-01")
        collector.start()
        yield
    finally:
        collector.close()


def test_enrolled_agent_is_accepted():
    answer = collector.agent(good).write(series("accepted"))
    assert answer.status == 204, (answer.status, answer.body)
    received, sent = map(int, answer.headers["X-Lapwing-Time"].split())
    assert received <= sent and abs(received / 1e6 - time.time()) < 10
    [found] = stored("accepted")
    assert found["metric"]["agent"] == "web-01", found


def test_no_certificate():
    connection = collector.stranger()
    answer = connection.write(series("without_certificate"))
    assert answer.status == 403 and b"a client certificate is needed" in answer.body, (answer.status, answer.body)
    assert stored("without_certificate") == []


def test_wrong_authority():
    refused_handshake("wrong_authority", *other_ca())


def test_expired_certificate():
    pair = signed("data/ca/ca.crt", "data/ca/ca.key", "expired", "/CN=web-01", "clientAuth", "-days", "-1")
    # The handshake leaves the judgement to the site's time, which no single clock sets.
    for clock in ({}, {"X-Lapwing-Clock": str(now_ms())}):
        answer = collector.agent(*pair, ca=good).write(series("expired"), **clock)
        assert answer.status == 403 and "the certificate has expired" in answer.body.decode(), (answer.status, answer.body)
    assert stored("expired") == []


def test_server_certificate_as_client():
    refused_handshake("server_as_client", collector.path("data/ca/server.crt"), collector.path("data/ca/server.key"))


def test_agent_certificate_as_server():
    """An agent cannot pose as the collector: its certificate is for clients, and names no collector."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(good)
    client = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=good)
    pid = os.fork()
    if pid == 0:
        try:
            server.wrap_socket(listener.accept()[0], server_side=True).recv(1)
        except OSError:
            pass
        os._exit(0)
    try:
        client.check_hostname = False
        client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="lapwing-collector")
    except ssl.SSLCertVerificationError as error:
        assert "purpose" in str(error), error
    else:
        raise AssertionError("was taken for a collector")
    finally:
        listener.close()
        os.waitpid(pid, 0)


def test_plain_http():
    with socket.create_connection(("127.0.0.1", collector.agents_port), 10) as raw:
        raw.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.0 400 ") and b"HTTPS" in answer, answer


def test_certificate_that_names_no_host():
    pair = signed("data/ca/ca.crt", "data/ca/ca.key", "odd", "/CN=..", "clientAuth", "-days", "9")
    answer = collector.agent(pair[0], pair[1], ca=good).write(series("odd_name"))
    assert answer.status == 403 and b"host" in answer.body, (answer.status, answer.body)
    assert stored("odd_name") == []


def test_another_agents_samples():
    answer = collector.agent(good).write(series("claimed", agent="web-02"))
    assert answer.status == 403 and b"web-02" in answer.body, (answer.status, answer.body)
    assert stored("claimed") == []


def test_malformed():
    agent = collector.agent(good)
    for body in (b"", b"nonsense", varint(10) + b"\x00", write_request(series("malformed"))[:-3]):
        answer = agent.post("/api/v1/write", body, WRITE_HEADERS)
        assert answer.status == 400 and answer.body.strip(), (body, answer.status, answer.body)
    assert stored("malformed") == []


def test_declared_huge():
    """Four bytes that announce four gigabytes: refused before anything is allocated."""
    before = resident()
    answer = collector.agent(good).post("/api/v1/write", varint(0xFFFFFFFF) + b"\x00" * 8, WRITE_HEADERS)
    assert answer.status in (400, 413) and answer.body.strip(), (answer.status, answer.body)
    assert resident() - before < 64 << 20


def test_oversized():
    agent = collector.agent(good)
    agent.putrequest("POST", "/api/v1/write")
    for name, value in {**WRITE_HEADERS, "Content-Length": str(1 << 30)}.items():
        agent.putheader(name, value)
    agent.endheaders()
    answer = agent.getresponse()
    assert answer.status == 413, answer.status
    assert answer.read().strip()
    assert answer.headers["Connection"].lower() == "close"


def test_oversized_document():
    answer = collector.agent(good).post("/api/lapwing/v1/documents?kind=ruleset", b"x" * ((1 << 20) + 1), {})
    assert answer.status == 413, (answer.status, answer.body)


def test_answered_while_it_still_sends():
    """A client that still sends after its refusal gets the answer, not a reset."""
    agent = collector.agent(good)
    size = 3 << 20
    agent.putrequest("POST", "/api/lapwing/v1/documents?kind=ruleset")
    agent.putheader("Content-Length", str(size))
    agent.endheaders()
    for _ in range(3):
        time.sleep(0.1)
        agent.send(b"x" * (size // 3))
    answer = agent.getresponse()
    assert answer.status == 413 and answer.read().strip(), answer.status


def test_document_is_kept_by_digest():
    import hashlib
    body = b'{"nftables": []}'
    answer = collector.agent(good).post("/api/lapwing/v1/documents?kind=ruleset", body, {})
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.body.strip().decode() == hashlib.sha256(body).hexdigest(), answer.body


def test_header_without_end():
    """The collector refuses a header without an end, and does not grow."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=good)
    context.load_cert_chain(good)
    before = resident()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", collector.agents_port), 20),
                             server_hostname="lapwing-collector") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\n")
        line = b"X-%d: " + b"a" * 4000 + b"\r\n"
        try:
            for number in range(5000):
                tls.sendall(line % number)
            answer = tls.recv(64)
        except OSError:
            answer = b""
    assert answer == b"" or b" 400 " in answer, answer
    assert resident() - before < 16 << 20


def test_trickle():
    """A client that sends single bytes is cut off at the deadline. Other clients are served meanwhile."""
    slow = socket.create_connection(("127.0.0.1", collector.people_port), 30)
    slow.sendall(b"GET / HTTP/1.1\r\n")
    begin = time.monotonic()
    try:
        while time.monotonic() - begin < 20:
            slow.sendall(b"X")
            assert collector.people("/-/healthy").status == 200
            time.sleep(0.5)
    except OSError:
        pass
    assert 5 < time.monotonic() - begin < 15, time.monotonic() - begin


def test_many_idle_connections():
    """The collector still serves agents beside more silent connections than it has threads."""
    idle = [socket.create_connection(("127.0.0.1", collector.agents_port)) for _ in range(90)]
    try:
        begin = time.monotonic()
        assert collector.agent(good).write(series("beside_idle")).status in (204,)
        assert time.monotonic() - begin < 15
    except (ConnectionError, ssl.SSLError):
        # The address has used its share of connections. It gets a turn once they have ended.
        time.sleep(11)
        assert collector.agent(good).write(series("beside_idle")).status == 204
    finally:
        for each in idle:
            each.close()


def test_unknown_paths_and_methods():
    assert collector.agent(good).get_answer("/api/v1/query?query=up").status == 404
    answer = collector.agent(good).get_answer("/api/v1/write")
    assert answer.status == 405 and answer.headers["Allow"] == "POST"


def test_assignments():
    answer = collector.agent(good).get_answer("/api/lapwing/v1/assignments?version=")
    assert answer.status == 200 and set(answer.json()) >= {"version", "attempts", "canary"}, answer.body


def test_no_local_ingest_unless_configured():
    answer = collector.people("/api/v1/write", "POST", write_request(series("local")), WRITE_HEADERS)
    assert answer.status == 404, answer.status
    assert stored("local") == []


def resident():
    with open(f"/proc/{collector.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
