"""Fixtures of all fault tests."""

import pytest
from harness import Collector
from watched_agent import WatchedAgent


@pytest.fixture
def collector():
    """A collector that does not run yet."""
    site = Collector()
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def agent(collector):
    """An agent of that collector, which does not run yet."""
    watched = WatchedAgent(collector)
    try:
        yield watched
    finally:
        watched.close()
