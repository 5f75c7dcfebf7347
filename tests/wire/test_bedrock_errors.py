"""Bedrock's errors: by what the caller should do, whatever the body; and as a server says them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    UsageError,
)
from boticelli_cli.wire.bedrock_errors import decode_error, decode_failure, encode_error, error_name

SECRET = "ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl"

DENIED = "You don't have access to the model with the specified model ID."
PROFILE = (
    "Invocation of model ID anthropic.claude-sonnet-5-v1:0 with on-demand throughput isn’t supported. Retry your request "
    "with the ID or ARN of an inference profile that contains this model."
)
SIGNATURE = (
    "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this "
    "request should have been\n'POST\n/model/x\n\nx-amz-security-token:FwoGZXIvYXdz"
)

CASES = [
    (403, "AccessDeniedException", DENIED, CredentialsError, "may not do this", "access to the model"),
    (403, "ExpiredTokenException", "The security token included in the request is expired", CredentialsError, "have expired", "aws sso login"),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", CredentialsError, "were refused", "AWS_PROFILE"),
    (403, "InvalidSignatureException", SIGNATURE, CredentialsError, "were refused", "AWS_PROFILE"),
    (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z", CredentialsError, "signature was refused", "clock"),
    (404, "ResourceNotFoundException", "Model not found.", RefusedError, "Model not found", "region"),
    (400, "ValidationException", "The provided model identifier is invalid.", RefusedError, "identifier is invalid", "region"),
    (400, "ValidationException", PROFILE, RefusedError, "anthropic.claude-sonnet-5-v1:0 is asked through", "us.anthropic.claude-sonnet-5-v1:0"),
    (400, "ValidationException", "Input is too long for requested model.", RefusedError, "the prompt is too long", "shorten"),
    (400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum", RefusedError, "the prompt is too long", "shorten"),
    (400, "ValidationException", "messages: A conversation must start with a user message.", RefusedError, "must start with", "options"),
    (400, "ServiceQuotaExceededException", "You have exceeded your quota.", QuotaError, "a quota is spent", "Service Quotas"),
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", ProviderError, "Too many requests", "later"),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", ProviderError, "Too many tokens", "later"),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", QuotaError, "day's quota", ""),
    (429, "ModelNotReadyException", "The model is not ready.", ProviderError, "not ready", "later"),
    (408, "ModelTimeoutException", "The model took too long.", ProviderError, "took too long", "later"),
    (424, "ModelErrorException", "The model failed.", ProviderError, "failed", "later"),
    (500, "InternalServerException", "", ProviderError, "HTTP 500", "later"),
    (503, "ServiceUnavailableException", "Try again.", ProviderError, "Try again", "later"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "name", "said", "kind", "message", "hint"), CASES, ids=range(len(CASES)))
def test_says_what_went_wrong_and_what_to_do(
    status: int, name: str, said: str, kind: type, message: str, hint: str
) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    in_header = decode_failure(status, json.dumps({"message": said}).encode(), headers)
    in_body = decode_error(status, json.dumps({"Message": said, "__type": f"com.amazon#{name}"}).encode())
    for error in (in_header, in_body):
        assert type(error) is kind
        assert message in error.message
        assert hint in (error.hint or "")
        assert error.provider == "bedrock"
        assert "FwoG" not in error.message


def test_an_unknown_model_is_told_by_the_same_status_however_bedrock_says_it() -> None:
    assert decode_error(400, b'{"message":"The provided model identifier is invalid."}').status == 404


def test_throttling_is_to_be_waited_for_whatever_its_status() -> None:
    error = decode_failure(400, b'{"message":"Rate exceeded"}', {"x-amzn-errortype": "ThrottlingException"})
    assert (type(error), error.status) == (ProviderError, 429)


def test_keeps_how_long_to_wait() -> None:
    assert decode_failure(429, b"{}", {"retry-after": "7"}).retry_after == 7


def test_keys_are_never_told() -> None:
    for secret in (SECRET, "AKIAIOSFODNN7EXAMPLE", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3M="):
        assert secret not in decode_error(403, json.dumps({"message": f"Bad key {secret}"}).encode()).message


@given(
    st.integers(400, 599), st.binary() | st.sampled_from((b"<html>", b"[1]", b'{"message":5}', b'"text"', b"[" * 9999))
)
def test_makes_an_error_of_any_body(status: int, body: bytes) -> None:
    error = decode_error(status, body)
    assert error.message
    assert error.status in (status, 404)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (CredentialsError("no", status=401), 401, "AccessDeniedException"),
        (CredentialsError("no", status=403), 403, "AccessDeniedException"),
        (RefusedError("no", status=404), 404, "ResourceNotFoundException"),
        (RefusedError("no"), 400, "ValidationException"),
        (UsageError("no"), 400, "ValidationException"),
        (QuotaError("no"), 429, "ThrottlingException"),
        (ProviderError("no", status=529), 529, "ServiceUnavailableException"),
        (ProviderError("no", status=424), 424, "ModelErrorException"),
        (ProviderError("no", status=500), 500, "InternalServerException"),
        (NoAnswerError("no"), 504, "ModelTimeoutException"),
    ],
)
def test_says_an_error_as_a_server(error: BoticelliError, status: int, name: str) -> None:
    told, body = encode_error(error)
    assert (told, json.loads(body), error_name(error)) == (status, {"__type": name, "message": "no"}, name)
