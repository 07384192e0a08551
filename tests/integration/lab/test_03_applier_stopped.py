"""The webhook hears of a stopped applier within a minute, by name, and of its repair too."""

import time

from lab import matching, note, until, value


def test_a_stopped_applier_alerts_within_a_minute_and_resolves(fault):
    began = time.time()
    with fault("applier-stopped"):
        alert = until(lambda: matching(began, "firing", "web-02", "applier|sql.thread"), 60,
                      "an alert that names web-02 and the applier")
        note(f"{alert['labels']['alertname']} after {alert['at'] - began:.0f} s: {alert['annotations'].get('summary', '')}")
        assert "stopped" in " ".join([*alert["labels"].values(), *alert["annotations"].values()]).lower(), alert
        assert value('lapwing_mysql_replica_lag_known{instance="web-02"}') == 0, "a stopped applier has no known lag"
        assert value('lapwing_mysql_replica_lag_seconds{instance="web-02"}') is None, "NULL became a number"
        assert value('mysql_slave_status_slave_io_running{instance="web-02"}') == 1
    repaired = time.time()
    name = alert["labels"]["alertname"]
    alert = until(lambda: matching(repaired, "resolved", "web-02", name), 90, f"{name} resolved")
    note(f"resolved after {alert['at'] - repaired:.0f} s")


def test_a_stopped_receiver_alerts_too(fault):
    began = time.time()
    with fault("receiver-stopped"):
        until(lambda: matching(began, "firing", "web-02", "receiver|io.thread"), 60, "an alert that names web-02 and the receiver")
    until(lambda: matching(began, "resolved", "web-02", "receiver|io.thread"), 90, "the alert resolved")
