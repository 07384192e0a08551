"""The page behind the Nginx of docs/configuration.md, with TLS, a login and a path, which the proxy takes away or keeps: a real browser follows the links."""

import http.client
import json
import os
import re
import ssl
import subprocess

import pytest
from browser import Browser
from harness import WRITE_HEADERS, Collector, free_port, now_ms, write_request
from sink import Sink, eventually

RULES = """groups:
- name: proxied
  rules:
  - { alert: LampDark, expr: lamp_brightness < 5, labels: { severity: critical } }
"""
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/configuration.md")
PORT = free_port()
SITE = f"https://ops.localhost:{PORT}"  # which browsers look for on the loopback
URL = SITE + "/lapwing/"

sink = Sink()
collector = Collector("")
browser = None


def nginx_of(keeps_path):
    """The process of the documented Nginx, with this test's addresses and files."""
    with open(DOCS, encoding="utf-8") as text:
        server = re.search(r"^```nginx\n(.*?)^```", text.read(), re.DOTALL | re.MULTILINE).group(1)
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{PORT} ssl",
        "ops.example.org;\n": "ops.localhost;\n",
        "/etc/ssl/certs/ops.example.org.pem": collector.path("proxy.pem"),
        "/etc/ssl/private/ops.example.org.key": collector.path("proxy.key"),
        "/etc/nginx/lapwing.users": collector.path("proxy.users"),
        "http://127.0.0.1:9765/;": f"http://127.0.0.1:{collector.people_port}{'' if keeps_path else '/'};",
    }
    for old, new in changes.items():
        assert old in server, old
        server = server.replace(old, new, 1)
    directory = collector.path("nginx")
    os.makedirs(directory, exist_ok=True)
    places = " ".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{directory}/nginx.conf", "w") as out:
        user = "user root; " if os.geteuid() == 0 else ""
        out.write(f"daemon off; {user}pid {directory}/pid; error_log {directory}/error.log;\nevents {{}}\nhttp {{ {places} access_log off;\n{server} }}\n")
    process = subprocess.Popen(["/usr/sbin/nginx", "-p", directory, "-c", f"{directory}/nginx.conf"], stderr=subprocess.DEVNULL)
    eventually(lambda: fetch("/lapwing/-/healthy")[0] == 200 or process.poll() is not None, "Nginx")
    return process


def fetch(path, headers=None, login="Basic YW5uYTpnZWhlaW0="):
    """(status, Location)"""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=context, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": f"ops.localhost:{PORT}", "Authorization": login, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers["Location"]
    except OSError:
        return None, None
    finally:
        connection.close()


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser
    if not os.path.exists("/usr/sbin/nginx"):
        pytest.skip("it needs Nginx")
    try:
        os.makedirs(collector.path("rules"))
        with open(collector.path("rules/a.yml"), "w") as out:
            out.write(RULES)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=ops.localhost",
                        "-addext", "subjectAltName=DNS:ops.localhost", "-keyout", collector.path("proxy.key"), "-out", collector.path("proxy.pem")],
                       check=True, capture_output=True)  # fmt: skip
        with open(collector.path("proxy.users"), "w") as out:
            out.write("anna:" + subprocess.run(["openssl", "passwd", "-6", "geheim"], check=True, capture_output=True, text=True).stdout)
        collector.write_config(
            f"http: {{ listen: 127.0.0.1:{collector.people_port}, external_url: '{URL}' }}\nrules_interval: 1s\ningest: {{ local: true }}\n"
            f"notify: {{ group_wait: 0s, webhook: [ {{ url: {sink.url()} }} ] }}\n"
        )
        collector.start()
        now = now_ms()
        series = [({"__name__": "lamp_brightness", "instance": "web-01"}, [(now - 10_000 * age, 1.0) for age in range(12, -1, -1)])]
        assert collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS).status == 204
        eventually(sink.alerts, "the notification")
        browser = Browser("about:blank").watch()
        browser.call("Security.setIgnoreCertificateErrors", ignore=True)
        yield
    finally:
        if browser:
            browser.close()
        collector.close()
        sink.close()


@pytest.fixture(scope="module", params=(False, True), ids=("path taken away", "path kept"))
def proxy(request):
    process = nginx_of(request.param)
    yield process
    process.terminate()
    process.wait(20)


def shown(words):
    browser.until(f"document.dispatchEvent(new Event('visibilitychange')), (document.body?.innerText ?? '').includes({json.dumps(words)})")
    assert browser.complaints() == "", browser.complaints()


def test_links_of_notifications_begin_with_the_external_url():
    [message] = [json.loads(body) for _, _, body in sink.requests][:1]
    assert message["externalURL"] == URL.rstrip("/")
    assert message["alerts"][0]["generatorURL"].startswith(URL + "graph?g0.expr=")


def test_every_page_and_its_links_stay_below_the_path(proxy):
    browser.call("Page.navigate", url=URL.replace("https://", "https://anna:geheim@"))
    browser.until("document.querySelectorAll('#alerts a').length === 1")
    shown("LampDark")
    browser.value("document.querySelector('#alerts a').click()")
    browser.until("location.pathname === '/lapwing/alert'")
    shown("Firing for")
    browser.until("document.dispatchEvent(new Event('visibilitychange')), document.querySelector('#chart a') !== null", 40)
    browser.value("document.querySelector('#chart a').click()")
    browser.until("location.pathname === '/lapwing/graph' && (document.body?.innerText ?? '').includes('web-01')")
    browser.value("document.querySelector('a.home').click()")
    browser.until("location.pathname === '/lapwing/' && document.querySelectorAll('#findings a').length > 0")
    browser.value("document.querySelector('#findings a').click()")
    browser.until("location.pathname === '/lapwing/finding'")
    shown("Silence its alerts")
    browser.call("Page.navigate", url=URL + "timeline")
    browser.until("document.querySelectorAll('#events a').length > 0")
    shown("LampDark")
    assert browser.value("[...document.querySelectorAll('a')].every((a) => a.href.startsWith(" + json.dumps(URL) + "))")


def test_the_generator_link_opens_the_expression(proxy):
    [message] = [json.loads(body) for _, _, body in sink.requests][:1]
    browser.call("Page.navigate", url=message["alerts"][0]["generatorURL"])
    browser.until("location.pathname === '/lapwing/graph' && (document.body?.innerText ?? '').includes('web-01')")


def test_requests_that_are_not_the_page(proxy):
    assert fetch("/lapwing/api/v1/query?query=1")[0] == 200
    status, url = fetch("/lapwing")
    assert status in (301, 308) and url.endswith("/lapwing/"), (status, url)
    assert fetch("/lapwing/api/v1/query?query=1", {"Origin": SITE})[0] == 200
    assert fetch("/lapwing/api/v1/query?query=1", {"Origin": "https://evil.example"})[0] == 403
    assert fetch("/lapwing/", login="Basic YW5uYTpmYWxzY2g=")[0] == 401
    # The path alone is no way around what the gate looks at.
    assert collector.people("/lapwing/api/v1/query?query=1", headers={"Host": "evil.example"}).status == 403
    assert collector.people("/lapwing/lapwing/api/v1/query?query=1").status == 404
    assert collector.people("/lapwingapi/v1/query?query=1").status == 404
    answer = collector.people("/lapwing")
    assert (answer.status, answer.headers["Location"]) == (308, "/lapwing/")


@pytest.mark.parametrize("url", ("ops.example.org/lapwing", "ftp://ops.example.org/", "https://a:b@ops.example.org/", "https://ops.example.org/?a=b", "https://ops.example.org/a//b", "https://ops.example.org/../x", "https://ops.example.org/%2e"))
def test_check_config_refuses_what_is_no_address_of_a_page(url):
    other = Collector(f"http: {{ listen: 127.0.0.1:{free_port()}, external_url: '{url}' }}\n")
    try:
        done = other.run("check-config")
        assert done.returncode == 2 and "http.external_url must be a URL such as" in done.stderr, done
    finally:
        other.close()
