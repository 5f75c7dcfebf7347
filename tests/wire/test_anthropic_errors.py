"""Anthropic's errors, in every form they come in, and its lists."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    SaveError,
    StreamError,
    UsageError,
)
from boticelli_cli.wire.anthropic import (
    decode_count,
    decode_error,
    decode_models,
    encode_count_response,
    encode_error,
)
from boticelli_cli.wire.listing import ListedModel


def body(kind: str, message: str, **more: Any) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"}
    ).encode()


def test_a_refused_key_says_where_to_get_one() -> None:
    error = decode_error(401, body("authentication_error", "invalid x-api-key"))
    assert isinstance(error, CredentialsError)
    assert error.message == "the key was refused: invalid x-api-key"
    assert error.hint == "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys"
    assert (error.status, error.provider) == (401, "anthropic")


def test_a_key_that_may_not_is_told_from_one_that_is_wrong() -> None:
    error = decode_error(403, body("permission_error", "Your API key does not have permission."))
    assert isinstance(error, CredentialsError)
    assert "the key may not do this" in error.message
    assert "workspace" in (error.hint or "")


def test_no_key_and_no_contents_get_into_a_message() -> None:
    said = decode_error(
        401, body("authentication_error", "key sk-ant-api03-Recognizable_0123456789-AA is wrong")
    ).message
    assert "Recognizable" not in said
    assert len(decode_error(400, body("invalid_request_error", "long words " * 500)).message) <= 400


def test_an_unknown_model_is_refused() -> None:
    error = decode_error(404, body("not_found_error", "model: claude-9"))
    assert isinstance(error, RefusedError)
    assert (error.message, error.status) == ("there is no model 'claude-9' for this key", 404)
    assert error.hint
    assert decode_error(404, b"").message == "HTTP 404 Not Found"


@pytest.mark.parametrize(
    ("status", "kind", "message", "more"),
    [
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", {}),
        (402, "billing_error", "Payment required.", {}),
        (429, "rate_limit_error", "x", {"details": {"error_code": "enforced_spend_limit_reached"}}),
        (403, "permission_error", "x", {"details": {"error_code": "contract_spend_limit_reached"}}),
    ],
)
def test_spent_credit_is_no_matter_of_waiting(status: int, kind: str, message: str, more: Any) -> None:
    error = decode_error(status, body(kind, message, **more), "30")
    assert isinstance(error, QuotaError)
    assert (error.message, error.status) == (f"what may be used is spent: {message}", status)
    assert "billing" in (error.hint or "")


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-12-01 at 00:00 UTC.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-19-41 at 00:00 UTC.", None),
        ("soon", None),
    ],
)
def test_a_limit_of_ones_own_says_until_when(said: str, at: datetime | None) -> None:
    message = f"You have reached your specified API usage limits. You will regain access on {said}"
    error = decode_error(400, body("invalid_request_error", message))
    assert isinstance(error, QuotaError)
    assert error.resets_at == at


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "prompt is too long: 210000 tokens > 200000 maximum",
            "the prompt is 10,000 tokens too long: it has 210,000, and the model takes 200,000",
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
            "the prompt is too long: its 190,000 tokens and 20,000 of max_tokens are more than 200,000",
        ),
    ],
)
def test_too_long_a_prompt_says_by_how_much(message: str, told: str) -> None:
    error = decode_error(400, body("invalid_request_error", message))
    assert isinstance(error, RefusedError)
    assert error.message == told
    assert "shorten it" in (error.hint or "")


def test_too_large_a_request_says_so() -> None:
    error = decode_error(413, b"<html>Request Entity Too Large</html>")
    assert isinstance(error, RefusedError)
    assert "more than 32 MB" in error.message


@pytest.mark.parametrize("status", [400, 405, 422])
def test_what_stays_wrong_is_refused(status: int) -> None:
    error = decode_error(status, body("invalid_request_error", "top_k:\nnot permitted"))
    assert isinstance(error, RefusedError)
    assert (error.message, error.status) == ("top_k: not permitted", status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("17", 17.0), ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("soon", None), (None, None)],
)
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_passes_says_when_to_come_back(status: int, header: str | None, seconds: float | None) -> None:
    error = decode_error(status, body("x", "Later."), header, now=datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert type(error) is ProviderError
    assert error.message == ("a limit is reached for now: Later." if status == 429 else "Later.")
    assert (error.status, error.retry_after) == (status, seconds)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"", "HTTP 529"),
        (b"<html><title>Bad</title></html>", "HTTP 529"),
        (b'{"type":"error","error":{"type":"over', "HTTP 529"),
        (b"[" * 100_000, "HTTP 529"),
        (b"[1]", "HTTP 529"),
        (b'{"error":"Overloaded"}', "Overloaded"),
        (b'{"error":{"message":"Overloaded","details":5}}', "Overloaded"),
        (b'{"error":{"message":5}}', "HTTP 529"),
        (b'{"error":null}', "HTTP 529"),
        (b"\xff\xfe", "HTTP 529"),
    ],
)
def test_any_body_makes_an_error(said: bytes, message: str) -> None:
    error = decode_error(529, said)
    assert type(error) is ProviderError
    assert error.message == message
    assert decode_error(200, said).status == 500


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (CredentialsError("x"), 401, "authentication_error"),
        (CredentialsError("x", status=403), 403, "permission_error"),
        (QuotaError("x"), 402, "billing_error"),
        (RefusedError("x"), 400, "invalid_request_error"),
        (RefusedError("x", status=404), 404, "not_found_error"),
        (RefusedError("x", status=413), 413, "request_too_large"),
        (ProviderError("x", status=429), 429, "rate_limit_error"),
        (ProviderError("x", status=529), 529, "overloaded_error"),
        (ProviderError("x", status=502), 502, "api_error"),
        (ProviderError("x"), 503, "api_error"),
        (StreamError("x", status=529), 529, "overloaded_error"),
        (NoAnswerError("x"), 504, "timeout_error"),
        (UsageError("x"), 400, "invalid_request_error"),
        (SaveError("x"), 500, "api_error"),
        (ProviderError("\ud83d", status=418), 418, "invalid_request_error"),
    ],
)
def test_says_errors_as_anthropic_does(error: BoticelliError, status: int, kind: str) -> None:
    code, said = encode_error(error)
    assert code == status
    assert json.loads(said)["type"] == "error"
    assert json.loads(said)["error"]["type"] == kind


@pytest.mark.parametrize("kind", [CredentialsError, QuotaError, RefusedError])
def test_understands_the_errors_it_says(kind: type[ProviderError]) -> None:
    assert type(decode_error(*encode_error(kind("Not so.")))) is kind
    assert type(decode_error(200, encode_error(kind("Not so."))[1])) is kind


def test_lists_models_page_by_page() -> None:
    model = {"type": "model", "id": "claude-x", "display_name": "Claude X", "created_at": "2026-01-01T00:00:00Z"}
    limits = {"max_input_tokens": 200_000, "max_tokens": 64_000, "lifecycle": "active"}
    page = {"data": [{**model, **limits}, {"id": "claude-y"}], "has_more": True, "last_id": "claude-y"}
    found = [ListedModel("claude-x", "Claude X", 200_000, 64_000), ListedModel("claude-y")]
    assert decode_models(json.dumps(page).encode()) == (found, "claude-y")
    page |= {"has_more": False, "data": [{**model, "lifecycle": "retired"}]}
    assert decode_models(json.dumps(page).encode()) == ([], None)
    for bad in (b"", b"<html>", b'{"models":[]}', b"[" * 100_000):
        with pytest.raises(ProviderError, match="list of models cannot be read"):
            decode_models(bad)


def test_counts_tokens() -> None:
    assert decode_count(encode_count_response(17)) == 17
    with pytest.raises(ProviderError, match="count of tokens cannot be read"):
        decode_count(b'{"input_tokens":null}')
