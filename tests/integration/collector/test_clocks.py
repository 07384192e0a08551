"""Clocks that are wrong, on the collector and on agents: real programs, whose clocks libfaketime moves. No alert is false, the wrong
clock is told, and every sample is there at its right time."""

import concurrent.futures
import glob
import itertools
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from harness import PROGRAM, WRITE_HEADERS, Collector, now_ms, write_request

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "dashboards/alerts/lapwing.rules.yml"
HOUR, DAY = 3600, 86_400
STEPS = (HOUR, -HOUR, DAY, -DAY, 100 * DAY, -100 * DAY)
BOUND = 90  # seconds for what comes within 30 on a machine that has time
INTERVAL = 10  # of the probe
AT_ONCE = 4


def faked(offset_file):
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        print("Skipped: libfaketime is not installed")
        pytest.skip("libfaketime is not installed")
    return {**os.environ, "LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": offset_file, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


# The machine that runs the test has a load and disks of its own.
OF_THE_MACHINE = ("CollectorDiskLow", "DiskSpaceLow", "DiskWillFill", "HostCpuBusy", "HostDiskBusy", "HostMemoryLow")


class Clock:
    """The clock of one program, as a file that libfaketime reads at each call."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        with open(self.path + ".new", "w") as out:
            out.write(f"{seconds:+d}\n")
        os.rename(self.path + ".new", self.path)


class Site:
    """A collector with the shipped rules, and agents with one probe each."""

    def __init__(self, agents, config=f"rules: [ {SHIPPED} ]\nrules_interval: 2s\n"):
        self.collector = Collector(config)
        self.clock = Clock(self.collector.path("clock"))
        self.hosts = [f"web-0{number + 1}" for number in range(agents)]
        self.clocks = {host: Clock(self.collector.path(host + ".clock")) for host in self.hosts}
        self.agents = {}
        self.false_alerts = set()
        for host in self.hosts:
            self.collector.configure_agent(host, {"node": "on"}, host)

    def start_collector(self):
        collector = self.collector
        collector.log = open(collector.path("log"), "ab")
        collector.process = subprocess.Popen([PROGRAM, "run", "--config", collector.config_file], stdout=collector.log,
                                             stderr=collector.log, env=faked(self.clock.path))
        self.wait(self.is_ready, "the collector")

    def is_ready(self):
        try:
            return self.collector.people("/-/ready").status == 200
        except OSError:
            return False

    def start_agent(self, host):
        self.agents[host] = self.collector.launch_agent(faked(self.clocks[host].path), host)

    def start_agents(self):
        for host in self.hosts:
            self.start_agent(host)

    def close(self):
        for agent in self.agents.values():
            agent.kill()
            agent.wait(20)
        self.collector.close()

    def look(self):
        """Notes every firing alert that a wrong clock is no reason for."""
        try:
            answer = self.collector.people("/api/v1/alerts")
        except OSError:
            return
        self.false_alerts |= {str(alert["labels"]) for alert in answer.json()["data"]["alerts"]
                              if alert["state"] == "firing" and alert["labels"]["alertname"] not in ("ClockWrong", "CriticalFinding", *OF_THE_MACHINE)}

    def wait(self, condition, what, seconds=BOUND):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"this did not come: {what}\n{self.logs()}"
            time.sleep(0.2)

    def logs(self):
        out = self.collector.log_text()[-3000:]
        for host in self.hosts:
            path = self.collector.path(host + ".log")
            out += f"--- {host}\n" + (open(path, errors="replace").read()[-2000:] if os.path.exists(path) else "")
        return out

    def observe(self, seconds):
        for _ in range(seconds):
            self.look()
            time.sleep(1)

    def clocks_told(self):
        """The status of the clocks that are not right: the collector's, and by host."""
        data = self.collector.people("/api/lapwing/v1/clocks").json()["data"]
        wrong = {each["host"] for each in data["agents"] if each["judgement"] != "agrees"}
        return wrong | ({"collector"} if data["collector"]["judgement"] == "wrong" else set())

    def alerts_told(self):
        alerts = self.collector.people("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["instance"] for alert in alerts if alert["labels"]["alertname"] == "ClockWrong"}

    def samples(self, host):
        """The times of all samples of the probe, in seconds, wherever they are."""
        found = self.collector.query(f'up{{job="node",instance="{host}"}}[300d]', time.time() + 150 * DAY)
        return [float(at) for series in found for at, _ in series["values"]]

    def check_samples(self, host, since, until):
        times = [at for at in self.samples(host)]
        assert times, f"{host} has no samples"
        strange = [round(at - since) for at in times if not since - 5 <= at <= until + 5]
        assert not strange, f"{host}: samples at wrong times, seconds after the start: {strange}\n{self.logs()}"
        gaps = [(round(a - since), round(b - since)) for a, b in itertools.pairwise(times) if b - a > 1.5 * INTERVAL]
        assert not gaps, f"{host}: samples are missing between {gaps} of {until - since:.0f} s\n{self.logs()}"

    def nothing_waits(self):
        for host in self.hosts:
            status = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "lapwing-agent"), "status", "--config",
                                     self.collector.path(host + ".yaml")], capture_output=True, text=True, timeout=60).stdout
            queue = re.search(r"queue (\d+)", status)
            if queue is None or int(queue[1]) > 200 or "dropped " in status or "aside " in status:
                return False
        return True


def cell(who, when, agents, step):
    """One clock is wrong by `step` seconds for a while, and then right again."""
    site = Site(agents)
    try:
        begun = time.time()
        subject = "collector" if who == "collector" else site.hosts[0]
        clock = site.clock if who == "collector" else site.clocks[subject]
        site.start_collector()
        if when == "start" and who == "agent":
            # The others' clocks confirm the collector's.
            for host in site.hosts[1:]:
                site.start_agent(host)
            site.observe(10)
            clock.set(step)
            first = time.time()
            site.start_agent(subject)
        else:
            first = begun
            site.start_agents()
            site.wait(lambda: all(len(site.samples(host)) > 1 for host in site.hosts), "samples of each agent")
            site.observe(5)
            if when == "start":
                site.collector.stop()
                clock.set(step)
                site.start_collector()
            else:
                clock.set(step)
        site.wait(lambda: subject in site.clocks_told(), "the status of the wrong clock")
        site.wait(site.alerts_told, "the alert ClockWrong")
        site.observe(40)
        clock.set(0)
        site.wait(lambda: not site.clocks_told() and not site.alerts_told(), "all clocks agree")
        site.observe(10)
        site.wait(site.nothing_waits, "empty spools")
        for host in site.hosts:
            site.check_samples(host, first if host == subject else begun, time.time())
        assert not site.false_alerts, f"false alerts: {site.false_alerts}\n{site.logs()}"
        own = site.collector.query('count_over_time(up{job="collector"}[1m])')
        assert own and float(own[0]["value"][1]) >= 1, "the collector's own samples stopped\n" + site.logs()
        return None
    except AssertionError as error:
        return f"{who} at {when}, {agents} agents, {step} s: {error}"
    finally:
        site.close()


def run_cells(cells):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [failure for failure in pool.map(lambda each: cell(*each), cells) if failure]
    assert not failures, "\n\n".join(failures)


def test_a_wrong_clock_loses_no_sample_and_gives_no_false_alert():
    run_cells([("collector", "running", 1, 100 * DAY), ("agent", "running", 1, -DAY), ("collector", "start", 2, -HOUR),
               ("agent", "start", 2, DAY)])


@pytest.mark.long
@pytest.mark.parametrize("when", ["running", "start"])
@pytest.mark.parametrize("who", ["collector", "agent"])
def test_every_step_of_every_clock(who, when):
    run_cells([(who, when, agents, step) for agents in (1, 2) for step in STEPS])


def test_at_a_first_start_the_samples_of_a_single_agent_wait():
    """Nothing tells whose clock is wrong: the samples stay in the spool, and arrive at their right times."""
    failures = []
    for step in (-3 * HOUR, 100 * DAY):
        site = Site(1)
        try:
            begun = time.time()
            site.clock.set(step)
            site.start_collector()
            site.start_agents()
            site.wait(lambda: "web-01" in site.clocks_told(), "the status of the wrong clock")
            site.observe(20)
            answers = site.collector.log_text()
            assert "its samples have to wait: my clock may be wrong" in answers, answers[-2000:]
            assert not site.samples("web-01"), site.logs()
            site.clock.set(0)
            site.wait(lambda: not site.clocks_told() and site.samples("web-01"), "the agent's samples")
            site.wait(site.nothing_waits, "an empty spool")
            site.check_samples("web-01", begun, time.time())
            assert not site.false_alerts, site.false_alerts
        except AssertionError as error:
            failures.append(f"{step}: {error}")
        finally:
            site.close()
    assert not failures, "\n".join(failures)


def test_history_outlives_a_start_far_in_the_future():
    site = Site(0, "ingest: { local: true }\nretention: { time: 30d }\nrules: []\n")
    collector, clock = site.collector, site.clock
    try:
        site.start_collector()
        base = now_ms() - 10 * DAY * 1000
        series = [({"__name__": "m"}, [(base + number * 600_000, float(number)) for number in range(1000)])]
        assert collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS).status == 204
        collector.stop()
        clock.set(100 * DAY)
        site.start_collector()
        site.wait(lambda: "rules wait" in collector.log_text(), "the doubt about the clock")
        time.sleep(75)  # the first deletion comes after a minute
        status = collector.run("status").stdout
        assert "100 d" in status and "no other clock confirms it" in status, status
        clock.set(0)
        site.wait(lambda: not site.clocks_told(), "the clock")
        found = collector.query("count_over_time(m[20d])", time.time())
        assert found and float(found[0]["value"][1]) == 1000, (found, collector.log_text()[-2000:])
    finally:
        site.close()


if __name__ == "__main__":
    # For one cell by hand: test_clocks.py collector running 1 86400
    who, when, agents, step = sys.argv[1:]
    print(cell(who, when, int(agents), int(step)) or "well")
