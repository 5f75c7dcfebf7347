"""Ledgers are closed when a test is over."""

from collections.abc import Iterator

import pytest

from tests.routing.limiting import close_ledgers


@pytest.fixture(autouse=True)
def closed_ledgers() -> Iterator[None]:
    yield
    close_ledgers()
