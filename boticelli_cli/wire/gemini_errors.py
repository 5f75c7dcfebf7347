"""Gemini's errors, both ways: https://ai.google.dev/gemini-api/docs/troubleshooting and google.rpc's error model."""

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError, QuotaError, RefusedError
from boticelli_cli.wire.failure import FINAL, LATER, REFUSED_HINT, phrase, seconds, status_of, without_secrets

__all__ = ["KEY_HINT", "PROVIDER", "decode_error", "encode_error"]

PROVIDER: Final = "gemini"

KEY_HINT: Final = "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey"


def decode_error(
    status: int, body: bytes, retry_after: str | None = None, *, now: datetime | None = None
) -> ProviderError:
    """The error that an answer with a bad status is, whatever its body: Google's JSON, a proxy's HTML, or nothing.

    `retry_after` is the header of that name, in seconds or as a date, which is measured against `now`. A status
    below 400 is an answer that went wrong after it had begun; the body's own code counts then.
    """
    said = _said(body)
    if status < 400:
        status = said.code if 400 <= said.code < 600 else 500
    message = without_secrets(said.message) or phrase(status)
    wait = _retry_delay(said) if said.details else None
    if wait is None:
        wait = seconds(retry_after, now)
    if status == 401 or (status == 400 and _is_about_the_key(said)):
        return CredentialsError(f"the key was refused: {message}", provider=PROVIDER, status=status, hint=KEY_HINT)
    if status == 403:
        return CredentialsError(
            f"the key may not do this: {message}",
            provider=PROVIDER,
            status=status,
            hint=f"its project may not use this model or the API; allow it there, or {KEY_HINT}",
        )
    if status == 429:
        return _spent(said, message, wait)
    if status == 404:
        hint = "check the model's name; not every key has every model"
        return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
    if too_long := _TOO_LONG.search(said.message):
        return _too_long(int(too_long[1]), int(too_long[2]), status)
    if status in FINAL:
        return RefusedError(message, provider=PROVIDER, status=status, hint=REFUSED_HINT)
    return ProviderError(message, provider=PROVIDER, status=status, retry_after=wait, hint=LATER)


def encode_error(error: BoticelliError) -> tuple[int, bytes]:
    """An error as a server of this dialect says it: the HTTP status, and the body."""
    status, details = status_of(error), []
    if isinstance(error, QuotaError):
        details.append({"@type": _QUOTA_FAILURE, "violations": [{"quotaId": "RequestsPerDay"}]})
    if isinstance(error, ProviderError) and error.retry_after is not None:
        delay = f"{error.retry_after:.9f}".rstrip("0").rstrip(".")
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{delay}s"})
    said: dict[str, Any] = {
        "code": status,
        "message": error.message.encode(errors="replace").decode(),
        "status": _WORDS.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL"),
    }
    if details:
        said["details"] = details
    return status, msgspec.json.encode({"error": said})


_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"

_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_TOO_LONG = re.compile(r"token count \(?(\d{1,18})\)? exceeds the maximum number of tokens allowed \(?(\d{1,18})\)?")


class _Violation(msgspec.Struct, rename="camel"):
    quota_id: str = ""
    quota_metric: str = ""
    quota_value: str | int = ""


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""
    violations: tuple[_Violation, ...] = ()


class _Said(msgspec.Struct):
    code: int = 0
    message: str = ""
    details: tuple[_Detail, ...] = ()


class _Plain(msgspec.Struct):
    """What is left to read when the details are not as they should be."""

    code: int = 0
    message: str = ""


def _said(body: bytes) -> _Said:
    """What a body says, as far as it can be read. Without `alt=sse` a stream's error is a list of one."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _Said()
    if isinstance(raw, list) and raw:
        raw = raw[0]
    error = raw.get("error") if isinstance(raw, dict) else None
    try:
        return msgspec.convert(error, _Said)
    except ValueError:
        pass
    try:
        plain = msgspec.convert(error, _Plain, strict=False)
    except ValueError:
        return _Said(message=error if isinstance(error, str) else "")
    return _Said(plain.code, plain.message)


def _is_about_the_key(said: _Said) -> bool:
    words = said.message.lower()
    return (
        any(each.reason in ("API_KEY_INVALID", "API_KEY_EXPIRED") for each in said.details)
        or "api key not valid" in words
        or "api key expired" in words
    )


def _spent(said: _Said, message: str, wait: float | None) -> ProviderError:
    violations = [each for detail in said.details for each in detail.violations]
    of_a_day = next((each for each in violations if "PerDay" in each.quota_id), None)
    if of_a_day is not None:
        # With a day's quota Google sends a delay of seconds all the same, after which nothing would be different.
        return QuotaError(f"the day's quota is spent: {_quota(of_a_day)}", provider=PROVIDER, status=429)
    named = ", ".join(_quota(each) for each in violations if each.quota_id or each.quota_metric)
    sentence = f"a quota is spent for now: {named or message}"
    return ProviderError(sentence, provider=PROVIDER, status=429, retry_after=wait, hint=LATER)


def _quota(violation: _Violation) -> str:
    name = violation.quota_id or violation.quota_metric
    return f"{name} ({violation.quota_value})" if violation.quota_value else name


def _too_long(tokens: int, most: int, status: int) -> RefusedError:
    return RefusedError(
        f"the prompt is {tokens - most:,} tokens too long: it has {tokens:,}, and the model takes {most:,}",
        provider=PROVIDER,
        status=status,
        hint="shorten it, or ask a model that takes more",
    )


def _retry_delay(said: _Said) -> float | None:
    for detail in said.details:
        if delay := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", detail.retry_delay):
            return float(delay[1])
    return None
