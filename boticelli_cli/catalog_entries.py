"""What the catalogue says of a model, as values, and how they are read from the files in `models`.

There is a file for each provider, and `families.yaml` of what models have in common whose names are alike; it says what
each field means, too. An absent field was not found; it never means "no".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

__all__ = ["Call", "Entries", "Family", "Limits", "Model", "Price", "parse_entries", "parse_families", "read_entries"]

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
    """US dollars a million tokens, from the day `since` on, for requests of more input tokens than `over_tokens`."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    cache_write: float | None = None
    since: date | None = None
    over_tokens: int | None = None


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
    longer_refused: bool | None = None
    default_max_tokens: int | None = None
    token_limit: Literal["max_tokens", "max_completion_tokens"] | None = None
    thinking: Literal["level", "effort", "adaptive", "budget", "none"] | None = None
    thinking_levels: tuple[str, ...] = ()
    thinking_budget: tuple[int, int] | None = None
    thinking_off: bool | None = None
    thinking_auto: bool | None = None
    budget_in_output: bool | None = None
    thinks_alone: bool | None = None
    thinks_with_tools: bool | None = None
    sampling: bool | Literal["one"] | None = None
    max_temperature: float | None = None
    stop: bool | None = None
    system: bool | None = None
    tools: bool | None = None
    forced_tools: bool | None = None
    structured_output: bool | None = None
    refuses: tuple[str, ...] = ()
    chat: bool | None = None
    status: Literal["ga", "preview", "deprecated", "shutdown"] | None = None
    shutdown: date | None = None
    earliest_shutdown: date | None = None
    replaced_by: str | None = None
    price: tuple[Price, ...] = ()
    source: str | None = None

    def is_gone(self, today: date) -> bool:
        """Whether it no longer answers."""
        return self.status == "shutdown" or (self.shutdown is not None and self.shutdown <= today)

    def price_on(self, today: date, tokens: int = 0) -> Price | None:
        """Its price for a request of so many input tokens, where the price list that everybody shares has none."""
        valid = [
            price
            for price in self.price
            if (price.since is None or price.since <= today)
            and (price.over_tokens is None or price.over_tokens < tokens)
        ]
        return max(valid, key=lambda price: (price.over_tokens or 0, price.since or date.min), default=None)


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of the models whose names a pattern fits whole: some of the fields of a `Model`."""

    match: re.Pattern[str]
    known: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entries:
    """All that the catalogue says of a provider: its models, newest first, families, and limits by tier and model."""

    models: tuple[Model, ...] = ()
    families: tuple[Family, ...] = ()
    tiers: Mapping[str, Mapping[str, Limits]] = field(default_factory=dict)

    def with_family(self, model: Model) -> Model:
        """A model, with what is known of its family where it says nothing itself."""
        known = _known_of(model.id, self.families)
        return replace(model, **{name: value for name, value in known.items() if getattr(model, name) in (None, ())})


@cache
def read_entries(provider: str) -> Entries:
    """What there is to know of a provider's models. It is read once; of a provider without a file it is nothing."""
    if provider not in _KNOWN:
        return Entries()
    folder = files("boticelli_cli").joinpath("models")
    families = parse_families(folder.joinpath("families.yaml").read_bytes(), provider)
    return parse_entries(folder.joinpath(f"{provider}.yaml").read_bytes(), provider, families)


def parse_entries(text: bytes, provider: str, families: tuple[Family, ...] = ()) -> Entries:
    """A provider's file as values. A field that there is not is a TypeError: the file is ours."""
    document = _load(text)
    return Entries(
        models=tuple(
            Model(id=name, provider=provider, **{**_known_of(name, families), **_fields(entry)})
            for name, entry in document["models"].items()
        ),
        families=families,
        tiers={
            tier: {model: Limits(**limits) for model, limits in models.items()}
            for tier, models in document["tiers"].items()
        },
    )


def parse_families(text: bytes, provider: str) -> tuple[Family, ...]:
    """A file of families as values: those of one provider. A field that there is not is a TypeError."""
    found = []
    for entry in _load(text)["families"]:
        known = _fields(entry)
        of, match = known.pop("of"), known.pop("match")
        if unknown := known.keys() - _NAMES:
            raise TypeError(f"models have no {', '.join(sorted(unknown))}")
        if provider in of:
            found.append(Family(re.compile(match), known))
    return tuple(found)


def _known_of(name: str, families: Iterable[Family]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for family in families:
        if family.match.fullmatch(name):
            known |= family.known
    return known


def _load(text: bytes) -> Any:
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if "price" in known:
        known["price"] = tuple(Price(**price) for price in entry["price"])
    return known


_KNOWN = ("gemini", "anthropic", "openai", "bedrock")
_NAMES = {each.name for each in fields(Model)} - {"id", "provider"}
