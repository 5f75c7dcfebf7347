"""Cases of several axes: faces, providers, what goes wrong. It takes few of them for each two values to meet."""

from collections.abc import Collection
from itertools import combinations, product
from typing import Any

import pytest

Case = tuple[Any, ...]


def combined(**axes: Collection[Any]) -> pytest.MarkDecorator:
    """A test of every case. Those are slow that show nothing of any two values that another does not show."""
    cases = [*product(*axes.values())]
    quick = _quick(cases)
    marked = [pytest.param(*case, marks=() if case in quick else pytest.mark.slow) for case in cases]
    return pytest.mark.parametrize(",".join(axes), marked)


def _quick(cases: list[Case]) -> set[Case]:
    """As few cases as it takes, by taking the one that has most to show until there is nothing left."""
    unseen = {pair for case in cases for pair in _pairs(case)}
    taken: set[Case] = set()
    while unseen:
        best = max(cases, key=lambda case: len(unseen & _pairs(case)))
        taken.add(best)
        unseen -= _pairs(best)
    return taken


def _pairs(case: Case) -> set[Case]:
    return {*combinations(enumerate(case), 2)}
