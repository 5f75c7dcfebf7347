"""The words spoken by a run: one event for everything that happens, from its start to its end.

Values only. This is what the library yields, what `--format jsonl` prints a line of, and what every view is
drawn from. `run` names the run, `seq` counts from 1 without gaps, `at` is the moment in UTC.
"""

import base64
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from boticelli_cli.errors import BoticelliError, InputError, Problem, ProviderError
from boticelli_cli.messages import FinishReason, Media, Usage

__all__ = [
    "ActDelta",
    "ActFailed",
    "ActFallback",
    "ActFinished",
    "ActNotice",
    "ActRetrying",
    "ActRouted",
    "ActSkipped",
    "ActStarted",
    "ActWaiting",
    "ErrorInfo",
    "Event",
    "PlannedAct",
    "RunFailed",
    "RunFinished",
    "RunInterrupted",
    "RunStarted",
    "as_json",
    "describe_error",
]


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is told: `kind` for programs, `message` and `hint` for people."""

    kind: str
    message: str
    provider: str | None = None
    status: int | None = None
    retry_after: float | None = None
    hint: str | None = None
    problems: tuple[Problem, ...] | None = None


@dataclass(frozen=True, slots=True)
class PlannedAct:
    """An act as it will be run: `waits_for` names the acts that must finish first, `fallback` who else may be asked."""

    act: str
    model: str
    waits_for: tuple[str, ...]
    save: str | None = None
    fallback: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    run: str
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Event):
    """`plan` is in the order of the narrative; `output_act` names the act whose text, as it stands, is the answer."""

    type: ClassVar[Literal["run.started"]] = "run.started"
    narrative: str
    plan: tuple[PlannedAct, ...]
    model_default: str
    output_act: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActStarted(_Event):
    """`expected_input` is about how many tokens the request will be counted as, where that was asked for."""

    type: ClassVar[Literal["act.started"]] = "act.started"
    act: str
    model: str
    provider: str
    attempt: int
    expected_input: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDelta(_Event):
    """Exactly one of `text`, `thinking` and `media` is there."""

    type: ClassVar[Literal["act.delta"]] = "act.delta"
    act: str
    text: str | None = None
    thinking: str | None = None
    media: Media | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActWaiting(_Event):
    """The act's request waits its turn for about so many seconds; `reason` ends the sentence "waits …"."""

    type: ClassVar[Literal["act.waiting"]] = "act.waiting"
    act: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRetrying(_Event):
    """An attempt failed before anything of an answer had come; number `attempt` follows in so many seconds."""

    type: ClassVar[Literal["act.retrying"]] = "act.retrying"
    act: str
    error: ErrorInfo
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFallback(_Event):
    """One model did not answer, and another one is asked in its place. In JSON, `from_` is `from`."""

    type: ClassVar[Literal["act.fallback"]] = "act.fallback"
    act: str
    from_: str
    to: str
    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRouted(_Event):
    """Who is asked now, with whose key. `route` is the name of the way there, `reason` why it was taken."""

    type: ClassVar[Literal["act.routed"]] = "act.routed"
    act: str
    model: str
    provider: str
    account: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActNotice(_Event):
    """Something that a person should know of how an act is put to its model."""

    type: ClassVar[Literal["act.notice"]] = "act.notice"
    act: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActSkipped(_Event):
    type: ClassVar[Literal["act.skipped"]] = "act.skipped"
    act: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFinished(_Event):
    """`seconds` from the act's start to its end, `first_token_seconds` to its first delta.

    `cost_usd` is absent when the model's price, or what it used, is not known. `provider_reason` is why the answer
    ended in the provider's own word.
    """

    type: ClassVar[Literal["act.finished"]] = "act.finished"
    act: str
    text: str
    model: str
    served_model: str
    usage: Usage
    cost_usd: float | None = None
    finish_reason: FinishReason
    provider_reason: str | None = None
    seconds: float
    first_token_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFailed(_Event):
    type: ClassVar[Literal["act.failed"]] = "act.failed"
    act: str
    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(_Event):
    """`cost_usd` is what the acts cost whose price is known; `unpriced` names the models of the others."""

    type: ClassVar[Literal["run.finished"]] = "run.finished"
    output: str
    usage: Usage
    seconds: float
    cost_usd: float | None = None
    unpriced: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(_Event):
    """`resume` is the run to resume from, once runs are kept."""

    type: ClassVar[Literal["run.failed"]] = "run.failed"
    error: ErrorInfo
    resume: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(_Event):
    type: ClassVar[Literal["run.interrupted"]] = "run.interrupted"
    resume: str | None = None


Event = (
    RunStarted
    | ActStarted
    | ActDelta
    | ActWaiting
    | ActRetrying
    | ActFallback
    | ActRouted
    | ActNotice
    | ActSkipped
    | ActFinished
    | ActFailed
    | RunFinished
    | RunFailed
    | RunInterrupted
)


def describe_error(error: BoticelliError) -> ErrorInfo:
    """The facts of an error, as events tell them."""
    return ErrorInfo(
        kind=error.kind,
        message=error.message,
        provider=error.provider if isinstance(error, ProviderError) else None,
        status=error.status if isinstance(error, ProviderError) else None,
        retry_after=error.retry_after if isinstance(error, ProviderError) else None,
        hint=error.hint,
        problems=error.problems if isinstance(error, InputError) else None,
    )


def as_json(value: Any) -> Any:
    """A value of this module as plain JSON data: what is absent is left out, moments are RFC 3339 in UTC."""
    match value:
        case str() | int() | float() | None:
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case tuple() | list():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case _:
            data: dict[str, Any] = {"type": value.type} if isinstance(value, Event) else {}
            for field in fields(value):
                item = getattr(value, field.name)
                if item is not None:
                    data[field.name.rstrip("_")] = as_json(item)
            return data
