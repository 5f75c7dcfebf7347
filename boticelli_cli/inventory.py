"""The inventory: which models can be asked here, and what is left of what each account may ask."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from boticelli_cli import limit_states as states
from boticelli_cli.catalog import EMBEDDED, Model
from boticelli_cli.config import Config, cache_folder, environment, key_store, read_config
from boticelli_cli.errors import CredentialsError, ProviderError, UsageError, did_you_mean
from boticelli_cli.limit_states import HeldBack, LimitState
from boticelli_cli.listings import keep_listing, known_catalog
from boticelli_cli.providers import accounts_for, today

__all__ = [
    "HeldBack",
    "Inventory",
    "LimitState",
    "Model",
    "Refreshed",
    "inventory",
    "known_models",
    "models",
    "refresh_models",
    "today",
]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is left of every limit that is known, which accounts are not asked at present, and which have no limits."""

    limits: tuple[LimitState, ...]
    held_back: tuple[HeldBack, ...]
    unlimited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many models each provider that answered has listed, and why the others did not answer."""

    counts: dict[str, int]
    failed: tuple[ProviderError, ...]


def inventory() -> Inventory:
    """How things stand now. Raises ConfigError."""
    config = read_config(environment(), Path())
    catalog = known_catalog(config, environment())
    given = [account for account in config.accounts if account.is_given]
    return Inventory(
        tuple(states.limit_states(config, catalog, environment())),
        tuple(states.held_back(config, environment())),
        tuple(account.name for account in given if not states.limited_models(config, catalog, account)),
    )


def known_models() -> tuple[str, ...]:
    """The models that can be asked, as people write them."""
    return tuple(model.id for model in models(today()))


def models(day: date, *, provider: str | None = None, live: bool = False, retired: bool = False) -> tuple[Model, ...]:
    """The models that can be asked, the embedded ones last.

    `provider` picks one provider's, `live` those that are called over the Live API; `retired` adds those that
    answer no more. Raises UsageError for an unknown provider.
    """
    from boticelli_cli.drivers.rehearsal import MODELS

    config = read_config(environment(), Path())
    if provider not in (None, EMBEDDED):
        _refuse_unknown_provider(provider, config)
    catalog = known_catalog(config, environment())
    known = (*catalog.models(), *(Model(name, EMBEDDED, "sse") for name in MODELS))
    return tuple(
        model
        for model in known
        if (provider is None or model.provider == provider)
        and (not live or model.call == "live")
        and (retired or not model.is_gone(day))
    )


async def refresh_models(provider: str | None = None) -> Refreshed:
    """Ask providers which models they have, and remember it.

    Without a `provider`, all are asked that there is an account for. Raises ProviderError where nobody answers.
    """
    config = read_config(environment(), Path())
    if provider is not None:
        _refuse_unknown_provider(provider, config)
    given = {account.provider: None for account in config.accounts if account.is_given and account.lacks is None}
    counts: dict[str, int] = {}
    failed: list[ProviderError] = []
    for name in [provider] if provider is not None else [*given] or ["gemini"]:
        try:
            counts[name] = await _refresh(name, config)
        except ProviderError as error:
            failed.append(error)
    if not counts:
        raise failed[0]
    return Refreshed(counts, tuple(failed))


async def _refresh(name: str, config: Config) -> int:
    """Ask a provider, with the first of its accounts whose key it takes."""
    from boticelli_cli.account_drivers import list_models

    provider, refused = config.providers[name], None
    for account in accounts_for(config, provider):
        try:
            listed = await list_models(
                account, provider, known_catalog(config, environment()), key_store(environment())
            )
        except CredentialsError as error:
            refused = refused or error
        else:
            keep_listing(cache_folder(environment()), name, listed)
            return len(listed)
    assert refused is not None
    raise refused


def _refuse_unknown_provider(name: str | None, config: Config) -> None:
    if name is not None and name not in config.providers:
        known = (*config.providers, EMBEDDED)
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UsageError(f"unknown provider '{name}'{hint}")
