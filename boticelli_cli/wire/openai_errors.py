"""OpenAI's errors, both ways, and those of the many servers that speak its dialect in their own manner.

https://platform.openai.com/docs/guides/error-codes and https://openrouter.ai/docs/api/errors.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    ProviderError,
    QuotaError,
    RefusedError,
)
from boticelli_cli.wire.failure import FINAL, LATER, REFUSED_HINT, phrase, seconds, status_of, without_secrets

__all__ = ["KEY_HINT", "PROVIDER", "decode_error", "encode_error", "error_of"]

PROVIDER: Final = "openai"

KEY_HINT: Final = "set OPENAI_API_KEY to a key from https://platform.openai.com/api-keys"


def decode_error(
    status: int, body: bytes, retry_after: str | None = None, *, now: datetime | None = None
) -> ProviderError:
    """The error that an answer with a bad status is, whatever its body: OpenAI's JSON, another's, HTML, or nothing.

    `retry_after` is the header of that name, in seconds or as a date, which is measured against `now`. A status
    below 400 is an answer that went wrong after it had begun; what the body says of itself counts then.
    """
    said = _said(body)
    words = f"{said.code} {said.type}".lower()
    if status < 400:
        status = _own_status(said, words)
    message = without_secrets(_KEYS.sub("…", said.message)) or phrase(status)
    wait = seconds(retry_after, now)
    if status == 401 or (status == 400 and _ABOUT_THE_KEY.search(f"{words} {said.message}")):
        return CredentialsError(f"the key was refused: {message}", provider=PROVIDER, status=status, hint=KEY_HINT)
    if too_long := _too_long(said, words, message, status):
        return too_long
    if _BLOCKED.search(words) or said.flagged:
        return RefusedError(f"the prompt was blocked: {message}", provider=PROVIDER, status=status, hint="reword it")
    if status == 403:
        hint = f"its account may not use this model, or not from here; allow it there, or {KEY_HINT}"
        return CredentialsError(f"the key may not do this: {message}", provider=PROVIDER, status=status, hint=hint)
    if status in (402, 429):
        return _spent(said, words, message, status, wait, now)
    if status == 404:
        hint = "check the model's name; not every key has every model"
        return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
    if status in FINAL:
        return RefusedError(message, provider=PROVIDER, status=status, hint=REFUSED_HINT)
    return ProviderError(message, provider=PROVIDER, status=status, retry_after=wait, hint=LATER)


def encode_error(error: BoticelliError) -> tuple[int, bytes]:
    """An error as a server of this dialect says it: the HTTP status, and the body."""
    status = status_of(error)
    return status, msgspec.json.encode({"error": error_of(error, status)})


def error_of(error: BoticelliError, status: int) -> dict[str, Any]:
    """What stands in a body's `error`."""
    kind, code = _WORDS.get(status) or (("invalid_request_error" if status < 500 else "server_error"), None)
    if status == 404 and isinstance(error, ProviderError) and error.provider is None:
        code = None  # nothing is at that address
    if isinstance(error, QuotaError):
        kind = code = "insufficient_quota"
    elif isinstance(error, RefusedError) and _TOO_LONG.search(error.message):
        code = "context_length_exceeded"
    message = error.message.encode(errors="replace").decode()
    return {"message": message, "type": kind, "param": None, "code": code}


_WORDS: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
}

_STATUSES = (
    (re.compile(r"insufficient_quota|rate_?limit|too_many_requests|billing"), 429),
    (re.compile(r"invalid_api_key|authentication|unauthorized"), 401),
    (re.compile(r"permission"), 403),
    (re.compile(r"not_found"), 404),
    (re.compile(r"context_length|exceed_context|invalid_request|invalid_prompt|content_filter|badrequest"), 400),
    (re.compile(r"overloaded|unavailable|capacity"), 503),
    (re.compile(r"timeout"), 504),
)
"""What an error within a stream calls itself, and the status that it would have had before it."""

_KEYS = re.compile(r"\b(?:gsk_|xai-|nvapi-|hf_|pplx-|csk-|fw_|tgp_)[\w*-]{8,}|(?<=key provided: )\S+", re.IGNORECASE)
_ABOUT_THE_KEY = re.compile(
    r"invalid_api_key|(?:incorrect|invalid) api key|api key (?:not valid|expired)", re.IGNORECASE
)
_BLOCKED = re.compile(r"content_filter|content_policy|moderation|invalid_prompt")
_OUT_OF_CREDIT = re.compile(r"insufficient_quota|billing|insufficient.balance|credit", re.IGNORECASE)
_OF_A_DAY = re.compile(r"\b(?:RPD|TPD)\b|per[- ]day|daily", re.IGNORECASE)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
_TRY_AGAIN = re.compile(r"try again in ((?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_TOO_LONG = re.compile(
    r"context_length|exceed_context_size|maximum context length|context window|available context size|"
    r"prompt is (?:[\d,]+ tokens )?too long|input tokens exceed",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"(?:context length is|limit of|context size) \(?(\d{1,18})")
_LENGTH = re.compile(r"(?:resulted in|you requested|requested about) (\d{1,18}) tokens|request \((\d{1,18}) tokens\)")


class _Said(msgspec.Struct):
    message: str = ""
    type: str = ""
    code: str = ""
    flagged: bool = False
    reset: str = ""


def _said(body: bytes) -> _Said:
    """What a body says, as far as it can be read, in whichever of the forms that servers have for it."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _Said()
    if isinstance(raw, list) and raw:
        raw = raw[0]
    if not isinstance(raw, dict):
        return _Said()
    error = raw.get("error") or raw
    if isinstance(error, str):
        return _Said(error, _text(raw.get("type")), _text(raw.get("code")))
    if not isinstance(error, dict):
        return _Said()
    metadata = error.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    headers = metadata.get("headers")
    code = error.get("code") or error.get("status") or error.get("status_code")
    return _Said(
        _message(error, metadata),
        _text(error.get("type")),
        _text(code),
        bool(metadata.get("reasons")),
        _text(headers.get("X-RateLimit-Reset")) if isinstance(headers, dict) else "",
    )


def _message(error: dict[str, Any], metadata: dict[str, Any]) -> str:
    """A sentence of an error: FastAPI's servers say it as `detail`, and OpenRouter what its provider said as `raw`."""
    said = error.get("message") or error.get("detail") or error.get("error") or ""
    if isinstance(said, list):
        said = "; ".join(_text(each.get("msg")) for each in said if isinstance(each, dict))
    elif isinstance(said, dict):
        said = said.get("message") or said.get("error") or ""
    raw = metadata.get("raw")
    return f"{said}: {raw}" if isinstance(raw, str) and raw else _text(said)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _own_status(said: _Said, words: str) -> int:
    if re.fullmatch(r"[45]\d\d", said.code):
        return int(said.code)
    return next((status for pattern, status in _STATUSES if pattern.search(words)), 500)


def _too_long(said: _Said, words: str, message: str, status: int) -> RefusedError | None:
    if status not in (400, 413, 422, 500) or not _TOO_LONG.search(f"{words} {said.message}"):
        return None
    limit, length = _LIMIT.search(said.message), _LENGTH.search(said.message)
    sentence = f"the prompt is too long: {message}"
    if limit and length and (tokens := int(length[1] or length[2])) > (most := int(limit[1])):
        sentence = f"the prompt is {tokens - most:,} tokens too long: it has {tokens:,}, and the model takes {most:,}"
    hint = "shorten it, or ask a model that takes more"
    return RefusedError(sentence, provider=PROVIDER, status=status, hint=hint)


def _spent(
    said: _Said, words: str, message: str, status: int, wait: float | None, now: datetime | None
) -> ProviderError:
    told = _TRY_AGAIN.search(said.message)
    if wait is None and told:
        wait = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(told[1]))
    if status == 402 or _OUT_OF_CREDIT.search(words):
        hint = "add credit to its account, or use another one"
        return QuotaError(f"the account's credit is spent: {message}", provider=PROVIDER, status=status, hint=hint)
    if _TOO_LARGE.search(said.message):  # than a whole minute's quota: no waiting helps
        hint = "shorten it, or use an account of a higher tier"
        return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
    if _OF_A_DAY.search(said.message):
        resets_at = _reset(said) or (None if wait is None else _later(now, wait))
        return QuotaError(f"the day's quota is spent: {message}", provider=PROVIDER, status=status, resets_at=resets_at)
    sentence = f"a quota is spent for now: {message}"
    return ProviderError(sentence, provider=PROVIDER, status=status, retry_after=wait, hint=LATER)


def _reset(said: _Said) -> datetime | None:
    """OpenRouter's moment, in milliseconds."""
    return datetime.fromtimestamp(int(said.reset) / 1000, UTC) if re.fullmatch(r"\d{13}", said.reset) else None


def _later(now: datetime | None, wait: float) -> datetime | None:
    return (now or datetime.now(UTC)) + timedelta(seconds=wait) if wait < 10**7 else None
