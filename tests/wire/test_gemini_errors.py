"""Gemini's errors, in every form they come in."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from boticelli_cli.errors import (
    BoticelliError,
    ConfigError,
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SaveError,
    StreamError,
    UsageError,
)
from boticelli_cli.wire.gemini import decode_error, encode_error


def body(code: int, message: str, *details: dict[str, Any], status: str = "X") -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return json.dumps({"error": {**error, "details": list(details)} if details else error}).encode()


def info(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


PER_MINUTE = info(
    "QuotaFailure",
    violations=[
        {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "quotaDimensions": {"model": "gemini-2.5-flash", "location": "global"},
            "quotaValue": "10",
        }
    ],
)
PER_DAY = info("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}])
HELP = info("Help", links=[{"description": "Learn more", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}])


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, body(401, "Request had invalid authentication credentials.")),
        (
            400,
            body(400, "API key not valid. Please pass a valid API key.", info("ErrorInfo", reason="API_KEY_INVALID")),
        ),
        (400, body(400, "API key not valid. Please pass a valid API key.")),
        (400, body(400, "API key expired. Please renew the API key.")),
    ],
)
def test_a_refused_key_says_where_to_get_one(status: int, answer: bytes) -> None:
    error = decode_error(status, answer)
    assert isinstance(error, CredentialsError)
    assert error.message.startswith("the key was refused: ")
    assert error.hint == "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey"
    assert (error.status, error.provider) == (status, "gemini")


def test_a_key_that_may_not_is_told_from_one_that_is_wrong() -> None:
    error = decode_error(403, body(403, "Generative Language API has not been used in project 1 before."))
    assert isinstance(error, CredentialsError)
    assert "may not" in error.message
    assert "may not use this model or the API" in (error.hint or "")


def test_no_key_and_no_contents_get_into_a_message() -> None:
    key = "AIza" + "Sy0_-" * 7
    for message in (
        f"Permission denied: Consumer 'api_key:{key}' has been suspended.",
        f"API key {key} is blocked.",
        "Permission denied: Consumer 'api_key:AQ.Ab8-other' has been suspended.",
    ):
        said = decode_error(403, body(403, message)).message
        assert "Sy0" not in said
        assert "AQ." not in said
        assert "…" in said
    contents = "c2VjcmV0" * 50
    for message in (f'Base64 decoding failed for "{contents}"', f'failed for "{contents}', contents * 20):
        assert len(decode_error(400, body(400, message)).message) <= 400
    assert decode_error(400, body(400, f'decoding failed for "{contents}"')).message == 'decoding failed for "…"'


def test_an_unknown_model_is_refused() -> None:
    error = decode_error(404, body(404, "models/gemini-9 is not found for API version v1beta."))
    assert isinstance(error, RefusedError)
    assert error.message == "models/gemini-9 is not found for API version v1beta."
    assert error.hint


def test_too_long_a_prompt_says_by_how_much() -> None:
    error = decode_error(
        400,
        body(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    )
    assert isinstance(error, RefusedError)
    assert error.message == "the prompt is 151,424 tokens too long: it has 1,200,000, and the model takes 1,048,576"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_stays_wrong_is_refused(status: int) -> None:
    error = decode_error(status, body(status, "Invalid JSON payload\nreceived."))
    assert isinstance(error, RefusedError)
    assert (error.message, error.status) == ("Invalid JSON payload received.", status)


@pytest.mark.parametrize(("delay", "seconds"), [("17s", 17.0), ("1.5s", 1.5), ("0s", 0.0), ("soon", None), ("", None)])
def test_a_spent_quota_says_which_and_when_to_come_back(delay: str, seconds: float | None) -> None:
    error = decode_error(429, body(429, "Long text.", HELP, PER_MINUTE, info("RetryInfo", retryDelay=delay)))
    assert type(error) is ProviderError
    assert error.message == "a quota is spent for now: GenerateRequestsPerMinutePerProjectPerModel-FreeTier (10)"
    assert (error.status, error.retry_after) == (429, seconds)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2026 07:28:10 -0000", 10.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("later", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_says_when_to_come_back(header: str | None, seconds: float | None) -> None:
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    for status in (429, 503):
        error = decode_error(status, body(status, "Resource has been exhausted."), header, now=now)
        assert "Resource has been exhausted." in error.message
        assert error.retry_after == seconds


def test_the_body_counts_before_the_header() -> None:
    assert decode_error(429, body(429, "", info("RetryInfo", retryDelay="7s")), "30").retry_after == 7


def test_a_days_quota_is_told_from_a_minutes() -> None:
    error = decode_error(429, body(429, "Long text.", PER_MINUTE, PER_DAY, info("RetryInfo", retryDelay="17s")))
    assert isinstance(error, QuotaError)
    assert error.message == "the day's quota is spent: GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    assert (error.status, error.resets_at, error.retry_after, error.provider) == (429, None, None, "gemini")


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_what_may_pass_is_an_error_to_wait_for(status: int) -> None:
    error = decode_error(status, body(status, "The model is overloaded."))
    assert type(error) is ProviderError
    assert (error.message, error.status, error.provider) == ("The model is overloaded.", status, "gemini")


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html><title>502</title></html>", b"null", b"[]", b'{"error":null}', b'{"error":{"message":5}}', b"[" * 10**5],
)  # fmt: skip
def test_a_body_that_says_nothing_leaves_the_status(answer: bytes) -> None:
    error = decode_error(502, answer)
    assert (type(error), error.message, error.status) == (ProviderError, "HTTP 502 Bad Gateway", 502)
    assert decode_error(599, answer).message == "HTTP 599"


def test_a_list_of_one_error_is_read_like_the_error() -> None:
    answer = b"[" + body(400, "API key not valid.") + b"]"
    assert isinstance(decode_error(400, answer), CredentialsError)


def test_a_good_status_leaves_it_to_the_code_in_the_body() -> None:
    assert decode_error(200, body(503, "Overloaded.")).status == 503
    assert decode_error(200, body(0, "Odd.")).status == 500


def test_details_that_are_not_as_they_should_be_do_not_hide_the_message() -> None:
    answer = json.dumps({"error": {"code": "503", "message": "Overloaded.", "details": "none"}}).encode()
    assert decode_error(200, answer).message == "Overloaded."
    assert decode_error(500, b'{"error":"Overloaded."}').message == "Overloaded."


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (CredentialsError("no"), 401, "UNAUTHENTICATED"),
        (CredentialsError("no", status=400), 401, "UNAUTHENTICATED"),
        (CredentialsError("no", status=403), 403, "PERMISSION_DENIED"),
        (QuotaError("no"), 429, "RESOURCE_EXHAUSTED"),
        (RefusedError("no"), 400, "INVALID_ARGUMENT"),
        (RefusedError("no", status=404), 404, "NOT_FOUND"),
        (RefusedError("no", status=413), 413, "INVALID_ARGUMENT"),
        (NoAnswerError("no"), 504, "DEADLINE_EXCEEDED"),
        (StreamError("no"), 503, "UNAVAILABLE"),
        (ProviderError("no"), 503, "UNAVAILABLE"),
        (ProviderError("no", status=429, retry_after=1.5), 429, "RESOURCE_EXHAUSTED"),
        (ProviderError("no", status=502), 502, "INTERNAL"),
        (ProviderError("no", status=200), 503, "UNAVAILABLE"),
        (UsageError("no"), 400, "INVALID_ARGUMENT"),
        (ConfigError("no"), 400, "INVALID_ARGUMENT"),
        (SaveError("no"), 500, "INTERNAL"),
    ],
)
def test_says_every_error_as_a_server(error: BoticelliError, status: int, word: str) -> None:
    told, answer = encode_error(error)
    said = json.loads(answer)["error"]
    assert (told, said["code"], said["status"], said["message"]) == (status, status, word, "no")
    again = decode_error(told, answer)
    assert "no" in again.message or isinstance(again, QuotaError)
    if isinstance(error, CredentialsError | QuotaError | RefusedError):
        assert type(again) is type(error)
    if isinstance(error, ProviderError):
        assert again.retry_after == error.retry_after


def test_says_no_hint_to_a_client_which_is_for_whoever_runs_the_server() -> None:
    assert b"GEMINI" not in encode_error(CredentialsError("refused", hint="set GEMINI_API_KEY"))[1]


def test_writes_half_a_surrogate_pair() -> None:
    assert json.loads(encode_error(ProviderError("odd \ud800"))[1])["error"]["message"] == "odd ?"
