"""Fixtures of the lab's tests."""

import lab
import pytest


@pytest.fixture(scope="module", autouse=True)
def regular_samples():
    """After an agent has started, the second run of a probe comes up to one and a half intervals after the first. Tests
    state intervals, so they begin when that is over."""
    lab.until(lab.delivers_regularly, 200, "two samples of each probe at its interval")


@pytest.fixture
def fault():
    """fault(NAME, VARIABLE=value) injects a fault of tests/lab/faults for the length of a `with` block."""
    return lab.fault
