"""The arithmetic of a rolling minute: when may the next request go? Pure; times are seconds of one clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["MINUTE", "SPAN", "Lack", "Room", "Sent", "earliest"]

MINUTE = 60.0

SPAN = MINUTE + 0.5
"""How long a request is held against its successors.

More than the minute, because a provider counts what arrives: a request on a cold connection arrives a TLS
handshake later than it was let go, and the one a minute after it, on a warm connection, does not.
"""

Lack = Literal["requests", "tokens"]


class Sent(NamedTuple):
    """A request that went out, or is to go out, at a time, and its input tokens. Made by the thousand."""

    at: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Room:
    """When there is room for a request, and what there is too little of before that."""

    at: float
    lacks: Lack


def earliest(sent: Sequence[Sent], tokens: int, *, rpm: int | None, tpm: int | None, now: float) -> Room:
    """When a request of so many tokens may follow those in `sent`, which are in the order of their times.

    It never goes before one of them. A request larger than `tpm` goes when there is nothing else in the window.
    """
    turn = max(now, sent[-1].at) if sent else now
    requests = sent[-rpm].at + SPAN if rpm is not None and len(sent) >= rpm else now
    size = _room_for_tokens(sent, tokens, tpm, now) if tpm is not None else now
    lacks: Lack = "tokens" if size > requests or rpm is None else "requests"
    return Room(max(turn, requests, size), lacks)


def _room_for_tokens(sent: Sequence[Sent], tokens: int, tpm: int, now: float) -> float:
    if tokens > tpm:
        return sent[-1].at + SPAN if sent else now
    left = tpm - tokens
    for each in reversed(sent):
        left -= each.tokens
        if left < 0:
            return each.at + SPAN
    return now
