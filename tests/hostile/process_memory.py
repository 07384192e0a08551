"""The memory of a process, in bytes."""


def _status(pid, field):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {field}")


def resident(pid):
    return _status(pid, "VmRSS")


def peak(pid):
    """The highest resident memory since forget_peak()."""
    return _status(pid, "VmHWM")


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as clear:
        clear.write("5")
