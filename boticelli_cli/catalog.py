"""What is known of models: whose they are, how they are called, what became of them, how much may be asked.

A model is `provider/model`, split at the first slash only, or a bare name that its prefix places. Nothing here
refuses a name that the catalogue does not know: new models work the day they appear.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from boticelli_cli.catalog_entries import Call, Entries, Limits, Model, Price, read_entries
from boticelli_cli.errors import UnknownModelError, UsageError, did_you_mean

__all__ = [
    "DEFAULTS",
    "EMBEDDED",
    "PROVIDERS",
    "Call",
    "Catalog",
    "Limits",
    "ListedModel",
    "Model",
    "PlacedModel",
    "Price",
    "Resolved",
    "bare_name",
    "place",
]

DEFAULTS = {
    "gemini": "gemini-3.8-flash",
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-6.2-sol",
    "bedrock": "global.anthropic.claude-sonnet-5-5",
}
"""The model that answers when none is named, by the provider that there is a key for."""

EMBEDDED = "rehearsal"
"""The model that is always there: no key, no network."""

PROVIDERS = ("gemini", "anthropic", "openai", "bedrock", "rehearsal")

_REGION = r"(us|eu|apac|au|ca|jp|us-gov|global)\."
"""Where a Bedrock inference profile may run, before its id (docs.aws.amazon.com/bedrock, cross-region inference)."""

_ARN = re.compile(r"arn:aws[\w-]*:bedrock:")
"""How the full names of Bedrock's resources begin: inference profiles, provisioned and imported models."""

_VENDORS = (
    "anthropic|amazon|meta|mistral|cohere|deepseek|ai21|qwen|openai|google|minimax|moonshot(ai)?|nvidia|writer|zai"
)
"""Whose models Bedrock has, as their ids begin (docs.aws.amazon.com/bedrock, supported foundation models)."""

_VERSION = re.compile(r"([-@]\d{8}|-\d{4}-\d\d-\d\d)?(-v\d+)?(:\d+k?)*$")
"""At the end of a name: the day of its making, and on Bedrock a version; claude-opus-4-5-20251101-v1:0."""

_PREFIXES = (
    (r"gemini-", "gemini"),
    (r"claude-", "anthropic"),
    (r"gpt-|chatgpt-|o\d", "openai"),
    (rf"({_REGION})?({_VENDORS})\.", "bedrock"),
    (r"rehearsal$", "rehearsal"),
)

_LIVE_NAME = re.compile(r"-live(-|$)|native-audio")


@dataclass(frozen=True, slots=True)
class PlacedModel:
    """A model's provider, and its name there."""

    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its provider itself lists it, and the ways in which it can be called, the best first.

    One that cannot be called in any of them (it makes embeddings, say) is none that could be asked.
    """

    name: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The model that is really called for one that was asked for, and a sentence about it where there is one to say."""

    model: str
    notice: str | None = None


def place(model: str, providers: Collection[str] = PROVIDERS) -> PlacedModel:
    """Whose a model is, of these providers. Raises UnknownModelError for one that nothing places."""
    if _ARN.match(model):
        return PlacedModel("bedrock", model)
    provider, slash, name = model.partition("/")
    if slash and provider in providers and name:
        return PlacedModel(provider, name)
    if slash and provider in providers:
        raise UnknownModelError(f"model '{model}' has no name after the slash; write it as provider/model")
    if slash:
        hint = did_you_mean(provider, providers) or (
            f"; there are {', '.join(providers)}, and others under 'providers' in the configuration"
        )
        raise UnknownModelError(f"model '{model}' names unknown provider '{provider}'{hint}")
    for pattern, owner in _PREFIXES:
        if re.match(pattern, model):
            return PlacedModel(owner, model)
    hint = did_you_mean(model, (EMBEDDED,)) or "; write it as provider/model"
    raise UnknownModelError(f"it is not known whose model '{model}' is{hint}")


class Catalog:
    """What is known of models. A provider's are read when one of them is first asked about, the embedded ones never.

    `read` gives what is known of a provider, and may be asked often. Models are given as people write them,
    `provider/model` or a bare name; what nothing places is unknown.
    """

    def __init__(
        self,
        read: Callable[[str], Entries],
        providers: Collection[str] = PROVIDERS,
        like: Mapping[str, str] | None = None,
    ) -> None:
        self._read = read
        self._providers = providers
        self._like = like or {}
        self._names: dict[str, Mapping[str, Model]] = {}

    @classmethod
    def builtin(cls) -> "Catalog":
        """What the program itself knows."""
        return cls(read_entries)

    def with_listed(self, provider: str, listed: Iterable[ListedModel]) -> "Catalog":
        """This catalogue over what a provider lists: it keeps its word, and is filled in where it says nothing."""
        listed = tuple(listed)

        @cache
        def read(of: str) -> Entries:
            entries = self._read(of)
            return replace(entries, models=tuple(_merged(entries, provider, listed))) if of == provider else entries

        return Catalog(read, self._providers, self._like)

    def with_providers(self, names: Iterable[str], like: Mapping[str, str] | None = None) -> "Catalog":
        """This catalogue, in which the providers of the configuration have models too.

        `like` is for those that have another's models: a way of one's own to Anthropic's, say.
        """
        return Catalog(self._read, tuple(dict.fromkeys((*self._providers, *names))), {**self._like, **(like or {})})

    def place(self, model: str) -> PlacedModel:
        """Whose a model is. Raises UnknownModelError for one that nothing places."""
        return place(model, self._providers)

    def models(self) -> tuple[Model, ...]:
        """All models, of each provider the newest first, the retired ones too, the embedded ones not."""
        return tuple(model for provider in self._providers for model in self._entries(provider).models)

    def find(self, model: str) -> Model | None:
        """What is known of a model, if it is in the catalogue; maybe under its name without a date or a version.

        On Bedrock, the prefix of a region, and an ARN around an id, do not matter.
        """
        placed = self._placed_like(model)
        return None if placed is None else self._found(placed)

    def describe(self, model: str) -> Model | None:
        """What is known of a model, and of one that is not in the catalogue, what its name alone tells."""
        placed = self._placed_like(model)
        if placed is None:
            return None
        found, like = self._found(placed), self._like.get(placed.provider)
        if found is not None and like is None:
            return found
        kin = self._entries(like or placed.provider)
        if found is not None:
            return kin.with_family(found)
        unknown = Model(bare_name(placed), placed.provider, self.call_of(model))
        described = kin.with_family(unknown)
        return replace(described, id=placed.name) if described != unknown else None

    def call_of(self, model: str) -> Call:
        """How a model is called: as the catalogue says, else by its name, else streaming."""
        if found := self.find(model):
            return found.call
        placed = self._placed(model)
        is_live = placed is not None and placed.provider == "gemini" and _LIVE_NAME.search(placed.name)
        return "live" if is_live else "sse"

    def resolve(self, model: str, today: date) -> Resolved:
        """The model that answers for this one today: its replacement, and that one's, once it was shut down."""
        found = self.find(model)
        if found is None:
            return Resolved(model)
        heir = self._heir(found, today)
        notice = _notice(found, heir, today)
        if heir is None or not found.is_gone(today):
            return Resolved(model, notice)
        placed = self.place(model)
        served = _region_of(PlacedModel(heir.provider, placed.name)) + heir.id
        return Resolved(f"{placed.provider}/{served}" if "/" in model else served, notice)

    def tiers(self, provider: str) -> tuple[str, ...]:
        """The tiers of accounts that a provider has."""
        return tuple(self._entries(provider).tiers)

    def tier_limits(self, provider: str, tier: str, model: str) -> Limits:
        """How much an account of a tier may ask of a model; empty where nothing is known."""
        found = self._found(PlacedModel(provider, model.removeprefix(f"{provider}/")))
        return self._entries(provider).tiers.get(tier, {}).get(found.id, Limits()) if found else Limits()

    def limited_models(self, provider: str, tier: str) -> tuple[str, ...]:
        """The models of which a tier's limits are known."""
        return tuple(self._entries(provider).tiers.get(tier, {}))

    def nearest(self, name: str, provider: str, today: date) -> str:
        """The end of a sentence about an unknown model: the nearest one that answers, or a retired one, or nothing."""
        name = name.removeprefix(f"{provider}/")
        mine = self._entries(provider).models
        current = did_you_mean(name, [model.id for model in mine if not model.is_gone(today)])
        return current or did_you_mean(name, [model.id for model in mine])

    def _entries(self, provider: str) -> Entries:
        return Entries() if provider == EMBEDDED else self._read(provider)

    def _found(self, placed: PlacedModel) -> Model | None:
        names = self._names.get(placed.provider)
        if names is None:
            models = self._entries(placed.provider).models
            names = {_VERSION.sub("", model.id): model for model in reversed(models)}
            names |= {model.id: model for model in models}
            self._names[placed.provider] = names
        name = bare_name(placed)
        return names.get(name) or names.get(_VERSION.sub("", name))

    def _placed(self, model: str) -> PlacedModel | None:
        try:
            return self.place(model)
        except UsageError:
            return None

    def _placed_like(self, model: str) -> PlacedModel | None:
        """Where a model is looked up: at the provider whose models its own has, unless only that one has it."""
        placed = self._placed(model)
        if placed is None or placed.provider == EMBEDDED:
            return None
        elsewhere = PlacedModel(self._like.get(placed.provider, placed.provider), placed.name)
        is_its_own = self._found(elsewhere) is None and self._found(placed) is not None
        return placed if is_its_own else elsewhere

    def _heir(self, model: Model, today: date) -> Model | None:
        """The first of a model's replacements that still answers."""
        seen = {model.id}
        while model.replaced_by is not None and model.replaced_by not in seen:
            seen.add(model.replaced_by)
            heir = self._found(PlacedModel(model.provider, model.replaced_by))
            if heir is None or not heir.is_gone(today):
                return heir
            model = heir
        return None


def _notice(model: Model, heir: Model | None, today: date) -> str | None:
    instead = f"; use {heir.id} instead" if heir else ", and no replacement is known"
    if model.is_gone(today):
        when = f" on {model.shutdown}" if model.shutdown else ""
        instead = f"; {heir.id} answers instead" if heir else instead
        return f"{model.id} was shut down{when}{instead}"
    if model.shutdown:
        return f"{model.id} will be shut down on {model.shutdown}{instead}"
    if model.earliest_shutdown:
        return f"{model.id} may be shut down from {model.earliest_shutdown} on{instead}"
    return f"{model.id} is deprecated{instead}" if model.status == "deprecated" else None


def bare_name(placed: PlacedModel) -> str:
    """A model's name as the catalogue has it: on Bedrock without an ARN around it and the prefix of a region."""
    if placed.provider != "bedrock":
        return placed.name
    return re.sub(f"^{_REGION}", "", placed.name.rpartition("/")[2])


def _region_of(placed: PlacedModel) -> str:
    return placed.name.rpartition("/")[2].removesuffix(bare_name(placed))


def _merged(entries: Entries, provider: str, listed: Iterable[ListedModel]) -> Iterator[Model]:
    """Known models with what their provider lists of them, then those that only the provider knows."""
    unseen = {each.name: each for each in listed}
    known = {_VERSION.sub("", model.id) for model in entries.models}
    for model in entries.models:
        each = unseen.pop(model.id, None)
        if each is not None:
            model = replace(
                model,
                context_tokens=model.context_tokens or each.context_tokens,
                max_output_tokens=model.max_output_tokens or each.max_output_tokens,
            )
        yield model
    for each in unseen.values():
        if not each.calls or _VERSION.sub("", each.name) in known:
            continue
        model = Model(
            each.name,
            provider,
            each.calls[0],
            context_tokens=each.context_tokens,
            max_output_tokens=each.max_output_tokens,
        )
        model = entries.with_family(model)
        if model.chat is not False:
            yield model
