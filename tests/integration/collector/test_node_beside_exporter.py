"""The probe node beside Debian's prometheus-node-exporter, on this machine and on a tree with the hardware that it lacks.

Each sample of the exporter's default collectors has its counterpart: the same name, type, labels and value. The exceptions are
those that docs/metrics.md lists with their reasons."""

import fnmatch
import os
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from harness import free_port

REPOSITORY = Path(__file__).resolve().parents[3]
AGENT = Path(os.environ.get("LAPWING_BIN", "build/dev/bin")) / "lapwing-agent"
TREE = REPOSITORY / "tests/fixtures/node"
# The exporter then reads the tree's files, not the kernel's netlink. Debian's package leaves the loopback device out.
FROM_FILES = ["--no-collector.netdev.netlink", "--collector.netdev.device-exclude="]
NEWER_FROM_FILES = ["--no-collector.netdev.netlink", "--no-collector.arp.netlink"]
# Levels that another moment may have changed there and back. Their values are compared on the tree.
MOVING = re.compile(r"node_(load\d+|procs_\w+|memory_\w+|time_seconds|udp_queues|sockstat_\w+|arp_entries|disk_io_now|softnet_backlog_len"
                    r"|entropy_available_bits|filefd_allocated|filesystem_(avail|free)_bytes|filesystem_files_free|timex_\w+"
                    r"|nf_conntrack_entries|cpu_\w*frequency_hertz|thermal_zone_temp|hwmon_\w+|netstat_Tcp_CurrEstab)")


def exceptions():
    """{kind: patterns of names} of the table in docs/metrics.md."""
    text = (REPOSITORY / "docs/metrics.md").read_text(encoding="utf-8")
    table = text.split("| metrics of node_exporter | here | reason |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    found = {"absent": [], "other series": [], "other values": []}
    for row in table.splitlines():
        names, kind, reason = (cell.strip() for cell in row.strip("|").split(" | "))
        assert reason, row
        found[kind] += re.findall(r"`([\w*]+)`", names)
    return found


EXCEPTIONS = exceptions()


def excepted(kind, name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in EXCEPTIONS[kind])


def parse(text):
    """({name: type}, {(name, labels): value}) of the text format, metrics of the host only. An empty label is none."""
    types, samples = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif match := re.fullmatch(r"(node_\w+)(?:\{(.*)\})? (\S+)(?: \d+)?", line):
            labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
            key = match[1], tuple(sorted(label for label in labels if label[1] and label[0] not in ("job", "instance")))
            assert key not in samples, f"{key} twice"
            samples[key] = float(match[3])
    return types, samples


def probed(directory, roots):
    config = directory / "agent.yaml"
    node = "on" if roots is None else "{ " + ", ".join(f"{name}: {path}" for name, path in roots.items()) + " }"
    config.write_text(f"host: web-01\ndata: {directory}\nprobes: {{ node: {node} }}\n", encoding="utf-8")
    done = subprocess.run([AGENT, "probe", "node", "--config", config], capture_output=True, text=True, check=True, timeout=30)
    return parse(done.stdout)


class Exporter:
    def __init__(self, program, arguments):
        self.url = f"http://127.0.0.1:{free_port()}/metrics"
        self.process = subprocess.Popen([program, f"--web.listen-address={self.url.split('/')[2]}", *arguments],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        until = time.monotonic() + 20
        while True:
            try:
                self.scrape()
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, "the exporter does not answer"
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def scrape(self):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return parse(answer.read().decode())


def differences(before, ours, after):
    """What the exporter says in both scrapes, and the probe between them does not."""
    types, first = before
    our_types, samples = ours
    last = after[1]
    for key in sorted(first.keys() & last.keys()):
        name, labels = key
        if excepted("absent", name):
            continue
        if our_types.get(name, types[name]) != types[name]:
            yield f"{name} is a {our_types[name]}, not a {types[name]}"
        elif key not in samples:
            if not excepted("other series", name) and not excepted("other values", name):
                yield f"{name}{dict(labels)} is missing"
        elif excepted("other values", name):
            continue
        elif not MOVING.fullmatch(name) or first[key] == last[key] == samples[key]:
            # CPU times may step back a little.
            slack = 1 if name == "node_cpu_seconds_total" else 1e-9 * abs(last[key])
            low, high = sorted((first[key], last[key]))
            if not low - slack <= samples[key] <= high + slack:
                yield f"{name}{dict(labels)} is {samples[key]}, not {low} to {high}"
    for name in sorted(our_types):
        if excepted("absent", name):
            yield f"{name} is there, and docs/metrics.md says that it is not"


def compared(directory, program, roots=None, arguments=()):
    with Exporter(program, list(arguments)) as exporter:
        before = exporter.scrape()
        ours = probed(directory, roots)
        after = exporter.scrape()
    names = {name for name, _ in before[1]}
    lacking = {name for name in names if name not in ours[0]}
    print(f"{len(names - lacking)} of {len(names)} names; {len(ours[0])} names here; lacking: {' '.join(sorted(lacking))}")
    assert len(names) > 200
    assert not list(differences(before, ours, after))
    return before, ours


def tree():
    roots = {name: TREE / name for name in ("proc", "sys", "root")}
    return roots, [f"--path.procfs={roots['proc']}", f"--path.sysfs={roots['sys']}", f"--path.rootfs={roots['root']}",
                   f"--path.udev.data={roots['root']}/run/udev/data"]


def of_debian_12():
    program = shutil.which("prometheus-node-exporter")
    if not program:
        pytest.skip("prometheus-node-exporter is not installed")
    return program


def test_on_this_machine(tmp_path):
    compared(tmp_path, of_debian_12())


def test_on_a_tree_with_hardware(tmp_path):
    roots, arguments = tree()
    theirs, ours = compared(tmp_path, of_debian_12(), roots, arguments + FROM_FILES)
    for part in ("md_state", "bonding_active", "hwmon_temp_celsius", "nvme_info", "edac_correctable_errors_total", "thermal_zone_temp",
                 "rapl_core_joules_total", "xfs_read_calls_total", "power_supply_info", "dmi_info", "cpu_frequency_max_hertz"):
        assert any(name == f"node_{part}" for name, _ in theirs[1]), part
        assert any(name == f"node_{part}" for name, _ in ours[1]), part


@pytest.fixture(scope="module", name="of_debian_13")
def fixture_of_debian_13(tmp_path_factory):
    root = tmp_path_factory.mktemp("trixie") / "root"
    made = subprocess.run([REPOSITORY / "tests/debian-root", root, "trixie", "prometheus-node-exporter", "--variant=extract"],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"Debian 13's exporter cannot be had: {made.stderr[-200:]}")
    return root / "usr/bin/prometheus-node-exporter"


@pytest.mark.long
def test_debian_13_on_this_machine(tmp_path, of_debian_13):
    compared(tmp_path, of_debian_13)


@pytest.mark.long
def test_debian_13_on_a_tree_with_hardware(tmp_path, of_debian_13):
    roots, arguments = tree()
    compared(tmp_path, of_debian_13, roots, arguments + NEWER_FROM_FILES)
