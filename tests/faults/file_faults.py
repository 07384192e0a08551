"""Controls the layer between a program and its files (file_faults.cpp)."""

import errno
import mmap
import os
import struct

LIBRARY = os.path.realpath(os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "lapwing-file-faults.so"))
CALLS = ("write", "sync", "truncate", "open", "rename", "unlink", "read")
FAIL, SHORT_WRITE, KILL_BEFORE, KILL_WITHIN, KILL_AFTER = range(5)
LAYOUT = struct.Struct("<Iiii q 7q q")


class FileFaults:
    """The faults of one program whose files are in `directory`. `environment` starts the program with them."""

    def __init__(self, directory, control):
        with open(control, "wb") as out:
            out.write(bytes(LAYOUT.size))
        with open(control, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), LAYOUT.size)
        self.environment = {"LD_PRELOAD": LIBRARY, "LAPWING_FAULTS_DIR": directory, "LAPWING_FAULTS_CONTROL": control}

    def _set(self, layout, offset, *values):
        struct.pack_into(layout, self.map, offset, *values)

    def arm(self, calls, after=0, action=FAIL, error=errno.EIO, repeats=1):
        """The call that follows `after` of these calls meets the fault, and `repeats` - 1 more (-1: all)."""
        self.disarm()
        self._set("<iiiq", 4, action, error, repeats, after)
        self._set("<I", 0, sum(1 << CALLS.index(call) for call in calls))

    def disarm(self):
        self._set("<I", 0, 0)

    def seen(self):
        """How many calls of each kind the program has made."""
        return dict(zip(CALLS, struct.unpack_from("<7q", self.map, 24)))

    def faults(self):
        return struct.unpack_from("<q", self.map, 80)[0]
