"""The live view looks as it did."""

import pytest

from tests.views.snapshots import SIZES, path_of, snapshot


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_looks_as_it_did(columns: int, lines: int) -> None:
    assert snapshot(columns, lines) == path_of(columns, lines).read_text(encoding="utf-8")
