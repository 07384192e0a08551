"""What tests of one receiver share: a collector, not started, and a receiver."""

import pytest
from harness import Collector
from sink import Sink


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()
