"""An hour without the collector costs no sample, and the agents no memory."""

import time

import pytest
from lab import every_second_once, note, process_status, until

pytestmark = pytest.mark.long


def resident_kib(host):
    _, status = process_status(host, "agent")
    return int(status["VmRSS"].split()[0])


def test_an_hour_away_costs_no_sample_and_no_memory(fault):
    before = {host: resident_kib(host) for host in ("web-01", "web-02", "monitor")}
    since = time.time()
    with fault("collector-down"):
        time.sleep(3600)
        after = {host: resident_kib(host) for host in before}
        back = time.time()
    note(f"resident memory, KiB: {before} before, {after} after an hour")
    for host in before:
        assert after[host] < before[host] + 2048, f"the agent on {host} grew from {before[host]} to {after[host]} KiB"
    for host in ("web-01", "web-02"):
        until(lambda: every_second_once(host, since + 2, back), 300, f"every second of the hour from {host}")
