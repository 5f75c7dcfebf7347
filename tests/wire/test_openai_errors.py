"""OpenAI's errors, and those of other servers of its dialect, in every form they come in; and what they list."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from boticelli_cli.wire.listing import ListedModel
from boticelli_cli.wire.openai import decode_error, decode_models, encode_error

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def body(message: str, kind: str | None = None, code: Any = None, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, body("Incorrect API key provided: sk-proj-****.", "invalid_request_error", "invalid_api_key")),
        (401, b'{"detail":"Unauthorized"}'),
        (401, b""),
        (400, body("Incorrect API key provided: xai-secret.")),
        (400, b'[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key."}}]'),
    ],
)
def test_a_refused_key_says_where_to_get_one(status: int, answer: bytes) -> None:
    error = decode_error(status, answer)
    assert isinstance(error, CredentialsError)
    assert error.message.startswith("the key was refused: ")
    assert error.hint == "set OPENAI_API_KEY to a key from https://platform.openai.com/api-keys"
    assert (error.status, error.provider) == (status, "openai")


def test_a_key_that_may_not_is_told_from_one_that_is_wrong_and_from_a_blocked_prompt() -> None:
    error = decode_error(403, body("Country, region, or territory not supported", "request_forbidden"))
    assert isinstance(error, CredentialsError)
    assert "may not do this: Country" in error.message
    flagged = decode_error(403, body("Your input was flagged", code=403, metadata={"reasons": ["violence"]}))
    assert isinstance(flagged, RefusedError)
    assert flagged.message == "the prompt was blocked: Your input was flagged"


@pytest.mark.parametrize(
    "key", ["sk-proj-abcdefgh12345678", "gsk_abcdefgh12345678", "xai-abcdefgh12345678", "hf_abcdefgh1234"]
)
def test_no_key_gets_into_a_message(key: str) -> None:
    for message in (f"Incorrect API key provided: {key}.", f"The key {key} is blocked.", f"Key '{key}' used."):
        said = decode_error(401, body(message)).message
        assert "abcdefgh" not in said
        assert "…" in said


@pytest.mark.parametrize("code", ["context_length_exceeded", None])
def test_too_long_a_prompt_says_by_how_much(code: str | None) -> None:
    message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."
    error = decode_error(400, body(message, "invalid_request_error", code))
    assert isinstance(error, RefusedError)
    assert error.message == "the prompt is 2,000 tokens too long: it has 130,000, and the model takes 128,000"
    assert error.hint == "shorten it, or ask a model that takes more"


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (400, body("Too much.", code="context_length_exceeded"), "the prompt is too long: Too much."),
        (400, b'{"object":"error","message":"This model\'s maximum context length is 4096 tokens. However, you requested '
              b'5000 tokens (4500 in the messages, 500 in the completion).","type":"BadRequestError","code":400}',
         "the prompt is 904 tokens too long: it has 5,000, and the model takes 4,096"),
        (400, body("the request exceeds the available context size, try increasing it", "exceed_context_size_error", 400), "the prompt is too long: "),
        (400, body("request (9000 tokens) exceeds the available context size (8192 tokens)", "exceed_context_size_error"),
         "the prompt is 808 tokens too long"),
        (413, body("Prompt is too long."), "the prompt is too long: "),
        (400, body("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens."),
         "the prompt is 28,000 tokens too long"),
    ],
)  # fmt: skip
def test_knows_too_long_a_prompt_in_the_words_of_others(status: int, answer: bytes, says: str) -> None:
    error = decode_error(status, answer)
    assert isinstance(error, RefusedError)
    assert error.message.startswith(says)


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation", "invalid_prompt"])
def test_a_blocked_prompt_is_refused(code: str) -> None:
    error = decode_error(400, body("Your prompt was flagged.", "invalid_request_error", code))
    assert isinstance(error, RefusedError)
    assert (error.message, error.hint) == ("the prompt was blocked: Your prompt was flagged.", "reword it")


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_stays_wrong_is_refused(status: int) -> None:
    error = decode_error(status, body("Invalid value:\n'x'."))
    assert isinstance(error, RefusedError)
    assert (error.message, error.status) == ("Invalid value: 'x'.", status)
    assert error.hint


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (429, body("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota")),
        (429, body("Hard limit.", "requests", "billing_hard_limit_reached")),
        (402, body("Insufficient Balance", "unknown_error", "invalid_request_error")),
        (402, body("Insufficient credits. Add more.", code=402)),
    ],
)  # fmt: skip
def test_spent_credit_does_not_come_back_by_waiting(status: int, answer: bytes) -> None:
    error = decode_error(status, answer, "20")
    assert isinstance(error, QuotaError)
    assert error.message.startswith("the account's credit is spent: ")
    assert (error.status, error.retry_after) == (status, None)


def test_a_days_quota_says_when_it_is_back() -> None:
    said = "Rate limit reached for gpt-6 in organization org-1 on requests per day (RPD): Limit 200, Used 200. Please try again in 7m12s."
    error = decode_error(429, body(said, "requests", "rate_limit_exceeded"), now=NOW)
    assert isinstance(error, QuotaError)
    assert error.resets_at == NOW + timedelta(minutes=7, seconds=12)
    free = body(
        "Rate limit exceeded: free-models-per-day",
        code=429,
        metadata={"headers": {"X-RateLimit-Reset": "1792627200000"}},
    )
    error = decode_error(429, free)
    assert isinstance(error, QuotaError)
    assert error.resets_at == datetime(2026, 10, 22, tzinfo=UTC)
    assert getattr(decode_error(429, body("Daily limit.")), "resets_at", NOW) is None


@pytest.mark.parametrize(
    ("said", "header", "wait"),
    [
        ("Rate limit reached for gpt-6 on tokens per min (TPM). Please try again in 1.5s.", None, 1.5),
        ("Please try again in 350ms.", None, 0.35),
        ("Please try again in 1h2m3s.", None, 3723),
        ("Please try again in 6s.", "20", 20),
        ("Slow down.", "Wed, 21 Oct 2026 07:28:10 GMT", 10),
        ("Slow down.", None, None),
    ],
)  # fmt: skip
def test_a_spent_quota_says_when_to_come_back(said: str, header: str | None, wait: float | None) -> None:
    error = decode_error(429, body(said, "tokens", "rate_limit_exceeded"), header, now=NOW)
    assert type(error) is ProviderError
    assert error.message.startswith("a quota is spent for now: ")
    assert error.retry_after == pytest.approx(wait)


def test_a_request_larger_than_a_minutes_quota_is_not_waited_for() -> None:
    said = "Request too large for gpt-6 on tokens per min (TPM): Limit 30000, Requested 50000."
    error = decode_error(429, body(said, "tokens", "rate_limit_exceeded"))
    assert isinstance(error, RefusedError)
    assert error.message == said


NAMES = "error message type code detail metadata raw reasons headers X-RateLimit-Reset msg status object".split()


@settings(max_examples=60)
@given(
    st.sampled_from((200, 400, 402, 429, 500)),
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(("insufficient_quota", "try again in 9s per day")),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(NAMES), below),
    ),
)
def test_makes_an_error_of_anything(status: int, value: Any) -> None:
    assert decode_error(status, json.dumps(value).encode()).message


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_what_may_pass_is_an_error_to_wait_for(status: int) -> None:
    error = decode_error(status, body("The engine is overloaded."), "7")
    assert type(error) is ProviderError
    assert (error.message, error.status, error.retry_after) == ("The engine is overloaded.", status, 7)


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html><title>502</title></html>", b"null", b"[]", b'{"error":null}', b'{"error":{"message":5.5e400}}', b"[" * 10**5,
     b'{"error":[1]}', b'{"error":{"message":{"x":1}}}', b'{"error":{"metadata":5}}', b"5", b'"x"', b'{"detail":[1]}', b'{"error'],
)  # fmt: skip
def test_a_body_that_says_nothing_leaves_the_status(answer: bytes) -> None:
    error = decode_error(502, answer)
    assert (type(error), error.message, error.status) == (ProviderError, "HTTP 502 Bad Gateway", 502)
    assert decode_error(599, answer).message == "HTTP 599"


@pytest.mark.parametrize(
    "answer",
    [
        b'{"error":"Broken."}',
        b'{"detail":"Broken."}',
        b'{"detail":[{"loc":["body"],"msg":"Broken."}]}',
        b'{"object":"error","message":"Broken.","type":"X","code":500}',
        b'{"message":"Broken."}',
        b'{"error":{"message":"","detail":"Broken."}}',
        b'[{"error":{"message":"Broken."}}]',
    ],
)
def test_reads_a_sentence_wherever_it_stands(answer: bytes) -> None:
    assert decode_error(500, answer).message == "Broken."


def test_tells_what_a_provider_behind_said() -> None:
    said = body("Provider returned error", code=502, metadata={"raw": "upstream is down", "provider_name": "X"})
    assert decode_error(502, said).message == "Provider returned error: upstream is down"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CredentialsError("no"), 401, "invalid_api_key"),
        (CredentialsError("no", status=403), 403, None),
        (QuotaError("no"), 429, "insufficient_quota"),
        (RefusedError("no"), 400, None),
        (RefusedError("the prompt is 5 tokens too long: it has 10"), 400, "context_length_exceeded"),
        (RefusedError("no", status=404, provider="x"), 404, "model_not_found"),
        (RefusedError("there is nothing here", status=404), 404, None),
        (NoAnswerError("no"), 504, None),
        (StreamError("no"), 503, "overloaded"),
        (ProviderError("no", status=429, retry_after=1.5), 429, "rate_limit_exceeded"),
        (ProviderError("no", status=502), 502, None),
        (UsageError("no"), 400, None),
        (SaveError("no"), 500, None),
    ],
)
def test_says_every_error_as_a_server(error: BoticelliError, status: int, code: str | None) -> None:
    told, answer = encode_error(error)
    said = json.loads(answer)["error"]
    assert (told, said["code"], said["message"], said["param"]) == (status, code, error.message, None)
    assert said["type"]
    again = decode_error(told, answer)
    assert "no" in again.message or "too long" in again.message
    if isinstance(error, CredentialsError | QuotaError | RefusedError):
        assert type(again) is type(error)


def test_says_no_hint_to_a_client_and_no_half_of_a_surrogate_pair() -> None:
    answer = encode_error(CredentialsError("odd \ud800", hint="set OPENAI_API_KEY"))[1]
    assert json.loads(answer)["error"]["message"] == "odd ?"
    assert b"OPENAI" not in answer


def test_reads_lists_of_models_and_the_limits_that_some_of_them_say() -> None:
    page = {
        "object": "list",
        "data": [
            {"id": "gpt-6", "object": "model", "created": 1, "owned_by": "openai"},
            {"id": "a/b:free", "name": "B", "context_length": 9, "top_provider": {"max_completion_tokens": 4}},
            {"id": "vllm", "max_model_len": 8},
            {"id": "groq", "context_window": 7, "max_completion_tokens": 3},
            {"id": "llama", "meta": {"n_ctx_train": 6}, "context_length": None, "name": 5},
        ],
    }
    models = [
        ListedModel("gpt-6"),
        ListedModel("a/b:free", "B", 9, 4),
        ListedModel("vllm", None, 8),
        ListedModel("groq", None, 7, 3),
        ListedModel("llama", None, 6),
    ]
    assert decode_models(json.dumps(page).encode()) == (models, None)
    assert decode_models(json.dumps(page["data"]).encode()) == (models, None)
    assert decode_models(b'{"object":"list","data":null}') == ([], None)


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"data":[{}]}', b'{"data":5}', b"{}", b"[" * 10**5])
def test_refuses_what_is_no_list_of_models(answer: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        decode_models(answer)
