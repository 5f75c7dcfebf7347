"""Limits as they stand: what each account may ask of each model, and what it has asked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from boticelli_cli.catalog import Catalog, Limits
from boticelli_cli.config import Account, Config, Provider, state_folder
from boticelli_cli.routing.day import Reset, pacific_day, utc_day

if TYPE_CHECKING:
    from boticelli_cli.routing.ledger import Used

__all__ = [
    "HeldBack",
    "LimitState",
    "day_of",
    "forget",
    "has_limits",
    "held_back",
    "ledger_path",
    "limit_states",
    "limited_models",
    "limits_of",
]


@dataclass(frozen=True, slots=True)
class LimitState:
    """What an account may ask of a model, and what it has asked; `resets_at` is when the day is over."""

    account: Account
    model: str
    limits: Limits
    used: "Used"
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An account that others are asked in place of: `until` a time, or for good; for one model, or for all (`None`)."""

    account: Account
    reason: str
    model: str | None = None
    until: datetime | None = None


def held_back(config: Config, environ: Mapping[str, str]) -> list[HeldBack]:
    """The accounts that are not asked at present, while there is another, as the last requests have left them."""
    from boticelli_cli.routing.account_book import account_states

    accounts = {account.known_as: account for account in config.accounts}
    now = datetime.now(UTC).timestamp()
    return [
        HeldBack(
            accounts[state.account],
            state.reason,
            state.model or None,
            None if state.is_disabled else datetime.fromtimestamp(state.until, UTC),
        )
        for state in account_states(ledger_path(state_folder(environ)))
        if state.account in accounts and state.until > now
    ]


def forget(accounts: Iterable[Account], environ: Mapping[str, str]) -> None:
    """Hold nothing against accounts any more: they have another key."""
    from boticelli_cli.routing.account_book import AccountBook

    book = AccountBook(ledger_path(state_folder(environ)))
    for account in accounts:
        book.forget(account.known_as)


def limit_states(config: Config, catalog: Catalog, environ: Mapping[str, str]) -> Iterator["LimitState"]:
    """What is left of every limit that is known: of each account, each model that it may ask only so much."""
    from boticelli_cli.routing.ledger import Ledger

    ledger = Ledger(ledger_path(state_folder(environ)))
    try:
        now = ledger.now()
        for account in (each for each in config.accounts if each.is_given):
            for model in limited_models(config, catalog, account):
                limits = limits_of(config, catalog, account, model)
                used = ledger.usage(account.counted_as, model, now)
                until = used.spent_until or day_of(config.providers[account.provider])(now).end
                yield LimitState(account, model, limits, used, datetime.fromtimestamp(until, UTC))
    finally:
        ledger.close()


def limited_models(config: Config, catalog: Catalog, account: Account) -> tuple[str, ...]:
    """The models of which it is known how much an account may ask."""
    of_tier = catalog.limited_models(account.provider, account.tier) if account.tier is not None else ()
    written = [model for provider, model in config.limits if provider == account.provider]
    return tuple(dict.fromkeys((*written, *of_tier)))


def has_limits(config: Config, account: Account) -> bool:
    """Whether there is any model of which an account may ask only so much."""
    written = any(provider == account.provider for provider, _ in config.limits)
    return written or account.tier is not None


def day_of(provider: Provider) -> Reset:
    """The day that a provider counts by: Google's, or for want of a better word everybody's."""
    return pacific_day if provider.dialect == "gemini" else utc_day


def limits_of(config: Config, catalog: Catalog, account: Account, model: str) -> Limits:
    """How much an account may ask of a model: as the configuration says, else as the catalogue does of its tier.

    How many requests it may have under way, whatever the model, is not among this.
    """
    written = config.limits.get((account.provider, model), Limits())
    known = Limits() if account.tier is None else catalog.tier_limits(account.provider, account.tier, model)
    return Limits(
        rpm=known.rpm if written.rpm is None else written.rpm,
        tpm=known.tpm if written.tpm is None else written.tpm,
        rpd=known.rpd if written.rpd is None else written.rpd,
        max_concurrent=written.max_concurrent,
    )


def ledger_path(state: Path) -> Path:
    """Where it is kept what has been asked of providers."""
    return state / "limits.sqlite3"
