"""Ids of the calls in an answer, by which clients tell their results."""

import secrets

__all__ = ["CallIds"]


class CallIds:
    """Gives each call of one answer an id of its own: the provider's, or one with `prefix` where that has come before,
    or there is none."""

    __slots__ = ("_given", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._given: set[str] = set()

    def of(self, said: str | None) -> str:
        told = said if said and said not in self._given else f"{self._prefix}{secrets.token_hex(12)}"
        self._given.add(told)
        return told
