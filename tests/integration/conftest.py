"""What all tests share under pytest: the marker root, and the exit code for ctest."""

import os

import pytest

SKIPPED = 77  # LAPWING_SKIPPED in cmake/targets.cmake


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("it needs root")


def pytest_sessionfinish(session, exitstatus):
    """A file whose tests were all skipped has not passed."""
    stats = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if exitstatus == 0 and stats.get("skipped") and not stats.get("passed"):
        session.exitstatus = SKIPPED
