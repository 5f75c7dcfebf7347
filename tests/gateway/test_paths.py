"""Addresses, and which face they are for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.gateway.paths import Target, face_of_caller, target_of

PREFIXES = ["/v1", "/v1beta", "/v1alpha", "/gemini/v1", "/gemini/v1beta", "/gemini/v1alpha"]
MODELS = [
    "gemini-3.8-flash",
    "openrouter/meta-llama/llama-4:free",
    "us.anthropic.claude-sonnet-5-5-v1:0",
    "ollama/qwen3:8b",
    "a:generateContent:b",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("model", MODELS)
def test_finds_a_gemini_model_whatever_its_name_holds(prefix: str, model: str) -> None:
    assert target_of(f"{prefix}/models/{model}:generateContent") == Target("gemini", "answer", "POST", model)
    assert target_of(f"{prefix}/models/{model}:streamGenerateContent") == Target("gemini", "stream", "POST", model)
    assert target_of(f"{prefix}/models/{model}:countTokens") == Target("gemini", "count", "POST", model)


def test_knows_the_other_faces() -> None:
    assert target_of("/v1/messages") == Target("anthropic", "answer", "POST")
    assert target_of("/v1/messages/count_tokens") == Target("anthropic", "count", "POST")
    assert target_of("/v1/chat/completions") == Target("openai", "answer", "POST")
    assert target_of("/v1/chat/completions/") == Target("openai", "answer", "POST")


def test_leaves_it_to_the_caller_whose_list_of_models_it_is() -> None:
    assert target_of("/v1/models") == Target(None, "models", "GET")
    assert target_of("/v1/models/claude-sonnet-5-5") == Target(None, "model", "GET", "claude-sonnet-5-5")
    assert target_of("/v1beta/models") == Target("gemini", "models", "GET")
    assert target_of("/gemini/v1/models/gemini-4-hydrogen") == Target("gemini", "model", "GET", "gemini-4-hydrogen")


@pytest.mark.parametrize("path", ["/", "/health", "/v2/messages", "/v1", "/v1/models:generateContent", "/xv1/models"])
def test_leaves_everything_else_alone(path: str) -> None:
    assert target_of(path) is None


@given(st.text())
def test_takes_any_path(path: str) -> None:
    target_of(path)
    target_of(f"/v1beta/models/{path}")


@pytest.mark.parametrize(
    ("headers", "query", "face"),
    [
        ({"anthropic-version": "2023-06-01", "authorization": "Bearer x"}, {}, "anthropic"),
        ({"x-api-key": "x"}, {}, "anthropic"),
        ({"x-goog-api-key": "x"}, {}, "gemini"),
        ({}, {"key": "x"}, "gemini"),
        ({"authorization": "Bearer x"}, {}, "openai"),
        ({}, {}, "openai"),
    ],
)
def test_knows_a_caller_by_its_headers(headers: dict[str, str], query: dict[str, str], face: str) -> None:
    assert face_of_caller(headers, query) == face
