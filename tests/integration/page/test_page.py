"""The built-in page in a real browser: its contents, its updates without a reload, and its message when the collector is away."""

import http.client
import json
import os
import threading
import time

import pytest
from browser import Browser
from harness import WRITE_HEADERS, Collector, now_ms, write_request


class Site:
    """Writes the samples of a small site every second, as its agents would."""

    def __init__(self, collector):
        self.collector = collector
        self.changes = {}
        self.connections = {}
        self.bundles = {host: collector.enrol(host) for host in ("web-01", "web-02")}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def samples(self, host):
        app = {"job": "app", "instance": host, "url": "http://127.0.0.1:8000/healthz"}
        yield "up", {"job": "node", "instance": host}, 1
        yield "up", {"job": "nginx", "instance": host}, 1
        yield "up", {"job": "app", "instance": host}, 1
        yield "probe_success", app, 1
        yield "probe_duration_seconds", app, 0.0126
        yield "up", {"job": "mysql", "instance": host}, 1
        yield "mysql_up", {"job": "mysql", "instance": host}, 1
        yield "node_load1", {"job": "node", "instance": host}, 0.25
        yield "node_memory_MemTotal_bytes", {"job": "node", "instance": host}, 8e9
        yield "node_memory_MemAvailable_bytes", {"job": "node", "instance": host}, 6e9
        here = {"job": "mysql", "instance": host}
        written = int(time.time() * 10)
        broken_since = self.changes.get("since")
        if host == "web-01":
            yield "lapwing_mysql_replica_configured", here, 0
            yield "lapwing_mysql_gtid_sequence", {**here, "set": "executed", "domain": "0", "source": "1"}, float(written)
        else:
            sql = self.changes.get("applier", "running")
            yield "lapwing_mysql_replica_configured", here, 1
            yield "lapwing_mysql_replica_source_info", {**here, "source_host": "web-01"}, 1
            yield "mysql_slave_status_seconds_behind_master", here, 0
            for thread, state in (("io", "running"), ("sql", sql)):
                for each in ("running", "connecting", "stopped", "unknown"):
                    yield "lapwing_mysql_replica_thread_state", {**here, "thread": thread, "state": each}, float(each == state)
            done = written if broken_since is None else broken_since
            yield "lapwing_mysql_gtid_sequence", {**here, "set": "executed", "domain": "0", "source": "1"}, float(done)

    def run(self):
        while not self.ended.wait(1):
            for host, bundle in self.bundles.items():
                series = [({"__name__": name, **labels}, [(now_ms(), value)]) for name, labels, value in self.samples(host)]
                try:
                    if host not in self.connections:
                        self.connections[host] = self.collector.agent(bundle)
                    answer = self.connections[host].write(series)
                    if answer.status != 204:
                        print(answer.status, answer.body, flush=True)
                except OSError:
                    self.connections.pop(host, None)
                except http.client.HTTPException:
                    self.connections.pop(host, None)


RULES = """groups:
- name: page
  rules:
  - alert: ApplierStopped
    expr: lapwing_mysql_replica_thread_state{thread="sql",state="stopped"} == 1
    labels: { severity: critical }
    annotations: { summary: "The applier on {{ $labels.instance }} is stopped" }
"""

collector = Collector("site: { replication: [ { primary: web-01, replica: web-02 } ] }\nrules_interval: 1s\ningest: { local: true }\n")
os.makedirs(collector.path("rules"))
with open(collector.path("rules/page.yml"), "w") as out:
    out.write(RULES)
site = browser = None


def until(selector, *words, seconds=40):
    deadline = time.monotonic() + seconds
    while True:
        text = browser.text(selector)
        if all(word in text for word in words):
            return text
        assert time.monotonic() < deadline, f"{selector} never says {words}, but: {text}"
        time.sleep(0.3)


@pytest.fixture(scope="module", autouse=True)
def running():
    global browser, site
    try:
        site = Site(collector)
        collector.start()
        browser = Browser(f"http://127.0.0.1:{collector.people_port}/")
        yield
    finally:
        if site:
            site.ended.set()
        if browser:
            browser.close()
        collector.close()


def test_hosts_that_never_reported_are_not_fine():
    until("#state", "Some states are unknown", "web-01 is enrolled but has not reported yet")
    until("#hosts", "web-02", "never reported")
    until("#replication", "web-01 → web-02", "lag unknown", "nothing is reported about MySQL on web-02")
    browser.value("window.sameDocument = true")


def part_of_the_picture(name):
    return browser.value(f"""[...document.querySelectorAll('#replication .picture g')].find(
        (g) => g.querySelector('text')?.textContent === {json.dumps(name)})?.getAttribute('class') ?? ''""")


def test_a_running_site_is_shown():
    site.thread.start()
    until("#hosts", "web-01", "reporting", "Memory", "25 %", "0.25")
    until("#services", "Nginx", "MySQL", "answered in 13 ms")
    assert "down" not in browser.text("#services")
    until("#replication", "no lag", "in step", "Receiver and applier are running", "By the GTIDs of both ends.")
    assert part_of_the_picture("web-01") == "good" and part_of_the_picture("applier") == "good"
    assert browser.text("#alerts") == "No alert is active."
    until("#updated", "updated")


def of_the_site(id):
    return browser.value(f"""[...document.querySelectorAll('#map .component')].find(
        (g) => g.dataset.id === {json.dumps(id)})?.getAttribute('aria-label') ?? ''""")


def test_the_site_is_drawn():
    until("#map", "web-01", "web-02", "primary, works", "replica, works")
    assert of_the_site("mysql@web-02") == "MySQL on web-02: replica, works", of_the_site("mysql@web-02")
    until("#missing", "site.entry")
    until("#delivered", "keeping the data", "works")


def test_a_site_that_tells_nobody_says_so_at_the_top():
    until("#state", "nobody told", "no receiver is configured", "notify add")


def test_a_stopped_applier_is_told_at_the_top():
    site.changes.update(applier="stopped", since=int(time.time() * 10))
    text = until("#state", "1 critical alert", "The applier on web-02 is stopped")
    assert "well" not in text
    assert browser.value("document.querySelector('#state').className") == "state is-bad"
    until("#replication", "broken", "s behind", "The applier (SQL thread) has stopped", "START SLAVE SQL_THREAD", "transactions behind")
    assert part_of_the_picture("applier") == "bad" and part_of_the_picture("receiver") == "good"
    until("#delivered", "now also mysql@web-01")
    assert browser.value("document.querySelector('#map .replicates').classList.contains('bad')")
    until("#alerts", "ApplierStopped")
    assert browser.value("document.title").startswith("(!!) 1 critical alert")


def test_a_lag_is_a_number():
    site.changes.update(applier="running")
    until("#replication", "s behind", "lagging", "It falls further behind")
    until("#state", "A replica lags", "web-02 is", "s behind")
    until("#alerts", "No alert is active.")


def test_a_lag_that_is_gone_is_gone():
    del site.changes["since"]
    until("#replication", "no lag", "in step")


def test_markup_in_samples_stays_text():
    evil = "<img src=x onerror=window.owned=1>"
    series = [({"__name__": "up", "job": "nginx", "instance": evil, "agent": evil}, [(now_ms(), 0.0)]),
              ({"__name__": "lapwing_probe_failure", "job": "nginx", "instance": evil, "agent": evil, "reason": evil}, [(now_ms(), 1.0)])]
    assert collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS).status == 204
    until("#services", evil)
    assert browser.value("window.owned") is None and browser.value("document.images.length") == 1


def test_the_page_never_scrolls_sideways_on_a_phone():
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    assert browser.value("document.documentElement.scrollWidth") <= 360
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_a_collector_that_is_away_is_said():
    collector.kill()
    text = until("#state", "Cannot reach the collector", "The facts below are")
    assert "well" not in text and "runs" not in text
    assert browser.value("document.querySelector('#content').classList.contains('stale')")
    until("#updated", "last answer")


def test_it_comes_back_by_itself():
    collector.start()
    until("#hosts", "reporting")
    until("#updated", "updated")
    assert not browser.value("document.querySelector('#content').classList.contains('stale')")
    assert browser.value("window.sameDocument") is True, "the page was reloaded"


def test_nothing_comes_from_elsewhere():
    names = browser.value("performance.getEntriesByType('resource').map((e) => new URL(e.name).host).join(' ')")
    assert set(names.split()) == {f"127.0.0.1:{collector.people_port}"}, names


def test_the_first_page_is_small():
    sizes = browser.value("""Object.fromEntries(performance.getEntriesByType('resource').filter((e) => !e.name.includes('/api/'))
        .map((e) => [new URL(e.name).pathname, e.decodedBodySize]))""")
    assert "/app.js" in sizes and "/chart.min.js" not in sizes and sum(sizes.values()) <= 250_000, sizes
