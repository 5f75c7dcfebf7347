"""Cool-downs: how long an account rests after an error, so that others are asked in its place. Pure; no clock.

The lengths are those that served a large relay well.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    UnreachableError,
)

__all__ = ["REFUSALS", "Kind", "Rest", "Standing", "is_of_account", "rest_after"]

Kind = Literal["failed", "told", "disabled"]
"""Why an account rests: it failed and may be well again, it said when to come back, or it is no longer asked.

In this order they are asked all the same, when there is no other account.
"""

REFUSALS = 3
"""How often in a row credentials are refused before their account is no longer asked."""

_MINUTE = 60.0
_LONGEST = 30 * _MINUTE
_OVERLOADS = 2

_ORDER: dict[Kind, int] = {"failed": 0, "told": 1, "disabled": 2}


@dataclass(frozen=True, slots=True)
class Rest:
    """An account is not asked until then, while there is another: for one model only, where one is named."""

    until: float
    kind: Kind
    reason: str
    model: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """Which of two that rest is asked first, where there is no other."""
        return _ORDER[self.kind], self.until


@dataclass(slots=True)
class Standing:
    """What speaks against an account just now. `refusals` and `overloads` are counted in a row."""

    whole: Rest | None = None
    models: dict[str, Rest] = field(default_factory=dict)
    refusals: int = 0
    overloads: int = 0

    def against(self, model: str, now: float) -> Rest | None:
        """Why an account is not to be asked for a model now, if there is a reason."""
        if self.whole is not None and self.whole.until > now:
            return self.whole
        rest = self.models.get(model) if self.models else None
        return rest if rest is not None and rest.until > now else None

    def note(self, error: ProviderError, model: str, *, now: float, wall: float) -> Rest | None:
        """Count an error, and return the rest that it makes necessary, which has yet to be put down."""
        self.refusals += isinstance(error, CredentialsError)
        self.overloads = self.overloads + 1 if error.status == 529 else 0
        return rest_after(error, model, now=now, wall=wall, refusals=self.refusals, overloads=self.overloads)

    def put(self, rest: Rest) -> None:
        if rest.model:
            self.models[rest.model] = rest
        else:
            self.whole = rest

    def clear(self, model: str) -> bool:
        """Take a success with a model into account; whether anything had spoken against it."""
        if self.whole is None and not self.refusals and not self.overloads and model not in self.models:
            return False
        self.whole, self.refusals, self.overloads = None, 0, 0
        self.models.pop(model, None)
        return True


def is_of_account(error: ProviderError) -> bool:
    """Whether another account of the same provider may do better: not where what is asked is the fault, or time is up.

    Not every key has every model, so that an unknown one (404) may be known to another account.
    """
    if isinstance(error, RefusedError):
        return error.status == 404
    return not isinstance(error, NoAnswerError)


def rest_after(
    error: ProviderError, model: str, *, now: float, wall: float, refusals: int = 1, overloads: int = 1
) -> Rest | None:
    """How an account rests after an error, if it does. `now` is the clock of rests, `wall` that of `resets_at`."""
    kind, seconds = _kind_and_seconds(error, wall, refusals, overloads)
    if not seconds:
        return None
    return Rest(now + seconds, kind, error.message, model if _is_of_model(error) else "")


def _kind_and_seconds(error: ProviderError, wall: float, refusals: int, overloads: int) -> tuple[Kind, float]:
    match error:
        case RefusedError() | NoAnswerError():
            return "failed", 0.0
        case CredentialsError():
            return ("disabled", math.inf) if refusals >= REFUSALS else ("told", _LONGEST)
        case QuotaError(resets_at=None):
            return "told", error.retry_after or _LONGEST
        case QuotaError(resets_at=moment) if moment is not None:
            return "told", max(moment.timestamp() - wall, 0.0)
        case UnreachableError():
            return "failed", _MINUTE
    if error.status == 429:
        return "told", min(_MINUTE if error.retry_after is None else error.retry_after, _LONGEST)
    seconds = _after_status(error.status, overloads)
    if error.retry_after is not None and seconds:
        return "told", min(max(seconds, error.retry_after), _LONGEST)
    return "failed", seconds


def _after_status(status: int | None, overloads: int) -> float:
    """After a server's error, or a connection that broke (`None`); 529 is what Anthropic says when it is overloaded."""
    if status is None or status == 503:
        return _MINUTE
    if status == 529:
        return 10 * _MINUTE if overloads >= _OVERLOADS else 0.0
    return 5 * _MINUTE if status >= 500 else 0.0


def _is_of_model(error: ProviderError) -> bool:
    return isinstance(error, QuotaError) or error.status == 429
