"""Fixtures of all attacks."""

import pytest
from attacks import AttackedSite


@pytest.fixture(scope="module")
def site():
    """A site with the default configuration, for all tests of a file; other tests make an AttackedSite of their own."""
    with AttackedSite() as attacked:
        yield attacked
