"""What all tests share: one thread for each worker, and the switch that rewrites the golden files."""

from __future__ import annotations

import os

import pytest

# Before torch and numpy are imported: two workers with two threads each get in one another's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew from what the code says")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written."""
    return bool(request.config.getoption("--update-golden"))
