"""The clocks of programs that run under fast_clock.cpp."""

import mmap
import os
import struct
import time

LIBRARY = os.path.realpath(os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "lapwing-fast-clock.so"))
LAYOUT = struct.Struct("<5q")
SECOND = 1_000_000_000


class Time:
    """A time that begins at `begin` (seconds since 1970) and passes `speed` times as fast as the real one."""

    def __init__(self, begin, speed):
        self.wall, self.monotonic, self.speed = int(begin * SECOND), time.monotonic_ns(), speed

    def now(self):
        """Seconds since 1970."""
        return (self.wall + (time.monotonic_ns() - self.monotonic) * self.speed) / SECOND

    def passed(self):
        return (time.monotonic_ns() - self.monotonic) * self.speed / SECOND


class Clock:
    """The clocks of one program: `environment` starts it with them."""

    def __init__(self, of, control):
        with open(control, "wb") as out:
            out.write(LAYOUT.pack(of.wall, of.monotonic, of.speed, 0, 0))
        with open(control, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), LAYOUT.size)
        self.environment = {"LD_PRELOAD": LIBRARY, "LAPWING_CLOCK": control}

    def set_wrong(self, seconds):
        """The wall clock is ahead by `seconds`."""
        struct.pack_into("<q", self.map, 24, seconds * SECOND)

    def leap(self, seconds):
        """All clocks leap to `seconds` after their origin's course."""
        struct.pack_into("<q", self.map, 32, seconds * SECOND)
