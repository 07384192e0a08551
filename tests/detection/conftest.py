"""Brings up the lab, with an agent on each host, for the faults of one group."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import catalogue
import lab


def pytest_addoption(parser):
    parser.addoption("--group", required=True, choices=[*catalogue.GROUPS, "controls"])
    parser.addoption("--times", type=int, default=1, help="how often each fault is caused")


def pytest_generate_tests(metafunc):
    group, times = metafunc.config.getoption("--group"), metafunc.config.getoption("--times")
    for name, all_of_them in (("fault", catalogue.GROUPS.get(group, [])), ("control", catalogue.CONTROLS if group == "controls" else [])):
        if name in metafunc.fixturenames:
            chosen = [each for _ in range(times) for each in all_of_them]
            metafunc.parametrize(name, chosen, ids=lambda each: each.name)


@pytest.fixture(scope="session", autouse=True)
def site(request):
    os.environ["LAPWING_DETECTION_GROUP"] = request.config.getoption("--group")
    try:
        subprocess.run([str(lab.LAB), "up"], check=True, env={**os.environ, "LAPWING_LB_AGENT": "1"}, timeout=300)
        lab.until(lab.delivers_regularly, 200, "two samples of each probe at its interval")
        yield
    finally:
        subprocess.run([str(lab.LAB), "down"], check=True, timeout=120)
