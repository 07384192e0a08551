"""Many agents, simulated by a few processes: each writes a batch every 15 s of simulated time, keeps what the collector does not
acknowledge, and sends it again in order. Some of the series are new every ten minutes, and each agent is off for a while."""

import heapq
import http.client
import multiprocessing
import struct
import time
import zlib

from harness import WRITE_HEADERS, message, snappy, varint

INTERVAL = 15  # seconds of simulated time, as all below
KEPT_SERIES = 60
CHURNING_SERIES = 20
GENERATION = 600
OFF_EVERY, OFF_FOR = 4 * 3600, 15 * 60
AT_ONCE = 20  # batches of a backlog in a turn
KEEP = (429, 500, 503)  # the answers after which an agent keeps its samples


def series_of(host, generation):
    """The series of one batch, without their samples."""
    labels = [{"__name__": "up", "job": "node"}]
    labels += [{"__name__": "soak_kept", "job": "soak", "s": str(number)} for number in range(KEPT_SERIES)]
    labels += [{"__name__": "soak_churning", "job": "soak", "generation": str(generation), "s": str(number)}
               for number in range(CHURNING_SERIES)]
    return [b"".join(message(1, message(1, name.encode()) + message(2, value.encode()))
                     for name, value in sorted({**each, "instance": host}.items())) for each in labels]


class Agent:
    def __init__(self, number, host, bundle, clock):
        self.host, self.bundle, self.clock = host, bundle, clock
        self.address = f"127.1.{number // 200}.{number % 200 + 1}"
        self.waiting = []  # the times of batches, in milliseconds
        self.acknowledged = []
        self.answers = {}
        self.failure = None
        self.connection = None
        self.generation, self.heads = None, []
        self.off_from = zlib.crc32(host.encode()) % OFF_EVERY
        self.due = clock.wall / 1e9 + INTERVAL * (number % 50) / 50

    def is_off(self, at):
        return 0 <= (at - self.off_from) % OFF_EVERY < OFF_FOR and at > self.clock.wall / 1e9 + INTERVAL

    def body(self, time_ms):
        generation = time_ms // 1000 // GENERATION
        if generation != self.generation:
            self.generation = generation
            size = 2 + 10 + len(varint(time_ms))  # of the sample's message
            self.heads = [b"\x0a" + varint(len(labels) + size) + labels for labels in series_of(self.host, generation)]
        sample = message(2, b"\x09" + struct.pack("<d", time_ms) + b"\x10" + varint(time_ms))
        return snappy(sample.join(self.heads) + sample)

    def turn(self, collector):
        """Writes what is due."""
        if not self.is_off(self.due):
            self.waiting.append(int(self.due * 1000))
        self.due += INTERVAL
        for _ in range(AT_ONCE):
            if not self.waiting or not self.write(collector, self.waiting[0]):
                return
            self.acknowledged.append(self.waiting.pop(0))

    def write(self, collector, time_ms):
        headers = {**WRITE_HEADERS, "X-Lapwing-Clock": str(int(self.clock.now() * 1000))}
        try:
            if self.connection is None:
                self.connection = collector.agent(self.bundle, source=self.address)
            answer = self.connection.post("/api/v1/write", self.body(time_ms), headers)
            status = answer.status
        except (OSError, http.client.HTTPException):
            self.connection, status = None, "nothing"
        self.answers[status] = self.answers.get(status, 0) + 1
        if status not in (204, "nothing", *KEEP):
            self.failure = f"{status} {answer.body!r}"
        return status == 204


def work(pipe, collector, agents):
    """The loop of one process. It answers each message with what it knows; the last one is "end"."""
    turns = [(agent.due, number) for number, agent in enumerate(agents)]
    heapq.heapify(turns)
    while True:
        due, number = turns[0]
        agent = agents[number]
        wait = max(due - agent.clock.now(), 0) / agent.clock.speed
        if pipe.poll(min(wait, 0.1)):
            wish = pipe.recv()
            pipe.send({agent.host: (agent.acknowledged, agent.waiting, agent.answers, agent.failure) for agent in agents})
            if wish == "end":
                return
        if agent.clock.now() < due:
            time.sleep(min(wait, 0.1))
            continue
        agent.turn(collector)
        heapq.heapreplace(turns, (agent.due, number))


class Senders:
    """All simulated agents."""

    def __init__(self, collector, clock, count, processes=2):
        self.hosts = [f"host-{number:03}" for number in range(count)]
        agents = [Agent(number, host, collector.enrol(host), clock) for number, host in enumerate(self.hosts)]
        self.pipes, self.processes = [], []
        for first in range(processes):
            mine, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=work, args=(theirs, collector, agents[first::processes]), daemon=True)
            process.start()
            self.pipes.append(mine)
            self.processes.append(process)

    def report(self, wish="report"):
        """{host: (times of acknowledged batches, times of waiting ones, {answer: count}, failure)}."""
        for pipe in self.pipes:
            pipe.send(wish)
        return {host: known for pipe in self.pipes for host, known in pipe.recv().items()}

    def end(self):
        found = self.report("end")
        self.close()
        return found

    def close(self):
        for process in self.processes:
            process.kill()
            process.join()
