"""The collector answers requests that no agent would send with a clear error, and stores nothing of them."""

import base64
import http.client
import ssl
import time

from lab import COLLECTOR, PAGE_PASSWORD_FILE, query, until, value
from remote_write import HEADERS, Writer, context, snappy, varint, write_request

NAME = ("__name__", "lapwing_bad")


def now():
    return int(time.time() * 1000)


def refused(answer, *statuses):
    status, text = answer
    assert status in statuses, f"answered {status} and not {statuses}: {text[:200]}"
    assert text.strip(), f"{status} without a word of why"


def plain(labels, points=None):
    return snappy(write_request([(labels, points or [(now(), 1.0)])]))


def test_malformed_writes():
    writer = Writer("writer-2")
    good = [NAME, ("case", "good")]
    for what, body in {
        "not snappy": b"this is not snappy",
        "empty": b"",
        "truncated snappy": plain(good)[:-5],
        "a declared length that is too small": snappy(write_request([(good, [(now(), 1.0)])]), declared=3),
        "a declared length that is too large": snappy(write_request([(good, [(now(), 1.0)])]), declared=5000),
        "truncated protobuf": snappy(write_request([(good, [(now(), 1.0)])])[:-3]),
        "not protobuf": snappy(b"\xff" * 40),
        "a field that claims to be longer than the message": snappy(b"\x0a" + varint(1 << 20)),
        "no name": plain([("case", "no name")]),
        "a label twice": plain([NAME, ("case", "a"), ("case", "b")]),
        "an empty label name": plain([("", "x"), NAME]),
        "a name that is not UTF-8": snappy(write_request([([NAME, ("case", "X")], [(now(), 1.0)])]).replace(b"X", b"\xff")),
        "a time far in the future": plain([NAME, ("case", "future")], [(now() + 86_400_000_000, 1.0)]),
    }.items():
        status, text = writer.post(body)
        assert status == 400, f"{what}: answered {status}: {text[:200]}"
        assert text.strip(), f"{what}: 400 without a word of why"


def test_oversized_writes():
    writer = Writer("writer-2")
    # It declares four gigabytes. The collector must refuse before it allocates them.
    began = time.monotonic()
    refused(writer.post(varint(0xFFFFFFFF) + b"\x00" * 100), 400, 413)
    assert time.monotonic() - began < 2
    try:
        refused(Writer("writer-2").post(b"\x00" * (64 << 20)), 413)
    except OSError:
        pass  # it may close the connection while the rest is still on its way
    try:
        refused(Writer("writer-2").post(b"\x00" * (2 << 20), path="/api/lapwing/v1/documents?kind=ruleset"), 413)
    except OSError:
        pass
    resident = value('process_resident_memory_bytes{job="collector"}')
    assert resident < 100 << 20, f"the collector grew to {resident / 1e6:.0f} MB"


def test_other_wrong_requests():
    writer = Writer("writer-2")
    body = plain([NAME, ("case", "other")])
    refused(writer.post(body, headers={**HEADERS, "Content-Type": "text/plain"}), 415, 400)
    refused(writer.post(body, headers={**HEADERS, "Content-Encoding": "gzip"}), 415, 400)
    refused(writer.post(body, headers={**HEADERS, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"}), 415)
    refused(writer.post(b"", method="GET", headers={}), 405)
    refused(writer.post(b"", path="/api/v1/nothing", headers={}), 404)
    refused(writer.post(b"x", path="/api/lapwing/v1/documents?kind=../../etc", headers={}), 400)


def test_a_writer_cannot_speak_for_another():
    refused(Writer("writer-2").post(plain([NAME, ("agent", "web-01"), ("case", "forged")][:1] +
                                          [("agent", "web-01"), ("case", "forged")])), 403)


def test_strangers_are_kept_out():
    def attempt(tls):
        connection = http.client.HTTPSConnection(COLLECTOR, 9766, timeout=5, context=tls)
        try:
            connection.request("POST", "/api/v1/write", body=plain([NAME, ("case", "stranger")]), headers=HEADERS)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
    assert attempt(context()) in (None, 401, 403), "without a certificate"
    assert attempt(context(self_signed())) in (None, 401, 403), "with a certificate that anybody could make"
    connection = http.client.HTTPConnection(COLLECTOR, 9766, timeout=5)
    try:
        connection.request("POST", "/api/v1/write", body=b"", headers=HEADERS)
        assert connection.getresponse().status >= 400, "without TLS"
    except (OSError, http.client.HTTPException):
        pass


def self_signed():
    import subprocess
    return subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                           "-subj", "/CN=web-01", "-days", "1", "-keyout", "-", "-out", "-"],
                          check=True, capture_output=True, text=True).stdout


def test_the_page_wants_a_credential_off_loopback():
    def ask(method, path, credential=None):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(COLLECTOR, 9765, timeout=10, context=tls)
        headers = {"Authorization": "Basic " + base64.b64encode(credential.encode()).decode()} if credential else {}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, text
    password = PAGE_PASSWORD_FILE.read_text(encoding="ascii").strip()
    for path in ("/", "/api/v1/query?query=1", "/api/lapwing/v1/findings"):
        refused(ask("GET", path), 401)
        refused(ask("GET", path, "lapwing:wrong"), 401)
        refused(ask("GET", path, "nobody:" + password), 401)
        status, text = ask("GET", path, "lapwing:" + password)
        assert status == 200 and text, f"{path} answers {status} to the right credential"
    status, _ = ask("POST", "/api/v1/write", "lapwing:" + password)
    assert status in (403, 404, 405), f"the people's listener takes writes: {status}"
    status, text = ask("GET", "/api/v1/query?query=sum(", "lapwing:" + password)
    assert status == 400 and "bad_data" in text, text


def test_nothing_of_it_is_stored():
    # Once a later write of the same writer is stored, an earlier one would be, too.
    assert Writer("writer-2").write([([("__name__", "lapwing_fine")], [(now(), 1.0)])])[0] // 100 == 2
    until(lambda: query("lapwing_fine"), 15, "a good write is there")
    stored = query('count by (case) (last_over_time(lapwing_bad[1h]))')
    assert not stored, f"stored: {stored}"
