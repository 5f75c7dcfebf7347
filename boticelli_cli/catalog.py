"""What is known of models: whose they are.

A model is `provider/model`, split at the first slash only, or a bare name that its prefix places.
"""

import re
from dataclasses import dataclass

from boticelli_cli.errors import UsageError, did_you_mean

__all__ = ["EMBEDDED", "PROVIDERS", "Limits", "PlacedModel", "place"]

EMBEDDED = "rehearsal"
"""The model that is always there: no key, no network."""

PROVIDERS = ("gemini", "anthropic", "openai", "bedrock", "rehearsal")

_PREFIXES = (
    (r"gemini-", "gemini"),
    (r"claude-", "anthropic"),
    (r"gpt-|o\d", "openai"),
    (r"anthropic\.|amazon\.", "bedrock"),
    (r"rehearsal$", "rehearsal"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an account may ask of a model: requests and input tokens a minute, requests a day, requests at once.

    `None`: nothing is known, so nothing is held back.
    """

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class PlacedModel:
    """A model's provider, and its name there."""

    provider: str
    name: str


def place(model: str) -> PlacedModel:
    """Whose a model is. Raises UsageError for one that nothing places."""
    provider, slash, name = model.partition("/")
    if slash and provider in PROVIDERS and name:
        return PlacedModel(provider, name)
    if slash and provider in PROVIDERS:
        raise UsageError(f"model '{model}' has no name after the slash; write it as provider/model")
    if slash:
        hint = did_you_mean(provider, PROVIDERS) or f"; there are {', '.join(PROVIDERS)}"
        raise UsageError(f"model '{model}' names unknown provider '{provider}'{hint}")
    for pattern, owner in _PREFIXES:
        if re.match(pattern, model):
            return PlacedModel(owner, model)
    hint = did_you_mean(model, (EMBEDDED,)) or "; write it as provider/model"
    raise UsageError(f"it is not known whose model '{model}' is{hint}")
