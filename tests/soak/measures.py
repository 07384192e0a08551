"""What a program holds over time: memory, descriptors, threads and files."""

import os
import statistics
import threading
import time


def memory(pid):
    """Bytes that the process alone holds, without pages of files."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


def measure(pid, files):
    return {"memory": memory(pid), "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")),
            "files": sum(os.path.getsize(file) for file in files if os.path.exists(file))}


class Measures(threading.Thread):
    """Measures a program each second. `process` returns it, because it can be another one after a restart."""

    def __init__(self, name, process, files, clock):
        super().__init__(daemon=True)
        self.name, self.process, self.files, self.clock = name, process, files, clock
        self.rows = []  # (seconds since the begin of simulated time, measures)
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(1):
            try:
                self.rows.append((self.clock.passed(), measure(self.process().pid, self.files)))
            except (OSError, StopIteration):  # it is being restarted
                pass

    def close(self):
        self.done.set()
        self.join()

    def between(self, begin, end, what):
        return [row[what] for at, row in self.rows if begin <= at < end]

    def growth(self, earlier, later):
        """The complaints: what is higher in the time `later` than in `earlier`, both (begin, end). Also prints the figures."""
        complaints = []
        for what in ("memory", "descriptors", "threads", "files"):
            hours = [self.between(at * 3600, (at + 1) * 3600, what) for at in range(int(self.rows[-1][0] // 3600) + 1)]
            print(f"      {self.name}: {what} by hour", *(f"{statistics.median(each):,.0f}" for each in hours if each), flush=True)
        # Pools of threads grow up to their size with the bursts that they meet.
        for what, judge, factor, room in (("memory", statistics.median, 1.05, 2 << 20), ("memory", max, 1.1, 4 << 20),
                                          ("descriptors", statistics.median, 1, 4), ("threads", statistics.median, 1.1, 4),
                                          ("files", max, 1.05, 1 << 20)):
            before, after = judge(self.between(*earlier, what)), judge(self.between(*later, what))
            text = f"{self.name}: {judge.__name__} of {what} {before:,.0f}, later {after:,.0f}"
            print("     ", text, flush=True)
            if after > before * factor + room:
                complaints.append(text)
        return complaints
