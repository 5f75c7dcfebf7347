"""What the catalogue says of a model, as values, and how they are read from `catalog.yaml`.

An absent field was not found; it never means "no". The file itself says what each field means and where it was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

__all__ = ["Call", "Entries", "Limits", "Model", "Price", "parse_entries", "read_entries"]

Call = Literal["sse", "live", "none"]
"""How a model is called: streaming over HTTP, in a Live session only, or for whole answers only."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an account may ask of a model: requests and input tokens a minute, requests a day, requests at once.

    `None`: nothing is known, so nothing is held back. 0: it may not ask at all.
    """

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a million tokens, from the day `since` on."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model, and what is known of it. `id` is its name at the provider; empty tuples are unknown too."""

    id: str
    provider: str
    call: Call
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    live_text: bool | None = None
    live_turns: Literal["realtime", "content"] | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    thinking: Literal["level", "budget", "none"] | None = None
    thinking_levels: tuple[str, ...] = ()
    thinking_budget: tuple[int, int] | None = None
    thinking_off: bool | None = None
    structured_output: bool | None = None
    status: Literal["ga", "preview", "deprecated", "shutdown"] | None = None
    shutdown: date | None = None
    earliest_shutdown: date | None = None
    replaced_by: str | None = None
    price: tuple[Price, ...] = ()
    source: str | None = None

    def is_gone(self, today: date) -> bool:
        """Whether it no longer answers."""
        return self.status == "shutdown" or (self.shutdown is not None and self.shutdown <= today)

    def price_on(self, today: date) -> Price | None:
        """Its price, where the price list that everybody shares has none."""
        valid = [price for price in self.price if price.since is None or price.since <= today]
        return max(valid, key=lambda price: price.since or date.min, default=None)


@dataclass(frozen=True, slots=True)
class Entries:
    """All that the catalogue says: the models, newest first, and limits by provider, tier and model."""

    models: tuple[Model, ...] = ()
    tiers: Mapping[str, Mapping[str, Mapping[str, Limits]]] = field(default_factory=dict)


@cache
def read_entries() -> Entries:
    """What `catalog.yaml` says. It is read once."""
    return parse_entries(files("boticelli_cli").joinpath("catalog.yaml").read_bytes())


def parse_entries(text: bytes) -> Entries:
    """A catalogue file as values. A field that there is not is a TypeError: the file is ours."""
    import yaml

    document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return Entries(
        models=tuple(_model(name, entry) for name, entry in document["models"].items()),
        tiers={
            provider: {
                tier: {model: Limits(**limits) for model, limits in models.items()} for tier, models in tiers.items()
            }
            for provider, tiers in document["tiers"].items()
        },
    )


def _model(name: str, entry: Mapping[str, Any]) -> Model:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    fields["price"] = tuple(Price(**price) for price in entry.get("price", ()))
    return Model(id=name, **fields)
