"""Fixtures of the lab's tests."""

import time

import lab
import pytest


@pytest.fixture(scope="module", autouse=True)
def settled():
    """Tests state intervals, so they begin when each probe has run at its interval. They read findings, so they begin when
    an analysis has seen the lab as the test before left it: it may have removed hosts."""
    began = time.time()
    lab.until(lab.delivers_regularly, 200, "two samples of each probe at its interval")
    lab.until(lambda: lab.analysed_since(began), 60, "an analysis")


@pytest.fixture
def fault():
    """fault(NAME, VARIABLE=value) injects a fault of tests/lab/faults for the length of a `with` block."""
    return lab.fault
