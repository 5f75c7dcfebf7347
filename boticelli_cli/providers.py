"""The providers that can be asked here: what stands between a request and the accounts that may answer it.

Router → Dispatch → Transformed → Presentable → WithRetries → Pool → WithReset → Limited → Unlocked; what an account,
or a provider, has no need of is left out.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from boticelli_cli.catalog import EMBEDDED, Call, Catalog
from boticelli_cli.config import Account, Config, Provider, key_store, state_folder
from boticelli_cli.drivers.base import Driver
from boticelli_cli.drivers.unlocked import Unlocked
from boticelli_cli.errors import CredentialsError, ProviderError, UsageError
from boticelli_cli.messages import Request
from boticelli_cli.routing.dispatch import Dispatch
from boticelli_cli.routing.estimate import estimate_tokens
from boticelli_cli.routing.fallback import Router

if TYPE_CHECKING:
    from boticelli_cli.routing.accounts import Member
    from boticelli_cli.routing.elsewhere import Sharing
    from boticelli_cli.routing.ledger import Ledger
    from boticelli_cli.routing.quota import Limited
    from boticelli_cli.routing.roster import Roster
    from boticelli_cli.routing.standings import Standings

__all__ = ["AccountStanding", "Providers", "accounts_for", "today"]


def today() -> date:
    """The day by which models are retired."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """An account, how many requests it has under way, and why it rests, if it does: until then, for this reason."""

    account: Account
    in_flight: int = 0
    until: float | None = None
    reason: str | None = None
    is_disabled: bool = False


class Providers:
    """Makes drivers when they are first asked for, and closes what they opened.

    With `wide`, HTTP clients are those that carry hundreds of streams at once. With `announced`, it is told of the
    embedded model too who is asked. With `sharing`, accounts are known to be used by other machines too. `warnings` are
    what people should be told once a run is over: that limits could not be kept, say; with `warn` that is told at once.
    """

    def __init__(
        self,
        config: Config,
        catalog: Catalog,
        environ: Mapping[str, str],
        *,
        wide: bool = False,
        announced: bool = False,
        sharing: "Sharing | None" = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._state = state_folder(environ)
        self._store = key_store(environ)
        self._wide = wide
        self._announced = announced
        self._sharing = sharing
        self.warnings: list[str] = []
        self._warn = warn or self.warnings.append
        self._begin()

    def _begin(self) -> None:
        self._ledger: Ledger | None = None
        self._standings: dict[str, tuple[Roster, Standings]] = {}
        self._counters: dict[str, Counting] = {}
        self._closing = AsyncExitStack()
        self._router = Router(
            Dispatch(self._catalog, self._make, today=today()),
            routes=self._config.routes,
            catalog=self._catalog,
            dialect_of=self._dialect_of,
        )

    @property
    def driver(self) -> Driver:
        return self._router

    def provider_of(self, model: str) -> str:
        """Who is asked first for a model; "unknown" where that depends on the request."""
        try:
            decision = self._router.decide(Request(model, ()))
        except UsageError:
            return "unknown"
        return self._catalog.place(decision.chain[0]).provider if decision.is_by_name else "unknown"

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request's input has: as the provider of the first model counts it is put to, else a guess.

        Raises UsageError for a model that is nobody's.
        """
        model = self._catalog.resolve(self._router.decide(request).chain[0], today()).model
        placed = self._catalog.place(model)
        if placed.provider != EMBEDDED and self._config.providers[placed.provider].dialect != "openai":
            with suppress(ProviderError):
                driver = await self._counter(self._config.providers[placed.provider])
                return await driver.count_tokens(replace(request, model=placed.name))
        return estimate_tokens(request)

    def standings(self) -> list[AccountStanding]:
        """The accounts that can be asked, and how each stands just now."""
        return [
            _standing(account, self._standings.get(account.provider))
            for account in self._config.accounts
            if account.is_given and account.lacks is None
        ]

    async def load(self) -> None:
        """Load what the first requests need, so that none of them waits for it. Nobody is asked, no key is read."""
        usable = {each.provider for each in self._config.accounts if each.is_given and each.lacks is None}
        await asyncio.to_thread(self._load, usable)

    async def aclose(self) -> None:
        """Close all connections. What is asked afterwards opens new ones."""
        closing = self._closing
        self._begin()
        await closing.aclose()

    def _load(self, usable: Collection[str]) -> None:
        if not usable:
            import boticelli_cli.drivers.rehearsal
            import boticelli_cli.routing.accounts

            return
        import boticelli_cli.drivers.presentable
        import boticelli_cli.limit_states
        import boticelli_cli.routing.account_book
        import boticelli_cli.routing.accounts
        import boticelli_cli.routing.resets
        import boticelli_cli.routing.retries  # noqa: F401
        from boticelli_cli.account_drivers import load_drivers

        load_drivers({self._config.providers[each].dialect for each in usable}, wide=self._wide)
        for each in usable:
            self._catalog.describe(f"{each}/any")  # reads what is known of its models

    def _make(self, name: str, call: Call) -> Driver:
        if name == EMBEDDED:
            return self._embedded()
        from boticelli_cli.account_drivers import Locked
        from boticelli_cli.drivers.presentable import Presentable
        from boticelli_cli.routing.accounts import Pool
        from boticelli_cli.routing.retries import BROKEN, UNREACHABLE, WithRetries

        provider = self._config.providers[name]
        try:
            accounts = accounts_for(self._config, provider)
        except CredentialsError as error:
            return Locked(error)
        roster, standings = self._standings_of(name)
        members = [self._member(account, provider, call) for account in accounts]
        pool = Pool(members, provider=name, roster=roster, standings=standings)
        retried = WithRetries(pool, unreachable=UNREACHABLE if call == "live" else BROKEN)
        driver: Driver = Presentable(retried, provider.dialect)
        if provider.transformers:
            from boticelli_cli.routing.transformers import Transformed

            named = [(each.name, each.argument) for each in provider.transformers]
            driver = Transformed(driver, name, named, dialect=provider.dialect)
        return driver

    def _embedded(self) -> Driver:
        from boticelli_cli.drivers.rehearsal import Rehearsal

        if not self._announced:
            return Rehearsal()
        from boticelli_cli.routing.accounts import Member, Pool

        return Pool([Member(EMBEDDED, Rehearsal(), EMBEDDED)], provider=EMBEDDED)

    def _member(self, account: Account, provider: Provider, call: Call) -> "Member":
        from boticelli_cli.limit_states import day_of, has_limits
        from boticelli_cli.routing.accounts import Member
        from boticelli_cli.routing.resets import WithReset

        driver: Driver = Unlocked(partial(self._open, account, provider, call))
        delay: Callable[[Request, int], float] | None = None
        look: Callable[[Request, int], Awaitable[None]] | None = None
        if has_limits(self._config, account):  # what counts requests takes a while to load
            driver = limited = self._limited(driver, account, provider)
            delay, look = limited.delay, limited.look if self._sharing is not None else None
        if _spends_days(provider):
            driver = WithReset(driver, reset=day_of(provider))
        return Member(account.name, driver, account.known_as, account.priority, account.max_concurrent, delay, look)

    async def _counter(self, provider: Provider) -> "Counting":
        """A driver that counts tokens, with the first of a provider's accounts."""
        if provider.name not in self._counters:
            account = accounts_for(self._config, provider)[0]
            self._counters[provider.name] = cast("Counting", await self._open(account, provider, "sse"))
        return self._counters[provider.name]

    async def _open(self, account: Account, provider: Provider, call: Call) -> Driver:
        from boticelli_cli.account_drivers import Opener

        opener = Opener(self._catalog, self._store, self._unknown_hint, self._wide)
        driver = await opener.open(account, provider, call)
        self._closing.push_async_callback(driver.aclose)
        return driver

    def _limited(self, driver: Driver, account: Account, provider: Provider) -> "Limited":
        from boticelli_cli.limit_states import day_of, ledger_path, limits_of
        from boticelli_cli.routing.ledger import Ledger
        from boticelli_cli.routing.quota import Limited

        if self._ledger is None:
            self._ledger = Ledger(ledger_path(self._state), warn=self._warn)
            self._closing.callback(self._ledger.close)
        return Limited(
            driver,
            account=account.name,
            counted_as=account.counted_as,
            limits_of=lambda model: limits_of(self._config, self._catalog, account, model),
            ledger=self._ledger,
            reset=day_of(provider),
            spends_days=_spends_days(provider),
            counts=self._sharing.counts if self._sharing is not None else None,
        )

    def _standings_of(self, provider: str) -> "tuple[Roster, Standings]":
        """What is known of a provider's accounts, however its models are called."""
        if provider not in self._standings:
            from boticelli_cli.limit_states import ledger_path
            from boticelli_cli.routing.account_book import AccountBook
            from boticelli_cli.routing.roster import Roster
            from boticelli_cli.routing.standings import Standings

            elsewhere = self._sharing.accounts(provider) if self._sharing is not None else None
            roster, warn = Roster(elsewhere), self._warn
            book = AccountBook(ledger_path(self._state), warn=warn)
            self._standings[provider] = roster, Standings(roster, book=book, elsewhere=elsewhere, warn=warn)
        return self._standings[provider]

    def _dialect_of(self, provider: str) -> str:
        return EMBEDDED if provider == EMBEDDED else self._config.providers[provider].dialect

    def _unknown_hint(self, provider: str, model: str) -> str:
        """What to do about a model that a provider does not have, or not for this key."""
        asked = self._config.providers[provider]
        address = f"; or is the address wrong ({asked.named_by})?" if asked.named_by is not None else ""
        if asked.dialect == "openai" and asked.base_url is not None and urlsplit(asked.base_url).path in ("", "/"):
            address += " It mostly ends in /v1"
        if self._catalog.find(f"{provider}/{model}") is not None:
            return f"not every key has every model; boticelli models lists others{address}"
        near = self._catalog.nearest(model, provider, today())
        lists = "boticelli models" if provider == asked.dialect else f"boticelli models --refresh --provider {provider}"
        return f"{lists} lists those that there are{near or address}"


class Counting(Protocol):
    """A driver of a provider that counts tokens."""

    async def count_tokens(self, request: Request) -> int: ...


def _standing(account: Account, known: "tuple[Roster, Standings] | None") -> AccountStanding:
    seats = known[0].seats if known is not None else ()
    seat = next((seat for seat in seats if seat.counted_as == account.known_as), None)
    if seat is None:
        return AccountStanding(account)
    rest, now = seat.standing.whole, asyncio.get_running_loop().time()
    if rest is None or rest.until <= now:
        return AccountStanding(account, seat.running)
    until = None if rest.kind == "disabled" else time.time() + rest.until - now
    return AccountStanding(account, seat.running, until, rest.reason, rest.kind == "disabled")


def _spends_days(provider: Provider) -> bool:
    """Whether a provider means a day by its quota errors, where none says when it is over; only Google does."""
    return provider.dialect == "gemini"


def accounts_for(config: Config, provider: Provider) -> tuple[Account, ...]:
    """The accounts that can ask a provider, those with the lowest priority first. Raises CredentialsError."""
    accounts = config.accounts_of(provider.name)
    able = tuple(account for account in accounts if account.lacks is None)
    if able:
        return able
    from boticelli_cli.account_drivers import key_hint

    message = f"there is no key for {provider.name}"
    if accounts:
        message = f"account '{accounts[0].name}' has no key for {provider.name}: {accounts[0].lacks}"
    hint = (
        f"{key_hint(provider, accounts[0] if accounts else None)}; without one, -m {EMBEDDED} asks the embedded model"
    )
    raise CredentialsError(message, provider=provider.name, hint=hint)
