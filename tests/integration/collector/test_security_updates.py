"""Security updates that the agent counts beside what apt itself would install, from the same files: real lists of two suites, and
the packages of this machine, some of them in an older version."""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

AGENT = Path(os.environ.get("LAPWING_BIN", "build/dev/bin")) / "lapwing-agent"
INFO = re.compile(r'^lapwing_security_update_info\{(.*)\} 1', re.M)
OLDER = 25  # packages; fewer than the agent tells by name


def apt_in(root):
    """The options that let apt work in a directory, with the lists of its sources.list alone."""
    return [f"-oDir::State::Lists={root}/lists", f"-oDir::State::Status={root}/status", f"-oDir::Cache={root}/cache", f"-oDir::Etc::SourceList={root}/sources.list",
            "-oDir::Etc::SourceParts=/dev/null", "-oDir::Etc::Preferences=/dev/null", "-oDir::Etc::PreferencesParts=/dev/null", "-oAcquire::GzipIndexes=false",
            "-oAPT::Sandbox::User=root"]


@pytest.fixture(scope="module", params=["bookworm-security", "trixie-security"])
def host(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    for name in ("lists/partial", "cache/archives/partial"):
        (root / name).mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (root / "sources.list").write_text(f"deb [signed-by={keys}] http://deb.debian.org/debian-security {request.param} main\n", encoding="utf-8")
    shutil.copy("/var/lib/dpkg/status", root / "status")
    fetched = subprocess.run(["apt-get", "update", "-qq", *apt_in(root)], capture_output=True, text=True, timeout=120)
    if fetched.returncode != 0 or not list((root / "lists").glob("*_Packages")):
        pytest.skip(f"the lists of {request.param} cannot be fetched: {fetched.stderr.strip()[-300:]}")
    return root


def offered(root):
    """Names of packages in the suite's lists."""
    return {line.split(": ")[1] for path in (root / "lists").glob("*_Packages") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("Package: ")}


def make_older(root):
    """Gives packages that the suite has, as far as they are installed, an older version: some from long ago, some from just before."""
    paragraphs = Path("/var/lib/dpkg/status").read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    there = offered(root)
    known = [i for i, text in enumerate(paragraphs) if "\nStatus: install ok installed\n" in text and re.match(r"Package: (.*)", text)[1] in there]
    draw = random.Random(3)
    for i in draw.sample(known, min(OLDER, len(known))):
        change = draw.choice([lambda old: "0~1", lambda old: old + "~", lambda old: re.sub(r"(\d+)$", lambda end: str(max(0, int(end[1]) - 1)), old)])
        paragraphs[i] = re.sub(r"^Version: (.*)$", lambda line: f"Version: {change(line[1])}", paragraphs[i], flags=re.M)
    (root / "status").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    return len(known)


def by_apt(root):
    """{package: (installed, offered)} of the packages for which apt's candidate is another version than the installed one."""
    names = subprocess.run(["dpkg-query", f"--admindir={admin(root)}", "-W", "-f", "${db:Status-Status} ${Package}\\n"], capture_output=True, text=True, check=True).stdout
    installed = [line.split()[1] for line in names.splitlines() if line.startswith("installed ")]
    told = subprocess.run(["apt-cache", "policy", *apt_in(root), *installed], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return {name: (have, candidate) for name, have, candidate in re.findall(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)", told, re.M) if have not in (candidate, "(none)")}


def admin(root):
    """dpkg's directory with that status file."""
    directory = root / "dpkg"
    if not directory.exists():
        (directory / "info").mkdir(parents=True)
        (directory / "updates").mkdir()
        (directory / "status").symlink_to(root / "status")
    return directory


def by_agent(root):
    """(number, {package: (installed, offered)}, text) of an agent that has these files in the places of the system's."""
    (root / "agent.yaml").write_text(f"host: web-01\ndata: {root}\nprobes: {{ inventory: on }}\n", encoding="utf-8")
    script = f'mount --bind {root}/lists /var/lib/apt/lists && mount --bind {root}/status /var/lib/dpkg/status && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", AGENT.resolve(), "probe", "inventory", "--config", root / "agent.yaml"],
                          capture_output=True, text=True, timeout=60)
    number = re.search(r"^lapwing_security_updates_pending(?:\{.*\})? (\d+)", done.stdout, re.M)
    assert number, done.stdout + done.stderr
    labels = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in INFO.findall(done.stdout)]
    return int(number[1]), {each["package"]: (each["installed"], each["offered"]) for each in labels}, done.stdout


def test_the_same_updates_as_apt(host):
    if os.geteuid() != 0:
        pytest.skip("only root can give the agent other files")
    known = make_older(host)
    expected = by_apt(host)
    number, told, text = by_agent(host)
    assert known > 0 and expected, "the suite has no package of this machine"
    assert number == len(expected)
    assert told.items() <= expected.items()
    assert len(told) == min(64, number)
    assert re.search(r"^lapwing_package_lists_timestamp_seconds(?:\{.*\})? \d", text, re.M)
