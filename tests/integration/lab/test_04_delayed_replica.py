"""A deliberate delay of the replica raises no alert. A lag beyond it does."""

import time

from lab import LONG, matching, note, sql, until, value

LAG = (r"web-02", r"\blag|behind")


def write():
    sql("web-01", "INSERT INTO site.visits (at, host) VALUES (NOW(6), 'test')")


def behind():
    return value('mysql_slave_status_seconds_behind_master{instance="web-02"}') or 0


def watch_quietly(began, seconds):
    """Goes on writing. No lag alert may come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        write()
        alert = matching(began, "firing", *LAG)
        assert alert is None, f"fired within the deliberate delay: {alert}"
        time.sleep(2)


def test_within_the_deliberate_delay_there_is_no_alert(fault):
    began = time.time()
    with fault("replica-delayed", LAPWING_DELAY="120"):
        watch_quietly(began, 150 if LONG else 85)
        assert behind() > 60, f"the replica is only {behind()} s behind: the test shows nothing"
        assert value('lapwing_mysql_replica_delay_seconds{instance="web-02"}') == 120
        assert (value('lapwing_mysql_replica_lag_seconds{instance="web-02"}') or 0) < 5
    until(lambda: behind() < 5, 60, "the replica caught up")


def test_beyond_the_deliberate_delay_there_is_one(fault):
    began = time.time()
    delay = 120 if LONG else 20
    with fault("replica-delayed", LAPWING_DELAY=str(delay)), fault("applier-blocked"):
        write()
        alert = until(lambda: matching(began, "firing", *LAG), delay + 130, "the lag alert beyond the delay")
        note(f"{alert['labels']['alertname']} after {alert['at'] - began:.0f} s, {behind():.0f} s behind, delay {delay} s")
        assert alert["at"] - began > delay + 10, "fired within the deliberate delay"
    until(lambda: matching(began, "resolved", *LAG), 150, "the lag alert resolved")
