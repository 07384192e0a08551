"""The collector is killed with -9 at random moments during writes: every acknowledged sample survives."""

import random
import threading
import time

from lab import LONG, note, query, samples, svc, until
from remote_write import Writer

KILLS = 20 if LONG else 6
SERIES = 20


class Stream(threading.Thread):
    """Writes as an agent does: repeats a batch until it is acknowledged, then sends the next."""

    def __init__(self, writer, number):
        super().__init__(daemon=True)
        self.writer = writer
        self.number = number
        self.stop = threading.Event()
        self.acknowledged = []
        self.refused = []

    def run(self):
        count = 0
        while not self.stop.is_set():
            at = int(time.time() * 1000)
            series = [([("__name__", "lapwing_test_kill"), ("n", str(n)), ("stream", str(self.number))],
                       [(at, float(count))]) for n in range(SERIES)]
            while not self.stop.is_set():
                try:
                    status, text = self.writer.write(series)
                except OSError:
                    time.sleep(0.02)
                    continue
                if status // 100 == 2:
                    self.acknowledged.append((at, float(count)))
                    break
                if status not in (429, 503):
                    self.refused.append((status, text))
                    break
                time.sleep(0.02)
            count += 1
            time.sleep(0.005)


def test_every_acknowledged_sample_survives():
    began = time.time()
    streams = [Stream(Writer("writer-1"), number) for number in range(2)]
    streams[1].writer = Writer("writer-1")
    for stream in streams:
        stream.start()
    seed = int(began)
    chance = random.Random(seed)
    note(f"{KILLS} kills, seed {seed}")
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.3, 3.0))
            svc("monitor", "collector", "kill")
            svc("monitor", "collector", "start")
        until(lambda: query("vector(1)"), 20, "the collector answers again")
        time.sleep(2)
    finally:
        for stream in streams:
            stream.stop.set()
        svc("monitor", "collector", "start")
    for stream in streams:
        stream.join(15)
    ended = time.time()
    for stream in streams:
        assert not stream.refused, stream.refused[:3]
        assert len(stream.acknowledged) > 10 * KILLS, f"only {len(stream.acknowledged)} batches were acknowledged"
        seen = samples(f'lapwing_test_kill{{stream="{stream.number}"}}', began - 1, ended)
        assert len(seen) == SERIES, f"{len(seen)} series"
        for labels, points in seen:
            stored = dict((round(at * 1000), number) for at, number in points)
            lost = [at for at, number in stream.acknowledged if stored.get(at) != number]
            assert not lost, f"{len(lost)} of {len(stream.acknowledged)} samples of {labels} are lost, first at {lost[0]}"
    note(f"{sum(len(s.acknowledged) for s in streams) * SERIES} acknowledged samples, none lost")
    agents_lost_nothing(began, ended)


def agents_lost_nothing(began, ended):
    """The agents' samples of that time survived the same kills."""
    def whole():
        for host in ("web-01", "web-02"):
            seen = samples(f'up{{job="mysql",instance="{host}"}}', began, ended)
            assert len(seen) == 1, f"{len(seen)} series"
            ((_, points),) = seen
            gaps = [later[0] - earlier[0] for earlier, later in zip(points, points[1:])]
            assert max(gaps) < 1.6, f"a gap of {max(gaps):.1f} s in the samples of {host}"
            assert points[-1][0] > ended - 2, "the last samples have not come yet"
        return True
    until(whole, 45, "every second of both databases")
