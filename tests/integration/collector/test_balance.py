"""R13 on a real HAProxy: a slow server that accepts one request at a time gets less than its share of round robin. Without that
limit, the shares are even. The collector counts requests over ten minutes."""

import http.client
import http.server
import subprocess
import threading
import time

import pytest
from harness import Collector, free_port
from reference import eventually

pytestmark = pytest.mark.long
VISITORS = 4
PAUSE = 0.2
LONGEST = 45 * 60
SERVERS = {"web-01": 0.0, "web-02": 0.4}  # seconds that each takes to answer

collector = Collector()
site_port = free_port()
over = threading.Event()


def backend(seconds):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


haproxy = None
PORTS = {name: backend(seconds) for name, seconds in SERVERS.items()}


def start_haproxy(limit):
    with open(collector.path("haproxy.cfg"), "w") as out:
        out.write(f"global\n  stats socket {collector.path('haproxy.sock')} level operator\n"
                  "defaults\n  mode http\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n  timeout queue 10s\n"
                  f"frontend visitors\n  bind 127.0.0.1:{site_port}\n  default_backend site\n"
                  "backend site\n  balance roundrobin\n"
                  f"  server web-01 127.0.0.1:{PORTS['web-01']}\n  server web-02 127.0.0.1:{PORTS['web-02']} {limit}\n")
    return subprocess.Popen(["haproxy", "-db", "-f", collector.path("haproxy.cfg")])


def visit():
    end = time.monotonic() + LONGEST
    while not over.wait(PAUSE) and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", site_port, timeout=20)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            pass  # HAProxy is being started anew
        finally:
            connection.close()


def uneven():
    found = [each for each in collector.people("/api/lapwing/v1/findings").json()["data"] if each["id"] == "R13"]
    return found[0] if found else None


@pytest.fixture(scope="module", autouse=True)
def running():
    global haproxy
    agent = None
    visitors = [threading.Thread(target=visit) for _ in range(VISITORS)]
    try:
        collector.start()
        haproxy = start_haproxy("maxconn 1")
        agent = collector.start_agent("lb-01", {"haproxy": f"[ {{ instance: lb-01, socket: {collector.path('haproxy.sock')} }} ]"})
        for visitor in visitors:
            visitor.start()
        yield
    finally:
        over.set()
        for visitor in visitors:
            if visitor.is_alive():
                visitor.join()
        for process in (agent, haproxy):
            if process:
                process.terminate()
                process.wait(20)
        collector.close()


def test_a_server_that_is_passed_over_is_found():
    finding = eventually(uneven, 14 * 60)
    assert finding["subject"] == "lb-01/site" and finding["severity"] == "medium", finding
    evidence = str(finding["evidence"])
    assert "site/web-02 got" in evidence and "it is due 50 %" in evidence, finding
    assert "maxconn" in finding["remedy"], finding


def test_without_the_limit_round_robin_is_even():
    global haproxy
    haproxy.terminate()
    haproxy.wait(20)
    haproxy = start_haproxy("")
    eventually(lambda: not uneven(), 14 * 60)

