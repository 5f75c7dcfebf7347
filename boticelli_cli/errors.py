"""What can go wrong, as one tree; classes differ by what the caller should do.

    BoticelliError
    ├── InputError            change what you wrote
    │   ├── NarrativeError    … in the narrative file
    │   ├── ConfigError       … in a configuration file
    │   └── UsageError        … on the command line, or in the arguments of a call
    │       └── UnknownModelError  … by naming a model that is nobody's
    ├── ProviderError         the model's side failed: wait, or ask another model
    │   ├── CredentialsError  … there is no key, or it was refused: give another
    │   ├── QuotaError        … a day's quota is spent: wait for its reset
    │   ├── RefusedError      … it will not answer this, however often it is asked: change what is asked
    │   │   └── KeptElsewhereError  … as it builds on what another provider keeps: say all of it
    │   ├── UnreachableError  … no connection came about
    │   ├── NoAnswerError     … nothing arrived in time
    │   └── StreamError       … after part of the answer had arrived
    │       └── SilenceError  … by saying no more
    ├── TemplateError         an act's template could not be filled in with what earlier acts answered
    └── SaveError             an answer is there, but could not be written

Errors carry facts as attributes. Sentences for people and exit codes are made by the command line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any, ClassVar, Literal

__all__ = [
    "BoticelliError",
    "ConfigError",
    "CredentialsError",
    "InputError",
    "KeptElsewhereError",
    "NarrativeError",
    "NoAnswerError",
    "Problem",
    "ProviderError",
    "QuotaError",
    "RefusedError",
    "SaveError",
    "SilenceError",
    "StreamError",
    "TemplateError",
    "UnknownModelError",
    "UnreachableError",
    "UsageError",
    "did_you_mean",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, and where it stands.

    `line` and `column` count from 1, in characters; all three places are absent for a mistake that stands
    in no file. A `warning` does not keep a narrative from running.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        message = self.message if self.severity == "error" else f"warning: {self.message}"
        return f"{place}: {message}" if place else message


class BoticelliError(Exception):
    """The root of all errors that this package raises on purpose.

    `kind` is a stable word for programs; `hint` says what to do next, where there is something to say.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(BoticelliError):
    """Something that a person wrote has to change; `problems` lists all that was found, in order."""

    kind: ClassVar[str] = "input"

    def __init__(self, problems: Sequence[Problem] | str, *, hint: str | None = None) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        super().__init__("\n".join(map(str, problems)), hint=hint)
        self.problems = tuple(problems)


class NarrativeError(InputError):
    """A narrative file is wrong."""

    kind: ClassVar[str] = "narrative"


class ConfigError(InputError):
    """A configuration file is wrong."""

    kind: ClassVar[str] = "config"


class UsageError(InputError):
    """An option, a variable or another argument is wrong."""

    kind: ClassVar[str] = "usage"


class UnknownModelError(UsageError):
    """A model is nobody's, as far as anybody here knows."""


class ProviderError(BoticelliError):
    """A model could not be asked, or did not answer.

    `status` is the HTTP status where there was one, `retry_after` the seconds the provider asked us to wait.
    """

    kind: ClassVar[str] = "provider"

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.status = status
        self.retry_after = retry_after


class CredentialsError(ProviderError):
    """There is no key for a provider, or it refused the one there is."""

    kind: ClassVar[str] = "credentials"


class QuotaError(ProviderError):
    """A quota is spent that no short wait brings back; `resets_at` is when it does, where that is known."""

    kind: ClassVar[str] = "quota"

    def __init__(self, message: str, *, resets_at: datetime | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.resets_at = resets_at


class RefusedError(ProviderError):
    """The provider refuses what is asked: a model that it does not have, a blocked prompt, too long a context."""

    kind: ClassVar[str] = "refused"


class KeptElsewhereError(RefusedError):
    """A request builds on what a provider keeps, a `feature` of its dialect, and whoever is to answer has not got it.

    `code` is what its dialect calls the reason, where that was told.
    """

    def __init__(self, feature: str, message: str | None = None, *, code: str | None = None, **facts: Any) -> None:
        otherwise = f"'{feature}' is kept by another provider than the one that is to answer; send all of it"
        super().__init__(message or otherwise, **facts)
        self.feature = feature
        self.code = code


class UnreachableError(ProviderError):
    """No connection to the provider came about."""

    kind: ClassVar[str] = "unreachable"


class NoAnswerError(ProviderError):
    """Nothing arrived within the time that there was for it."""

    kind: ClassVar[str] = "timeout"


class StreamError(ProviderError):
    """A stream broke off after its first delta: what came before it is all there is."""

    kind: ClassVar[str] = "stream"
    HINT: ClassVar[str] = "what had come is kept; run it again"


class SilenceError(StreamError):
    """A stream stayed open and fell silent for longer than anybody waits."""

    kind: ClassVar[str] = "silence"


class TemplateError(BoticelliError):
    """A template failed while it was filled in, for a reason that only the answers of earlier acts can give."""

    kind: ClassVar[str] = "template"


class SaveError(BoticelliError):
    """An answer could not be written to its file."""

    kind: ClassVar[str] = "save"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or nothing."""
    likely = islice((each for each in known if abs(len(each) - len(word)) <= 3), 500)
    by_letters = {each.casefold(): each for each in reversed([*likely])}
    near = get_close_matches(word[:100].casefold(), by_letters, n=1, cutoff=0.6)
    return f"; did you mean '{by_letters[near[0]]}'?" if near else ""
