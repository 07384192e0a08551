"""Hosts that systemd boots: Debian roots under systemd-nspawn, each in a network namespace of its own, on one bridge."""

import os
import shutil
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = REPOSITORY / "build/cache/roots"
NETWORK = "10.79.0"
GATEWAY = f"{NETWORK}.1"
BASE = "systemd,systemd-sysv,dbus,procps,iproute2,iputils-ping,sudo,curl,ca-certificates,openssl"
ROLES = {
    "web": f"{BASE},nginx-light,mariadb-server,gunicorn,python3-flask,python3-pymysql",
    "balancer": f"{BASE},haproxy",
    "monitor": BASE,
    "managed": f"{BASE},openssh-server,python3,python3-apt",
    "control": f"{BASE},ansible-core,openssh-client",
}
CLEAN = ["/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"]


def command(*words, **options):
    options = {"check": True, "timeout": 900, "capture_output": True, "text": True, **options}
    done = subprocess.run([str(word) for word in words], **{**options, "check": False})
    if options["check"] and done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode}: {(done.stdout or '')[-1000:]}{(done.stderr or '')[-2000:]}")
    return done


def until(condition, seconds, what, pause=0.25):
    """What `condition` returns once that is true. An exception counts as false, and its text is the reason in the end."""
    end = time.monotonic() + seconds
    while True:
        reason = ""
        try:
            found = condition()
            if found:
                return found
        except Exception as error:  # pylint: disable=broad-except
            reason = f": {error}"
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}{reason}")
        time.sleep(pause)


def debian(role, suite):
    """The root of a Debian with the packages of a role, made once."""
    root = ROOTS / f"acceptance-{role}-{suite}"
    complete = root.with_suffix(".complete")
    packages = ROLES[role]
    if not complete.exists() or complete.read_text() != packages:
        ROOTS.mkdir(parents=True, exist_ok=True)
        command(REPOSITORY / "tests/debian-root", root, suite, packages, "--variant=minbase", timeout=1800)
        complete.write_text(packages)
    return root


def chroot(root, *words, **options):
    """In a root that is not booted, with /proc and /dev, in a mount namespace of its own."""
    script = ('mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && '
              'exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 '
              'DEBIAN_FRONTEND=noninteractive "$@"')
    return command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, root, *words, **options)


def packages(folder):
    """Release: its packages."""
    out = {}
    for release in ("12", "13"):
        debs = os.environ.get(f"LAPWING_DEBS_{release}")
        if not debs:
            debs = Path(folder) / f"debs-{release}"
            if release == "12":
                command(REPOSITORY / "packaging/build-deb", "--built", REPOSITORY / "build/dev", debs)
            else:
                command(REPOSITORY / "tests/acceptance/debian-13-packages", debs, timeout=7200)
        out[release] = {each.name.split("_")[0]: each for each in Path(debs).glob("lapwing-*.deb")}
    return out


class Story:
    """The steps with their seconds. The first failure ends it: each step begins where the one before ended."""

    def __init__(self):
        self.steps = []

    def tell(self, step, seconds):
        self.steps.append((step, seconds))
        print(f"ok    {seconds:5.1f} s  {step}", flush=True)

    def __call__(self, step, action):
        began = time.monotonic()
        try:
            out = action()
        except Exception as error:
            print(f"FAIL  {time.monotonic() - began:5.1f} s  {step}\n      {error}", flush=True)
            raise
        self.tell(step, time.monotonic() - began)
        return out

    def table(self):
        rows = "".join(f"| {step} | {seconds:.1f} |\n" for step, seconds in self.steps)
        return f"| step | seconds |\n| --- | ---: |\n{rows}"


class Machine:
    def __init__(self, folder, name, number, role, suite):
        self.name, self.role, self.suite = name, role, suite
        self.address = f"{NETWORK}.{number}"
        self.release = {"bookworm": "12", "trixie": "13"}[suite]
        self.root = Path(folder) / name
        self.log = Path(folder) / f"{name}.boot"
        self.nspawn = self.leader = None

    # Before the boot, with the network of the machine.

    def install(self, debs):
        """The root, the packages in /root as somebody has copied them, and in apt's cache what they depend on: hosts reach no mirror."""
        command("cp", "-a", "--reflink=auto", debian(self.role, self.suite), self.root)
        (self.root / "etc/machine-id").write_text(Path("/proc/sys/kernel/random/uuid").read_text().replace("-", ""))
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        for each in (self.root / "etc/apt/apt.conf.d").glob("*mmdebstrap*"):
            each.unlink()  # apt as Debian configures it
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        for deb in debs:
            shutil.copy(deb, self.root / "root")
        chroot(self.root, "apt-get", "-qq", "update")
        chroot(self.root, "sh", "-c", "apt-get -qq install -y --download-only /root/lapwing-*.deb")
        (self.root / "etc/resolv.conf").unlink()

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    # In the network of the site.

    def connect(self):
        inner = f"eth-{self.name}"
        for words in (f"netns add {self.name}", f"link add {inner} type veth peer name eth0 netns {self.name}",
                      f"link set {inner} master site up", f"-n {self.name} link set lo up",
                      f"-n {self.name} address add {self.address}/24 dev eth0", f"-n {self.name} link set eth0 up",
                      f"-n {self.name} route add default via {GATEWAY}"):
            command("ip", *words.split())

    def boot(self):
        with open(self.log, "ab") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", self.root, "--boot", f"--network-namespace-path=/run/netns/{self.name}",
                 "--capability=CAP_NET_ADMIN", "--register=no", "--keep-unit", f"--machine={self.name}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                                                      "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})

        def runs():
            children = command("pgrep", "-P", self.nspawn.pid, check=False).stdout.split()
            self.leader = children[0] if children else None
            if self.nspawn.poll() is not None:
                raise RuntimeError(self.log.read_text(errors="replace")[-2000:])
            return self.leader and self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded")
        until(runs, 120, f"Debian {self.release} on {self.name} has booted")

    def halt(self):
        if self.nspawn is None:
            return
        if self.leader:
            # SIGRTMIN+3 asks the systemd inside to halt.
            command("kill", "-s", "RTMIN+3", self.leader, check=False)
        try:
            self.nspawn.wait(90)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.nspawn = self.leader = None

    def run(self, script, typed="", check=True, timeout=180):
        """A line of root's shell, in root's home; `typed` is what somebody types at its questions."""
        done = subprocess.run(["nsenter", "--target", self.leader, "--all", "--", *CLEAN, "/bin/bash", "-c", f"cd /root\n{script}"],
                              input=typed, text=True, capture_output=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {script}\n{done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def sql(self, statements):
        return self.run(f"mariadb --batch --skip-column-names <<'END'\n{statements}\nEND").stdout


def make_network():
    for words in ("link add site type bridge", f"address add {GATEWAY}/24 dev site", "link set site up"):
        command("ip", *words.split())
