"""The probe app beside Debian's prometheus-blackbox-exporter, on the same servers: every metric of the exporter is there, with the same type,
labels and value."""

import http.server
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

from harness import PROGRAM, free_port

AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
EXPORTER = "prometheus-blackbox-exporter"
# Durations. `tls` of blackbox is 0 without TLS.
MEASURED = re.compile(r"probe_(duration_seconds|dns_lookup_time_seconds|http_duration_seconds)")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
        else:
            self.send_response(500 if self.path == "/broken" else 200)
            self.send_header("Content-Length", "4")
        self.end_headers()
        if self.path != "/moved":
            self.wfile.write(b"well")

    def log_message(self, *_):
        pass


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module", name="site")
def fixture_site(tmp_path_factory):
    if not shutil.which(EXPORTER):
        pytest.skip(f"{EXPORTER} is not installed")
    directory = tmp_path_factory.mktemp("site")
    pem = directory / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-keyout", pem, "-out", directory / "only.pem",
                    "-subj", "/C=DE/ST=A/L=B/O=Shop, old/OU=Web/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:shop.example,IP:127.0.0.1"],
                   check=True, capture_output=True)
    with open(pem, "a", encoding="ascii") as out:
        out.write((directory / "only.pem").read_text())
    contexts = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.maximum_version = version
        contexts.append(context)
    servers = [serve(), *map(serve, contexts)]
    config = directory / "blackbox.yml"
    config.write_text("modules: { app: { prober: http, http: { preferred_ip_protocol: ip4, tls_config: { ca_file: %s } } } }\n" % (directory / "only.pem"))
    port = free_port()
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen([EXPORTER, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield {"directory": directory, "ca": directory / "only.pem", "blackbox": port, "plain": servers[0].server_port,
               "tls12": servers[1].server_port, "tls13": servers[2].server_port, "closed": free_port()}
    finally:
        process.terminate()
        process.wait(20)
        for server in servers:
            server.shutdown()
            server.server_close()


def parse(text):
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    samples = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        pairs = tuple(sorted(pair for pair in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
                             if pair[1] and pair[0] not in ("job", "instance", "url")))
        samples[name, pairs] = float(value)
    return types, samples


def blackbox(site, url):
    deadline = time.monotonic() + 20
    query = urllib.parse.urlencode({"module": "app", "target": url})
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{site['blackbox']}/probe?{query}", timeout=20) as answer:
                return parse(answer.read().decode())
        except OSError:
            assert time.monotonic() < deadline, "the exporter does not answer"
            time.sleep(0.1)


def ours(site, url):
    config = site["directory"] / "agent.yaml"
    ca = f", ca: {site['ca']}" if url.startswith("https:") else ""
    config.write_text(f"host: web-01\ndata: {site['directory']}\nprobes: {{ app: [ {{ url: '{url}'{ca} }} ] }}\n", encoding="utf-8")
    done = subprocess.run([AGENT, "probe", "app", "--config", config], capture_output=True, text=True, timeout=30, check=False)
    return parse(done.stdout)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{plain}/", "http://localhost:{plain}/", "http://127.0.0.1:{plain}/moved",
                                 "http://127.0.0.1:{plain}/broken", "https://localhost:{tls12}/", "https://127.0.0.1:{tls13}/moved",
                                 "http://127.0.0.1:{closed}/"])
def test_the_metrics_of_blackbox_exporter(site, url):
    url = url.format(**site)
    types, theirs = blackbox(site, url)
    our_types, samples = ours(site, url)
    assert len(theirs) > 12 and theirs["probe_http_ssl", ()] == (1 if url.startswith("https:") and "closed" not in url else 0)
    down = ("probe_http_status_code", ()) not in samples
    for (name, labels), value in theirs.items():
        # Where no answer came the exporter says 0, and the probe says nothing.
        if down and value in (0, -1) and (name, labels) not in samples:
            continue
        assert our_types.get(name) == types[name], name
        assert (name, labels) in samples, f"{name}{dict(labels)}: {[key for key in samples if key[0] == name]}"
        if not MEASURED.match(name):
            assert samples[name, labels] == value, (name, labels)
    assert samples["probe_ip_protocol", ()] == 4 and samples["probe_dns_lookup_time_seconds", ()] >= 0
