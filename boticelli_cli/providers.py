"""The providers that can be asked here: for each account and way of calling a driver, its limits and its retries.

Dispatch → WithRetries → Pool → WithReset → Limited, where an account has limits → Gemini or GeminiLive
"""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from boticelli_cli.catalog import EMBEDDED, Call, Catalog, ListedModel
from boticelli_cli.config import Account, Config, state_folder
from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import CredentialsError, UsageError
from boticelli_cli.limit_states import has_limits, ledger_path, limits_of
from boticelli_cli.listings import calls_of
from boticelli_cli.messages import Request
from boticelli_cli.routing.dispatch import Dispatch

if TYPE_CHECKING:
    from boticelli_cli.drivers.gemini_access import GeminiAccess
    from boticelli_cli.routing.ledger import Ledger
    from boticelli_cli.routing.quota import Limited
    from boticelli_cli.routing.roster import Roster

__all__ = ["DRIVEN", "Providers", "account_of", "list_models", "today"]

DRIVEN = ("gemini",)
"""The providers that there are drivers for, beside the embedded model's."""


def today() -> date:
    """The day by which models are retired."""
    return datetime.now(UTC).date()


class Providers:
    """Makes drivers when they are first asked for, and closes what they opened.

    With `wide`, HTTP clients are those that carry hundreds of streams at once. `warnings` are what people should
    be told once a run is over: that limits could not be kept, say.
    """

    def __init__(self, config: Config, catalog: Catalog, environ: Mapping[str, str], *, wide: bool = False) -> None:
        self._config = config
        self._catalog = catalog
        self._state = state_folder(environ)
        self._wide = wide
        self._ledger: Ledger | None = None
        self._rosters: dict[str, Roster] = {}
        self.warnings: list[str] = []
        self._closing = AsyncExitStack()
        self.driver: Driver = Dispatch(catalog, self._make, today=today())

    async def aclose(self) -> None:
        """Close all connections. What is asked afterwards opens new ones."""
        closing, self._closing = self._closing, AsyncExitStack()
        self._ledger = None
        self._rosters = {}
        self.driver = Dispatch(self._catalog, self._make, today=today())
        await closing.aclose()

    def _make(self, provider: str, call: Call) -> Driver:
        if provider == EMBEDDED:
            from boticelli_cli.drivers.rehearsal import Rehearsal

            return Rehearsal()
        from boticelli_cli.routing.accounts import Member, Pool
        from boticelli_cli.routing.day import pacific_day
        from boticelli_cli.routing.resets import WithReset
        from boticelli_cli.routing.retries import BROKEN, UNREACHABLE, WithRetries
        from boticelli_cli.routing.roster import Roster

        account = account_of(self._config, provider)
        driver = self._gemini(account, call)
        delay: Callable[[Request], float] | None = None
        if has_limits(self._config, account):  # what counts requests takes a while to load
            driver = limited = self._limited(driver, account)
            delay = limited.delay
        driver = WithReset(driver, reset=pacific_day)
        member = Member(account.name, driver, account.counted_as, account.priority, account.max_concurrent, delay)
        pool = Pool([member], provider=provider, roster=self._rosters.setdefault(provider, Roster()))
        return WithRetries(pool, unreachable=UNREACHABLE if call == "live" else BROKEN)

    def _gemini(self, account: Account, call: Call) -> Driver:
        if call == "live":
            from boticelli_cli.drivers.gemini_live import GeminiLive

            live = GeminiLive(_access(account), self._catalog)
            self._closing.push_async_callback(live.aclose)
            return live
        from boticelli_cli.drivers.gemini import Gemini

        gemini = Gemini(_access(account), unknown_hint=self._unknown_hint, wide=self._wide)
        self._closing.push_async_callback(gemini.aclose)
        return gemini

    def _unknown_hint(self, model: str) -> str:
        """What to do about a model that Gemini does not have, or not for this key."""
        if self._catalog.find(f"gemini/{model}") is not None:
            return "not every key has every model; boticelli models lists others"
        return f"boticelli models lists them{self._catalog.nearest(model, 'gemini', today())}"

    def _limited(self, driver: Driver, account: Account) -> "Limited":
        from boticelli_cli.routing.day import pacific_day
        from boticelli_cli.routing.ledger import Ledger
        from boticelli_cli.routing.quota import Limited

        if self._ledger is None:
            self._ledger = Ledger(ledger_path(self._state), warn=self.warnings.append)
            self._closing.callback(self._ledger.close)
        return Limited(
            driver,
            account=account.name,
            counted_as=account.counted_as,
            limits_of=lambda model: limits_of(self._config, self._catalog, account, model),
            ledger=self._ledger,
            reset=pacific_day,
        )


async def list_models(config: Config, provider: str) -> list[ListedModel]:
    """The models that a provider says an account can ask. Raises ProviderError, and CredentialsError without one."""
    from boticelli_cli.drivers.gemini import Gemini

    access = _access(account_of(config, provider))
    if access.is_vertex:
        raise UsageError("Vertex AI does not list its models where the Gemini API does; --refresh needs a key")
    gemini = Gemini(access)
    try:
        return [
            ListedModel(each.name, each.input_limit, each.output_limit, calls_of(each.methods))
            for each in await gemini.models()
        ]
    finally:
        await gemini.aclose()


def account_of(config: Config, provider: str) -> Account:
    """The account that asks a provider: of several, the one with the lowest priority. Raises CredentialsError."""
    accounts = config.accounts_of(provider)
    if not accounts:
        raise CredentialsError(f"there is no key for {provider}", provider=provider, hint=_HINTS[provider])
    account = next((each for each in accounts if each.lacks is None), accounts[0])
    if account.lacks is not None:
        message = f"account '{account.name}' has no key for {provider}: {account.lacks}"
        raise CredentialsError(message, provider=provider, hint=_HINTS[provider])
    return account


def _access(account: Account) -> "GeminiAccess":
    from boticelli_cli.drivers.gemini_access import GeminiAccess

    name = account.name if account.is_named else None
    return GeminiAccess(account.api_key, account.base_url, account.project, account.location, name)


_HINTS = {
    "gemini": "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey; "
    "without one, --rehearse shows the run on the embedded model",
}
