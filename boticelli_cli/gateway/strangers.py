"""Requests of strangers: those that were refused at the door, of which not every single one is worth a line."""

import time
from collections.abc import Callable

from boticelli_cli.gateway.base import Entry, Observer

__all__ = ["FewStrangers"]

_MINUTE = 60.0


class FewStrangers:
    """Tells an observer of all requests, but of no more than `most` a minute that were refused for want of a key.

    Nobody has to be let in to make thousands of them a second, and each would be a line on a disk. `clock` is in
    seconds, and never goes back.
    """

    def __init__(self, observer: Observer, *, most: int = 100, clock: Callable[[], float] = time.monotonic) -> None:
        self._observer = observer
        self._most = most
        self._clock = clock
        self._since = clock()
        self._told = 0

    def ended(self, entry: Entry) -> None:
        if not _is_strangers(entry) or self._may_tell():
            self._observer.ended(entry)

    def _may_tell(self) -> bool:
        now = self._clock()
        if now - self._since >= _MINUTE:
            self._since, self._told = now, 0
        self._told += 1
        return self._told <= self._most


def _is_strangers(entry: Entry) -> bool:
    return entry.ending == "refused" and entry.key is None and entry.status in (401, 403, 429)
