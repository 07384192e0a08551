"""Eight hours of simulated time: agents, new series, queries, rules, receivers that fail, clocks that step, restarts and kills. Nothing
acknowledged is lost or there twice, and at the end memory, descriptors, threads and files do not grow. The short version has the
same events within 16 minutes of simulated time, and does not judge growth."""

import glob
import http.client
import pathlib
import threading
import time
import urllib.parse

from fast_clock import Clock, Time
from harness import LONG, Collector
from measures import Measures
from receivers import Receivers
from senders import CHURNING_SERIES, INTERVAL, KEPT_SERIES, Senders

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "dashboards/alerts/lapwing.rules.yml"
SPEED = 10
HOUR = 3600
DURATION = 8 * HOUR if LONG else 960
AGENTS = 200 if LONG else 30
RETENTION = HOUR
WRONG = HOUR  # what a clock is wrong
REAL = ("real-01", "real-02")
RULES = """
groups:
  - name: soak
    interval: 15s
    rules:
      - { record: "instance:soak_kept:rate5m", expr: "sum by (instance) (rate(soak_kept[5m]))" }
      - { record: "soak:up:share", expr: "avg(up{job=\\"node\\"})" }
      - { alert: Flapping, expr: "vector(time()) % 600 < 300", labels: { severity: warning } }
      - { alert: FlappingServer, expr: "sum by (instance) (soak_kept{s=\\"0\\"}) % 3600000 < 600000", labels: { severity: warning } }
"""
# The moments of the events, as shares of the duration. No restart is among the last five of eight hours, of which growth is judged.
RESTARTS = {0.1: "stop", 0.16: "kill", 0.22: "stop", 0.28: "kill"}
WRONG_CLOCKS = {0.13: ("collector", WRONG), 0.25: ("real-01", 24 * WRONG), 0.4: ("collector", -WRONG), 0.5: ("real-02", -WRONG),
                0.7: ("collector", WRONG), 0.8: ("real-01", -24 * WRONG)}
WRONG_FOR = 0.02
QUERIES = (
    "/api/v1/query?" + urllib.parse.urlencode({"query": "sum by (instance) (rate(soak_kept[5m]))"}),
    "/api/v1/query_range?" + urllib.parse.urlencode({"query": "sum(rate(soak_kept[5m]))", "start": "{begin}", "end": "{now}", "step": 60}),
    "/api/v1/query_range?" + urllib.parse.urlencode({"query": "topk(5, count by (instance) (soak_churning))", "start": "{begin}", "end": "{now}", "step": 120}),
    "/api/v1/series?" + urllib.parse.urlencode({"match[]": 'soak_churning{instance="host-001"}', "start": "{begin}"}),
    "/api/v1/label/generation/values",
    "/api/v1/alerts",
    "/api/v1/rules",
    "/api/v1/status/tsdb",
    "/api/lapwing/v1/clocks",
    "/federate?" + urllib.parse.urlencode({"match[]": 'up{job="node"}'}),
    "/metrics",
)



class Site:
    def __init__(self):
        self.receivers = Receivers()
        self.collector = Collector()
        rules = self.collector.path("soak.yml")
        self.collector.write_config(f"retention: {{ time: {RETENTION}s }}\nrules: [ {SHIPPED}, {rules} ]\n{self.receivers.config()}")
        with open(rules, "w") as out:
            out.write(RULES)
        self.time = Time(time.time(), SPEED)
        self.clocks = {name: Clock(self.time, self.collector.path(name + ".clock")) for name in ("collector", *REAL)}
        self.collector.environment = self.clocks["collector"].environment
        self.agents = {}
        self.senders = None

    def start(self):
        self.collector.start()
        self.senders = Senders(self.collector, self.time, AGENTS)
        for host in REAL:
            self.start_agent(host)

    def start_agent(self, host):
        self.collector.configure_agent(host, {"node": "on"}, host)
        self.agents[host] = self.collector.launch_agent(self.clocks[host].environment, host)

    def restart(self, how):
        if how == "kill":
            self.collector.kill()
        else:
            assert self.collector.stop() == 0
        self.collector.start()

    def close(self):
        for agent in self.agents.values():
            agent.kill()
            agent.wait(20)
        if self.senders:
            self.senders.close()
        self.collector.close()
        self.receivers.close()

    def ask(self, path):
        begin = {"{begin}": str(self.time.now() - HOUR), "{now}": str(self.time.now())}
        for name, value in begin.items():
            path = path.replace(urllib.parse.quote_plus(name), value)
        return self.collector.people(path)

    def logs(self):
        return self.collector.log_text()[-4000:] + "".join(open(self.collector.path(host + ".log"), errors="replace").read()[-2000:] for host in REAL)


class Reader(threading.Thread):
    """A person with a dashboard."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.done, self.answers = site, threading.Event(), {}

    def run(self):
        turn = 0
        while not self.done.wait(0.5):
            turn += 1
            try:
                status = self.site.ask(QUERIES[turn % len(QUERIES)]).status
            except (OSError, http.client.HTTPException):
                status = "nothing"
            self.answers[status] = self.answers.get(status, 0) + 1

    def close(self):
        self.done.set()
        self.join()


def check_samples(site, report, since):
    """Each acknowledged sample that is newer than `since` is there once, with its value; another one only if its batch still waits."""
    checked = 0
    for host, (acknowledged, waiting, answers, failure) in report.items():
        assert failure is None, f"{host}: {failure}"
        expected, allowed = {at for at in acknowledged if at > since}, set(waiting[:1])
        end = (expected and max(expected) or since) + INTERVAL * 1000
        query = urllib.parse.urlencode({"query": f'{{job="soak",instance="{host}"}}[{end - since}ms]', "time": end / 1000})
        answer = site.collector.people("/api/v1/query?" + query)
        assert answer.status == 200, answer.body
        series = answer.json()["data"]["result"]
        kept = [each["values"] for each in series if each["metric"]["__name__"] == "soak_kept"]
        churning = [each["values"] for each in series if each["metric"]["__name__"] == "soak_churning"]
        assert len(kept) == KEPT_SERIES, (host, len(kept), answers)
        by_number = {}
        for each in series:
            if each["metric"]["__name__"] == "soak_churning":
                by_number.setdefault(each["metric"]["s"], []).extend(each["values"])
        assert len(by_number) == CHURNING_SERIES and len(churning) >= CHURNING_SERIES, (host, len(churning))
        for values in [*kept, *by_number.values()]:
            times = [round(float(at) * 1000) for at, _ in values]
            assert all(float(value) == at for at, (_, value) in zip(times, values)), f"{host}: wrong values"
            found = set(times)
            assert len(found) == len(times), f"{host}: a sample is there twice"
            assert not expected - found, f"{host}: {len(expected - found)} of {len(expected)} acknowledged samples are lost: {sorted(expected - found)[:3]}"
            assert not found - expected - allowed, f"{host}: {len(found - expected)} samples are from nowhere: {sorted(found - expected)[:3]}"
            checked += len(times)
    return checked


def check_real_agents(site, begin):
    """The probe ran every 10 s, whatever the clocks said, and each run is in the collector at its time."""
    for host in REAL:
        answer = site.collector.people("/api/v1/query?" + urllib.parse.urlencode(
            {"query": f'up{{job="node",instance="{host}"}}[{int(site.time.now() - begin)}s]', "time": site.time.now()}))
        times = sorted(float(at) for series in answer.json()["data"]["result"] for at, _ in series["values"])
        gaps = [(round(a - begin), round(b - begin)) for a, b in zip([begin + 60, *times], times) if b - a > 30]
        assert times and not gaps, f"{host}: no samples between {gaps}\n{site.logs()}"


def events():
    """[(share of the duration, function of the site)], in order."""
    planned = [(at, lambda site, how=how: site.restart(how)) for at, how in RESTARTS.items()]
    for at, (name, seconds) in WRONG_CLOCKS.items():
        planned.append((at, lambda site, name=name, seconds=seconds: site.clocks[name].set_wrong(seconds)))
        planned.append((at + WRONG_FOR, lambda site, name=name: site.clocks[name].set_wrong(0)))
    return sorted(planned, key=lambda each: each[0])


def test_eight_hours():
    site = Site()
    measures, reader = [], None
    try:
        site.start()
        path = site.collector.path
        stored = [path("data/lapwing.db"), path("data/lapwing.db-wal")]
        measures = [Measures("collector", lambda: site.collector.process, stored, site.time)]
        measures += [Measures(host, lambda host=host: site.agents[host], glob.glob(path(host) + "/*"), site.time) for host in REAL]
        reader = Reader(site)
        for thread in [*measures, reader]:
            thread.start()
        begin = site.time.passed()
        for at, event in [*events(), (1, lambda _: None)]:
            while site.time.passed() < begin + at * DURATION:
                assert site.collector.process.poll() is None, site.logs()
                time.sleep(0.2)
            event(site)
        reader.close()
        for thread in measures:
            thread.close()
        end = site.time.passed()
        report = site.senders.end()
        since = int((max(site.time.now() - RETENTION, site.time.wall / 1e9) + 60) * 1000)
        checked = check_samples(site, report, since)
        check_real_agents(site, max(site.time.now() - RETENTION, site.time.wall / 1e9 + begin) + 60)
        answers = {}
        for _, _, counts, _ in report.values():
            for status, count in counts.items():
                answers[status] = answers.get(status, 0) + count
        print(f"      {AGENTS} agents, {(end - begin) / HOUR:.1f} h; answers to writes {answers}, to queries {reader.answers};"
              f" {checked:,} samples of the last hour checked; messages {site.receivers.messages}", flush=True)
        assert reader.answers[200] > 0.9 * sum(count for status, count in reader.answers.items() if status != "nothing"), reader.answers
        assert ("firing", "Flapping") in site.receivers.alerts and ("resolved", "Flapping") in site.receivers.alerts, site.receivers.alerts
        if LONG:
            complaints = [text for each in measures for text in each.growth((begin + DURATION / 2, begin + DURATION * 3 / 4), (begin + DURATION * 3 / 4, begin + DURATION))]
            assert not complaints, complaints
    finally:
        if reader:
            reader.done.set()
        for thread in measures:
            thread.done.set()
        site.close()
