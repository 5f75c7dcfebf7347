"""Whose a model is."""

import pytest

from boticelli_cli.catalog import PlacedModel, place
from boticelli_cli.errors import UsageError


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gemini-3.8-flash", "gemini", "gemini-3.8-flash"),
        ("claude-sonnet-5-5", "anthropic", "claude-sonnet-5-5"),
        ("gpt-5", "openai", "gpt-5"),
        ("o3-mini", "openai", "o3-mini"),
        ("anthropic.claude-opus-5-v1:0", "bedrock", "anthropic.claude-opus-5-v1:0"),
        ("rehearsal", "rehearsal", "rehearsal"),
        ("rehearsal/fast", "rehearsal", "fast"),
        ("openai/meta/llama:8b", "openai", "meta/llama:8b"),
        ("gemini/brand-new", "gemini", "brand-new"),
    ],
)
def test_places_models_by_provider_or_prefix(model: str, provider: str, name: str) -> None:
    assert place(model) == PlacedModel(provider, name)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("llama3", "it is not known whose model 'llama3' is; write it as provider/model"),
        ("orca", "it is not known whose model 'orca' is"),
        ("", "it is not known whose model '' is"),
        ("rehearsals", "did you mean 'rehearsal'?"),
        ("gemni/x", "names unknown provider 'gemni'; did you mean 'gemini'?"),
        ("/x", "names unknown provider ''; there are gemini"),
        ("gemini/", "has no name after the slash"),
    ],
)
def test_refuses_what_nothing_places(model: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(model)
    assert said in str(caught.value)
