"""An agent and a collector of two versions: they work together, and an upgrade of either loses nothing.

The older programs are those before `lapwing-agent join` existed. They are compiled from the history, once.
"""

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from harness import PROGRAM, Collector
from reference import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
OLDER = REPOSITORY / "build/cache/before-join"
NEW = os.path.dirname(os.path.abspath(PROGRAM))
INTERVAL = 10  # seconds between two samples of the probe node
PROBES_THEN = ("node", "nginx", "app", "haproxy", "mysql", "sockets", "firewall", "keepalived", "inventory")


def git(*arguments, directory=REPOSITORY):
    return subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True)


def older_commit():
    """The last commit without agent/join. Skips the test where the history does not have it."""
    if not shutil.which("git"):
        pytest.skip("there is no git")
    shallow = git("rev-parse", "--is-shallow-repository")
    if not (REPOSITORY / ".git").exists() or shallow.returncode != 0:
        pytest.skip("there is no git history: " + shallow.stderr.strip())
    if shallow.stdout.strip() != "false":
        pytest.skip("the git history is shallow")
    added = git("log", "--diff-filter=A", "--format=%H", "--", "agent/join")
    assert added.returncode == 0 and added.stdout, added.stderr
    return added.stdout.split()[-1] + "^"


def checked(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def old():
    """The directory of the older programs."""
    commit = older_commit()
    commit = checked(["git", "-C", str(REPOSITORY), "rev-parse", commit])
    OLDER.parent.mkdir(parents=True, exist_ok=True)
    with open(str(OLDER) + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not OLDER.exists():
            checked(["git", "-C", str(REPOSITORY), "worktree", "add", "--force", "--detach", str(OLDER), commit])
        elif git("rev-parse", "HEAD", directory=OLDER).stdout.strip() != commit:
            checked(["git", "-C", str(OLDER), "checkout", "--detach", commit])
        launcher = {"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"} if shutil.which("ccache") else {}
        environment = {**os.environ, **launcher}
        checked(["cmake", "--preset", "dev"], cwd=OLDER, env=environment)
        checked(["ninja", "-C", "build/dev", "lapwing-agent", "lapwing-collector"], cwd=OLDER, env=environment)
    assert not (OLDER / "agent/join").exists()
    return str(OLDER / "build/dev/bin")


class Site:
    """A collector and the agent web-01, whose programs can be exchanged."""

    def __init__(self, programs):
        self.collector = Collector()
        self.agent = None
        self.agent_programs = self.collector.programs = programs
        self.collector.start()
        self.collector.configure_agent("web-01", {"node": "on"}, known=PROBES_THEN)
        self.start_agent()

    def start_agent(self):
        self.agent = self.collector.launch_agent(programs=self.agent_programs)

    def stop_agent(self):
        self.agent.terminate()
        assert self.agent.wait(20) == 0

    def close(self):
        if self.agent and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait(20)
        self.collector.close()

    def agent_status(self):
        done = subprocess.run([os.path.join(self.agent_programs, "lapwing-agent"), "--config", self.collector.path("agent.yaml"),
                               "status", "--json"], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout) if done.stdout else None

    def times(self):
        """When the agent looked at the host, as the collector has it."""
        found = self.collector.query('up{job="node",instance="web-01"}[1h]')
        return [at for series in found for at, _ in series["values"]]

    def more_samples(self, count=2):
        since = time.time()
        eventually(lambda: sum(at > since for at in self.times()) >= count, 120)

    def let_samples_wait(self, since):
        """Leaves the collector away until the agent has samples of two intervals in its spool."""
        eventually(lambda: time.time() - since > 2 * INTERVAL and self.agent_status(), 120)

    def upgrade_collector(self, programs):
        assert self.collector.stop() == 0
        self.let_samples_wait(time.time())
        self.collector.programs = programs
        self.collector.start()

    def upgrade_agent(self, programs):
        """While the collector is away, so that the new agent finds a spool of the older one."""
        assert self.collector.stop() == 0
        gone = time.time()
        self.let_samples_wait(gone)
        self.stop_agent()
        stopped = time.time()
        self.agent_programs = programs
        self.start_agent()
        self.collector.start()
        eventually(lambda: any(gone < at < stopped for at in self.times()), 120)

    def check(self, before):
        """They work together, and what was there before is there still, without a gap."""
        self.more_samples()
        times = self.times()
        assert set(before) <= set(times), "stored samples are lost"
        gaps = [b - a for a, b in itertools.pairwise(times) if b - a > 1.5 * INTERVAL]
        assert not gaps, f"samples are missing: {gaps}\n{self.collector.log_text()[-2000:]}"
        findings = self.collector.people("/api/lapwing/v1/findings")
        assert findings.status == 200 and findings.json()["status"] == "success", findings.body
        agents = self.collector.people("/api/lapwing/v1/agents")
        assert agents.status == 200 and b'"web-01"' in agents.body, agents.body
        status = self.collector.run("status")
        assert "1 of 1 report" in status.stdout, status.stdout + status.stderr
        assert self.agent_status()["collector"]["samples_sent"] > 0
        return times


@pytest.mark.parametrize("first", ["collector", "agent"])
def test_upgrades_one_after_the_other(old, first):
    site = Site(old)
    try:
        times = site.check([])
        second = "agent" if first == "collector" else "collector"
        for part in (first, second):
            getattr(site, "upgrade_" + part)(NEW)
            times = site.check(times)
    finally:
        site.close()
