"""Twenty times kill -9 at random moments while agents write: every acknowledged sample survives. And the collector always stops
promptly and in order."""

import os
import random
import socket
import ssl
import threading
import time

import pytest
from harness import Collector, now_ms

ROUNDS = 20
WRITERS = 3

collector = Collector()
acknowledged = {f"web-0{i}": [] for i in range(1, WRITERS + 1)}
bundles = {}
done = threading.Event()


def writer(host):
    """Sends 20 samples at a time, each once. A batch without an answer may be stored or not."""
    connection = None
    last = now_ms()
    while not done.is_set():
        first = max(last + 1, now_ms() - 20)
        samples = [(first + i, float(first + i)) for i in range(20)]
        last = samples[-1][0]
        try:
            if connection is None:
                connection = collector.agent(bundles[host])
            answer = connection.write([({"__name__": "counted", "instance": host, "job": "test"}, samples)])
            if answer.status == 204:
                acknowledged[host].extend(samples)
            else:
                assert answer.status in (429, 503), (answer.status, answer.body)
        except (OSError, ssl.SSLError, Exception) as error:
            if isinstance(error, AssertionError):
                raise
            connection = None
            time.sleep(0.01)


@pytest.fixture(scope="module", autouse=True)
def enrolled():
    try:
        bundles.update((host, collector.enrol(host)) for host in acknowledged)
        yield
    finally:
        collector.close()


def test_every_acknowledged_sample_survives():
    threads = [threading.Thread(target=writer, args=(host,)) for host in bundles]
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            collector.start()
            time.sleep(random.uniform(0.05, 0.8))
            collector.kill()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    collector.start()
    total = 0
    for host, samples in acknowledged.items():
        begin, end = samples[0][0], samples[-1][0]
        seconds = (end - begin) // 1000 + 2
        [found] = collector.query(f'counted{{instance="{host}"}}[{seconds}s]', at=end / 1000 + 0.5)
        there = {round(float(time_s) * 1000): float(value) for time_s, value in found["values"]}
        lost = [sample for sample in samples if there.get(sample[0]) != sample[1]]
        assert not lost, f"{len(lost)} of {len(samples)} acknowledged samples of {host} are lost, first {lost[0]}"
        total += len(samples)
    assert total > 1000, f"only {total} samples were acknowledged: too few to show anything"
    print(f"      {total} acknowledged samples over {ROUNDS} kills, none lost")


def test_last_seen_survives_a_restart():
    [before] = [a for a in collector.people("/api/lapwing/v1/agents").json()["data"] if a["host"] == "web-01"]
    assert before["last_seen"] is None or before["state"] == "ok"
    connection = collector.agent(bundles["web-01"])
    assert connection.write([({"__name__": "up", "instance": "web-01", "job": "node"}, [(now_ms() - 40_000, 1.0)])]).status == 204
    collector.kill()
    collector.start()
    [after] = [a for a in collector.people("/api/lapwing/v1/agents").json()["data"] if a["host"] == "web-01"]
    assert after["last_seen"] is not None and 39 < after["last_seen_seconds"] < 80, after


def test_ends_in_order():
    assert collector.stop() == 0
    assert not os.path.exists(collector.path("admin.sock"))


def come_and_go():
    for _ in range(400):
        with socket.create_connection(("127.0.0.1", collector.people_port)) as connection:
            connection.send(b"GET /-/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")


def test_ends_soon_after_a_burst_of_connections():
    """Each connection leaves a thread that waits for the next one."""
    for _ in range(5):
        collector.start()
        clients = [threading.Thread(target=come_and_go) for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert collector.stop() == 0
