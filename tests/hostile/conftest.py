"""Fixtures of all attacks."""

import pytest
from attacks import AttackedSite


@pytest.fixture
def site():
    """A site with the default configuration; other tests make an AttackedSite of their own."""
    with AttackedSite() as attacked:
        yield attacked
