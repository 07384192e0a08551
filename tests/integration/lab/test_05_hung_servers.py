"""A hung server costs its own probe a deadline, and does not affect other probes."""

import threading
import time

from lab import LONG, inside, interval_of, note, query, samples, until

DEADLINE = {"nginx": 4.0, "mysql": 4.0}
WATCHED = 60 if LONG else 35


class Delivery(threading.Thread):
    """Polls the collector for the age of the newest `up` of every other probe of web-02."""

    def __init__(self, hung):
        super().__init__(daemon=True)
        self.hung = hung
        self.stop = threading.Event()
        self.oldest = {}
        self.start()

    def run(self):
        while not self.stop.wait(0.5):
            for series in query(f'time() - timestamp(up{{agent="web-02",job!="{self.hung}"}})'):
                job = series["metric"]["job"]
                self.oldest[job] = max(self.oldest.get(job, 0.0), float(series["value"][1]))

    def judge(self):
        self.stop.set()
        self.join()
        assert set(self.oldest) >= {"node", "nginx", "app", "mysql", "sockets", "firewall"} - {self.hung}, self.oldest
        note("the oldest newest sample, s: " + ", ".join(f"{job} {age:.1f}" for job, age in sorted(self.oldest.items())))
        for job, age in self.oldest.items():
            # A second for sending, and the time that the query takes.
            assert age < interval_of(job) + 2, f"the newest sample of {job} was {age:.1f} s old"


def others_are_on_time(hung, since, until_then):
    """Every series of `up` of web-02, except that of the hung probe, is stored without a gap."""
    seen = samples('up{agent="web-02"}', since, until_then)
    for labels, points in seen:
        if labels["job"] == hung:
            continue
        interval = interval_of(labels["job"])
        times = [at for at, _ in points]
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        assert times[0] < since + interval + 0.5, f"{labels}: the first sample came {times[0] - since:.1f} s after the fault"
        assert times[-1] > until_then - interval - 1, f"{labels}: the last sample is {until_then - times[-1]:.1f} s old"
        assert all(gap < interval + 0.5 for gap in gaps), f"{labels}: gaps of {[round(gap, 2) for gap in gaps]}"
    note(f"{len(seen) - 1} other series without a gap")


def goes_down_within_its_deadline(job, since):
    def down():
        return [(labels, [(at, number) for at, number in points if number == 0])
                for labels, points in samples(f'up{{agent="web-02",job="{job}"}}', since) if any(n == 0 for _, n in points)]
    until(down, 17, f"up 0 of {job}")
    reasons = {s["metric"]["reason"] for s in query(f'lapwing_probe_failure{{agent="web-02",job="{job}"}} == 1')}
    assert reasons == {"timeout"}, f"the reason is {reasons}"


def took_no_longer_than_its_deadline(job, since):
    for labels, points in samples(f'scrape_duration_seconds{{agent="web-02",job="{job}"}}', since):
        longest = max(number for _, number in points)
        note(f"the longest run of {job} took {longest:.2f} s")
        assert longest < DEADLINE[job] + 0.3, f"{labels}: {longest}"


def recovers(job):
    until(lambda: [s for s in query(f'up{{agent="web-02",job="{job}"}}') if s["value"][1] == "1"], 30, f"{job} up again")
    until(lambda: not query(f'lapwing_probe_failure{{agent="web-02",job="{job}"}}'), 15, "the reason ends")


def test_nginx_stopped_by_a_signal(fault):
    since = time.time()
    with fault("nginx-stopped"):
        delivery = Delivery("nginx")
        goes_down_within_its_deadline("nginx", since)
        time.sleep(max(0.0, since + WATCHED - time.time()))
        delivery.judge()
        now = time.time()
        others_are_on_time("nginx", since, now - 1.5)
        took_no_longer_than_its_deadline("nginx", since)
    recovers("nginx")


def test_mariadb_stopped_by_a_signal(fault):
    since = time.time()
    most = 0
    with fault("mariadb-stopped"):
        delivery = Delivery("mysql")
        goes_down_within_its_deadline("mysql", since)
        while time.time() < since + WATCHED:
            # The server's ends of connections, accepted or waiting. Only the agent uses the socket.
            ends = [line for line in inside("web-02", "ss", "-xHn").splitlines() if "/run/mysqld/mysqld.sock" in line]
            most = max(most, len(ends))
            assert len(ends) <= 1, f"{len(ends)} connections wait"
            time.sleep(2)
        delivery.judge()
        now = time.time()
        others_are_on_time("mysql", since, now - 1.5)
        took_no_longer_than_its_deadline("mysql", since)
    note(f"at most {most} connection waited")
    recovers("mysql")
