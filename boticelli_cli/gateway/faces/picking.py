"""Headers that go along with a request: those of a client's that mean something to its dialect's own providers."""

from collections.abc import Iterable, Mapping

__all__ = ["picked"]


def picked(headers: Mapping[str, str], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The headers of these names that there are."""
    return tuple((name, headers[name]) for name in names if name in headers)
