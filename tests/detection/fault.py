"""What a fault of the catalogue is, and the means to cause one."""

import dataclasses
import re
import subprocess
from collections.abc import Callable

import lab

ENTRY = "http://10.77.0.10/"


@dataclasses.dataclass(frozen=True)
class Told:
    """One right way to tell a fault. `what` is the name of an alert, or the id of a finding; the patterns are searched for in the
    alert's labels and texts, or in the finding's subject, evidence and remedy."""

    what: str
    subject: str
    cause: str = ""

    def fits_subject(self, text):
        return re.search(self.subject, text, re.I) is not None

    def fits_cause(self, text):
        return re.search(self.cause, text, re.I) is not None


@dataclasses.dataclass(frozen=True)
class Fault:
    """`inject` and `heal` are scripts, each "HOST: SHELL COMMANDS", or functions. `proof` answers whether the fault is in effect. It
    asks the servers, never Lapwing. `told` are the right ways to tell it, `effects` the alerts about its consequences. `before`
    prepares the site for the fault, `after` ends that. A gradual fault needs time to grow, or waits for the next reload; it may be told
    later."""

    name: str
    what: str
    inject: "str | Callable"
    heal: "str | Callable"
    proof: Callable
    told: tuple[Told, ...]
    effects: tuple[str, ...] = ()
    before: "str | Callable" = ""
    after: "str | Callable" = ""
    gradual: bool = False


@dataclasses.dataclass(frozen=True)
class Control:
    """Something that happens on healthy servers: nobody must be told."""

    name: str
    what: str
    happen: "str | Callable"
    heal: "str | Callable" = ""
    seconds: int = 60  # how long the test listens afterwards


def run(step):
    """Runs a script or a function. A script's first line "HOST:" names the host; further such lines change it."""
    if callable(step):
        step()
        return
    host, lines = None, []

    def flush():
        if lines:
            lab.inside(host, "bash", "-euc", "\n".join(lines))
            lines.clear()

    for line in step.strip().splitlines():
        found = re.fullmatch(r"\s*(lb-01|web-01|web-02|monitor|client):(?: (.*))?", line)
        if found:
            flush()
            host = found[1]
            line = found[2] or ""
        if line.strip():
            lines.append(line)
    flush()


def in_background(name, command):
    """The line of a script that starts a command, to be ended by ended(name)."""
    return f"setsid {command} </dev/null >/run/{name}.log 2>&1 & echo $! >/run/{name}.pid"


def ended(name):
    """The line of a script that ends what in_background() started, with its children."""
    return f"kill -- -$(cat /run/{name}.pid) 2>/dev/null || true; rm -f /run/{name}.pid"


def holder(count, address="10.77.0.10"):
    """A program that holds connections to port 80 open, as slow visitors do: a header never ends."""
    return ("/usr/bin/python3 -c \"import socket,time\nl=[]\n"
            f"for i in range({count}):\n s=socket.create_connection(('{address}',80),2)\n s.sendall(b'GET / HTTP/1.1\\\\r\\\\nHost: site\\\\r\\\\nX: ')\n l.append(s)\n"
            "while True:\n time.sleep(3)\n for s in l:\n  try: s.sendall(b'x')\n  except OSError: pass\"")


def edited(file, *expressions):
    """The line of a script that edits a file with sed, and keeps the original for restored()."""
    edits = " ".join(f"-e '{each}'" for each in expressions)
    return f"cp -n {file} {file}.original; sed -i {edits} {file}"


def restored(file):
    return f"[ ! -e {file}.original ] || mv {file}.original {file}"


def shell(host, script, seconds=20):
    """(exit code, output) of a script on a host."""
    try:
        done = subprocess.run([str(lab.LAB), "exec", host, "--", "bash", "-uc", script], text=True, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stdout


def holds(host, script):
    """A proof: the script succeeds on the host."""
    return lambda: shell(host, script)[0] == 0


def fails(host, script):
    """A proof: the script does not succeed on the host."""
    return lambda: shell(host, script)[0] != 0


def answers(url, *, host="client", count=6, seconds=3):
    """The status codes that a visitor gets for so many requests; 0 for no answer."""
    _, out = shell(host, f"for i in $(seq {count}); do curl -s -o /dev/null -m {seconds} -w '%{{http_code}}\\n' {url}; done", count * seconds + 10)
    return [int(code) for code in out.split()]


def entry_fails():
    return all(code == 0 or code >= 500 for code in answers(ENTRY, count=2))


def sql_value(host, statement):
    """The first value of a result, or None without an answer."""
    code, out = shell(host, f"mariadb --batch --skip-column-names -e \"{statement}\"")
    return out.split("\n", maxsplit=1)[0].split("\t")[0] if code == 0 and out else None


def replica_status(name):
    """A column of SHOW SLAVE STATUS on web-02."""
    _, out = shell("web-02", "mariadb -e 'SHOW SLAVE STATUS\\G'")
    found = re.search(rf"^\s*{name}: (.*)$", out, re.M)
    return found[1].strip() if found else None


def haproxy_says(command):
    _, out = shell("lb-01", f"echo '{command}' | timeout 3 socat stdio /run/haproxy/admin.sock")
    return out


def server_state(server, backend="web"):
    """HAProxy's status of a server: UP, DOWN, MAINT."""
    for line in haproxy_says("show stat").splitlines():
        fields = line.split(",")
        if fields[:2] == [backend, server]:
            return fields[17]
    return None
