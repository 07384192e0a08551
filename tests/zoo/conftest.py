"""Brings up the site that --site names."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shape import Shape
from watched import Watched

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests/lab/lab"
RESULTS = ROOT / "build/zoo"


def pytest_addoption(parser):
    parser.addoption("--site", required=True, help="a file of sites/, without .yaml")
    parser.addoption("--part", action="append", help="test_whatif.py stops only this component; may be repeated")
    parser.addoption("--pairs", type=int, default=24 if os.environ.get("LAPWING_LONG") == "1" else 0,
                     help="test_whatif.py stops so many pairs of components (24 in long runs)")


def pytest_generate_tests(metafunc):
    if "fault" in metafunc.fixturenames:
        faults = Shape(metafunc.config.getoption("--site")).faults
        if os.environ.get("LAPWING_LONG") != "1":
            faults = faults[:1]
        metafunc.parametrize("fault", faults, ids=lambda fault: fault.name.replace(" ", "-"))


@pytest.fixture(scope="session")
def shape(request):
    return Shape(request.config.getoption("--site"))


@pytest.fixture(scope="session")
def site(shape, tmp_path_factory):
    """The site, watched by Lapwing. The verdict on it goes to build/zoo/, where tests/zoo/table reads it."""
    overlay = tmp_path_factory.mktemp("overlay") / shape.name
    shape.write_overlay(overlay)
    watched = Watched(shape)
    try:
        subprocess.run([LAB, "up"], check=True, env={**os.environ, "LAPWING_OVERLAY": str(overlay)}, timeout=300)
        yield watched
    finally:
        subprocess.run([LAB, "down"], check=True, timeout=120)
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{shape.name}.json").write_text(json.dumps(watched.verdict(), indent=1), encoding="utf-8")
