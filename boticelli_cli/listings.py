"""What providers say that they have: their own lists of models, kept from one `models --refresh` to the next."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from boticelli_cli.catalog import PROVIDERS, Call, Catalog, ListedModel
from boticelli_cli.config import Config, cache_folder
from boticelli_cli.runs.answer import write_answer

__all__ = ["calls_of", "keep_listing", "known_catalog", "with_listings"]

_CALLS: dict[str, Call] = {"generateContent": "sse", "bidiGenerateContent": "live"}
"""How Gemini's methods are called here (ai.google.dev/api/models, supportedGenerationMethods)."""


def calls_of(methods: Iterable[str]) -> tuple[Call, ...]:
    """The ways in which a model can be called that takes these methods of Gemini's.

    Other providers tell of none. Their models are called by HTTP, unless the catalogue knows that they cannot be asked.
    """
    methods = tuple(methods)
    return tuple(_CALLS[method] for method in methods if method in _CALLS) if methods else ("sse",)


def keep_listing(folder: Path, provider: str, models: Iterable[ListedModel]) -> None:
    """Keep a provider's list. Raises SaveError."""
    data = {"models": [asdict(model) for model in models]}
    write_answer(folder / f"models-{provider}.json", json.dumps(data, indent=1))


def known_catalog(config: Config, environ: Mapping[str, str]) -> Catalog:
    """What is known of models, those of the configured providers too, and what providers have listed since."""
    others = [each for each in config.providers.values() if each.name not in PROVIDERS]
    like = {each.name: each.dialect for each in others if each.dialect != "openai"}
    catalog = Catalog.builtin().with_providers(config.providers, like=like)
    return with_listings(catalog, cache_folder(environ), config.providers)


def with_listings(catalog: Catalog, folder: Path, providers: Iterable[str]) -> Catalog:
    """A catalogue, over what its providers have listed. A list that cannot be read is none."""
    for provider in providers:
        try:
            text = (folder / f"models-{provider}.json").read_bytes()
            listed = [ListedModel(**{**each, "calls": tuple(each["calls"])}) for each in json.loads(text)["models"]]
        except (OSError, ValueError, TypeError, LookupError):
            continue
        catalog = catalog.with_listed(provider, listed)
    return catalog
