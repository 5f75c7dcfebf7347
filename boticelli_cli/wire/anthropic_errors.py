"""Anthropic's errors, both ways: https://platform.claude.com/docs/en/api/errors."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    KeptElsewhereError,
    ProviderError,
    QuotaError,
    RefusedError,
)
from boticelli_cli.wire.body import encode_json
from boticelli_cli.wire.failure import FINAL, LATER, REFUSED_HINT, phrase, seconds, status_of, without_secrets

__all__ = ["KEY_HINT", "PROVIDER", "decode_error", "encode_error"]

PROVIDER: Final = "anthropic"

KEY_HINT: Final = "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys"


def decode_error(
    status: int, body: bytes, retry_after: str | None = None, *, now: datetime | None = None
) -> ProviderError:
    """The error that an answer with a bad status is, whatever its body: Anthropic's JSON, a proxy's HTML, or nothing.

    `retry_after` is the header of that name, in seconds or as a date, which is measured against `now`. A status
    below 400 is an answer that went wrong after it had begun; the kind of its error counts then.
    """
    said = _said(body)
    if status < 400:
        status = _STATUSES.get(said.type, 500)
    message = without_secrets(said.message) or phrase(status)
    if status == 401:
        return CredentialsError(f"the key was refused: {message}", provider=PROVIDER, status=status, hint=KEY_HINT)
    if (code := said.code) is not None and code.startswith("thread_"):
        return KeptElsewhereError("thread", message, code=code, provider=PROVIDER, status=status)
    if _is_spent(status, said):
        return _spent(status, said, message)
    if status == 403:
        hint = f"its workspace may not use this model or the API; allow it there, or {KEY_HINT}"
        message = f"the key may not do this: {message}"
        return CredentialsError(message, provider=PROVIDER, status=status, hint=hint)
    if status == 404:
        unknown = re.fullmatch(r"model: (\S+)", message)
        hint = "check the model's name; not every key has every model"
        message = f"there is no model '{unknown[1]}' for this key" if unknown else message
        return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
    if (too_long := _too_long(status, said.message)) is not None:
        hint = "shorten it, or ask a model that takes more"
        return RefusedError(too_long, provider=PROVIDER, status=status, hint=hint)
    if status in FINAL:
        return RefusedError(message, provider=PROVIDER, status=status, hint=REFUSED_HINT)
    if status == 429:
        message = f"a limit is reached for now: {message}"
    wait = seconds(retry_after, now)
    return ProviderError(message, provider=PROVIDER, status=status, retry_after=wait, hint=LATER)


def encode_error(error: BoticelliError) -> tuple[int, bytes]:
    """An error as a server of this dialect says it: the HTTP status, and the body.

    What is spent is 402 here, which clients do not try again after a moment, as they do 429; but for what a key of the
    gateway itself may spend, which no provider tells of.
    """
    is_ours = isinstance(error, QuotaError) and error.provider is None and error.status == 429
    status = 402 if isinstance(error, QuotaError) and not is_ours else status_of(error)
    kind = _KINDS.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    said: dict[str, Any] = {"type": kind, "message": error.message}
    if isinstance(error, KeptElsewhereError) and error.feature == "thread":  # clients then send it all by themselves
        said["details"] = {"error_code": error.code or "thread_unsupported_request", "unsupported": []}
    return status, encode_json({"type": "error", "error": said})


_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_KINDS = {status: kind for kind, status in _STATUSES.items()}

_SPENT = re.compile(r"credit balance is too low|reached your specified .{0,40}usage limits", re.IGNORECASE)
_AGAIN = re.compile(r"regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d) UTC)?")
_TOO_MANY = re.compile(r"prompt is too long: (\d{1,18}) tokens > (\d{1,18}) maximum")
_TOO_MANY_IN_ALL = re.compile(
    r"input length and `max_tokens` exceed context limit: (\d{1,18}) \+ (\d{1,18}) > (\d{1,18})"
)


class _Details(msgspec.Struct):
    error_code: Any = None


class _Said(msgspec.Struct):
    type: str = ""
    message: str = ""
    details: _Details | None = None

    @property
    def code(self) -> str | None:
        """What the details call it."""
        code = self.details.error_code if self.details is not None else None
        return code if isinstance(code, str) else None


class _Plain(msgspec.Struct):
    """What is left to read when the details are not as they should be."""

    type: str = ""
    message: str = ""


def _said(body: bytes) -> _Said:
    """What a body says, as far as it can be read."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _Said()
    error = raw.get("error") if isinstance(raw, dict) else None
    try:
        return msgspec.convert(error, _Said)
    except ValueError:
        pass
    try:
        plain = msgspec.convert(error, _Plain, strict=False)
    except ValueError:
        return _Said(message=error if isinstance(error, str) else "")
    return _Said(plain.type, plain.message)


def _is_spent(status: int, said: _Said) -> bool:
    """Whether no short wait helps. Credit that is spent comes as an invalid request, told by its words alone."""
    return (
        status == 402
        or (said.code or "").endswith("spend_limit_reached")
        or (status in (400, 403, 429) and _SPENT.search(said.message) is not None)
    )


def _spent(status: int, said: _Said, message: str) -> QuotaError:
    hint = "add credit or raise the limit at https://platform.claude.com/settings/billing, or ask another model"
    resets_at = None
    if found := _AGAIN.search(said.message):
        with suppress(ValueError):
            resets_at = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}").replace(tzinfo=UTC)
    return QuotaError(
        f"what may be used is spent: {message}", resets_at=resets_at, provider=PROVIDER, status=status, hint=hint
    )


def _too_long(status: int, message: str) -> str | None:
    if found := _TOO_MANY.search(message):
        tokens, most = int(found[1]), int(found[2])
        return f"the prompt is {tokens - most:,} tokens too long: it has {tokens:,}, and the model takes {most:,}"
    if found := _TOO_MANY_IN_ALL.search(message):
        tokens, asked, most = (int(each) for each in found.groups())
        return f"the prompt is too long: its {tokens:,} tokens and {asked:,} of max_tokens are more than {most:,}"
    return "the request is too large: with its media, it has more than 32 MB" if status == 413 else None
