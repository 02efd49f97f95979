"""What reports show is looked at here, and not where it lies."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _unlaid(unlaid):
    """In all modules of this folder."""
