"""Requests that were refused at the door, and how many of them are told of."""

import pytest

from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.strangers import FewStrangers
from tests.gateway.serving import Book


def entry(status: int, *, key: str | None = None, ending: str = "refused") -> Entry:
    return Entry("req_1", 0.0, "anthropic", "", False, ending, status, 0.01, key=key)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [401, 403, 429])
def test_tells_of_so_many_strangers_a_minute(status: int) -> None:
    book, now = Book(), [100.0]
    few = FewStrangers(book, most=3, clock=lambda: now[0])
    for _ in range(5):
        few.ended(entry(status))
    assert len(book.entries) == 3
    now[0] += 60
    for _ in range(5):
        few.ended(entry(status))
    assert len(book.entries) == 6


def test_tells_of_all_others() -> None:
    book = Book()
    few = FewStrangers(book, most=0)
    others = [entry(429, key="ci"), entry(400), entry(200, ending="done"), entry(429, ending="failed")]
    for each in others:
        few.ended(each)
    assert book.entries == others
