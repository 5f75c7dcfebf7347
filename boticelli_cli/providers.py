"""The providers that can be asked here: for each account and way of calling a driver, its limits and its retries.

Dispatch → WithRetries → Limited, where an account has limits → Gemini or GeminiLive
"""

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from boticelli_cli.catalog import DEFAULTS, EMBEDDED, Call, Catalog, Limits, ListedModel
from boticelli_cli.config import Account, Config, state_folder
from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import CredentialsError, InputError, Problem, UsageError
from boticelli_cli.fitting import fit, unreadable
from boticelli_cli.listings import calls_of
from boticelli_cli.messages import Media, Message, Request
from boticelli_cli.narrative.model import Act
from boticelli_cli.routing.dispatch import Dispatch
from boticelli_cli.runs.plan import Plan

if TYPE_CHECKING:
    from boticelli_cli.drivers.gemini_access import GeminiAccess
    from boticelli_cli.routing.ledger import Ledger, Used
    from boticelli_cli.routing.line import Leases

__all__ = [
    "DRIVEN",
    "LimitState",
    "Providers",
    "account_of",
    "check_models",
    "default_model",
    "ledger_path",
    "limit_states",
    "limits_of",
    "list_models",
    "today",
]

DRIVEN = ("gemini",)
"""The providers that there are drivers for, beside the embedded model's."""


def today() -> date:
    """The day by which models are retired."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class LimitState:
    """What an account may ask of a model, and what it has asked; `resets_at` is when the day is over."""

    account: Account
    model: str
    limits: Limits
    used: "Used"
    resets_at: datetime


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
        self._leases: dict[str, Leases] = {}
        self.warnings: list[str] = []
        self._closing = AsyncExitStack()
        self.driver: Driver = Dispatch(catalog, self._make, today=today())

    async def aclose(self) -> None:
        """Close all connections. What is asked afterwards opens new ones."""
        closing, self._closing = self._closing, AsyncExitStack()
        self._ledger = None
        self.driver = Dispatch(self._catalog, self._make, today=today())
        await closing.aclose()

    def _make(self, provider: str, call: Call) -> Driver:
        if provider == EMBEDDED:
            from boticelli_cli.drivers.rehearsal import Rehearsal

            return Rehearsal()
        from boticelli_cli.routing.day import pacific_day
        from boticelli_cli.routing.resets import WithReset
        from boticelli_cli.routing.retries import BROKEN, UNREACHABLE, WithRetries

        account = account_of(self._config, provider)
        driver = self._gemini(account, call)
        if _has_limits(self._config, account):  # what counts requests takes a while to load
            driver = self._limited(driver, account)
        driver = WithReset(driver, reset=pacific_day)
        return WithRetries(driver, unreachable=UNREACHABLE if call == "live" else BROKEN)

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

    def _limited(self, driver: Driver, account: Account) -> Driver:
        from boticelli_cli.routing.day import pacific_day
        from boticelli_cli.routing.ledger import Ledger
        from boticelli_cli.routing.line import Leases
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
            leases=self._leases.setdefault(account.name, Leases(account.max_concurrent)),
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


def limit_states(config: Config, catalog: Catalog, environ: Mapping[str, str]) -> Iterator["LimitState"]:
    """What is left of every limit that is known: of each account, each model that it may ask only so much."""
    from boticelli_cli.routing.day import pacific_day
    from boticelli_cli.routing.ledger import Ledger

    ledger = Ledger(ledger_path(state_folder(environ)))
    try:
        now = ledger.now()
        for account in config.accounts:
            of_tier = catalog.limited_models(account.provider, account.tier) if account.tier is not None else ()
            written = [model for provider, model in config.limits if provider == account.provider]
            for model in dict.fromkeys((*written, *of_tier)):
                limits = limits_of(config, catalog, account, model)
                used = ledger.usage(account.counted_as, model, now)
                until = used.spent_until or pacific_day(now).end
                yield LimitState(account, model, limits, used, datetime.fromtimestamp(until, UTC))
    finally:
        ledger.close()


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


def default_model(config: Config) -> str:
    """The model that answers when none is named: one that there is an account for, or the embedded one."""
    return DEFAULTS[config.accounts[0].provider] if config.accounts else EMBEDDED


def check_models(plan: Plan, config: Config, catalog: Catalog, *, need_keys: bool = True) -> list[str]:
    """Check that every act's model can be asked here, and return what people should know of them first.

    Raises UsageError for models that are nobody's, or do not take what they are given, CredentialsError when
    there is no key; unless keys are needed, that is only told.
    """
    problems: dict[str, Problem] = {}
    notices: dict[str, None] = {}
    for step in plan.steps:
        try:
            notices |= dict.fromkeys(_check_act(step.act, config, catalog, need_keys))
        except InputError as error:
            problems |= {problem.message: problem for problem in error.problems}
    if problems:
        raise UsageError(list(problems.values()), hint=f"the embedded model is always there: -m {EMBEDDED}")
    return list(notices)


def _check_act(act: Act, config: Config, catalog: Catalog, need_keys: bool) -> Iterator[str]:
    settings = act.settings
    resolved = catalog.resolve(settings.model or EMBEDDED, today())
    try:
        placed = catalog.place(resolved.model)
    except UsageError as error:
        near = catalog.nearest(resolved.model.rpartition("/")[2].lower(), "gemini", today())
        raise UsageError(f"{error.problems[0].message}{near}") from None
    if placed.provider == EMBEDDED:
        from boticelli_cli.drivers.rehearsal import refuse_unknown_model

        refuse_unknown_model(resolved.model)
        return
    if placed.provider not in DRIVEN:
        message = (
            f"act '{act.name}' asks for model '{settings.model}', but there is no driver for {placed.provider} here"
        )
        raise UsageError(message)
    try:
        account_of(config, placed.provider)
    except CredentialsError as error:
        if need_keys:
            raise
        yield error.message
    media = [Media(part.kind, "", name=part.filename) for part in act.input if part.kind != "text"]
    request = Request(
        placed.name,
        (Message("user", tuple(media)),),
        stop=settings.stop or (),
        thinking=settings.thinking,
    )
    found = catalog.find(resolved.model)
    if wrong := unreadable(request, found):
        raise UsageError([Problem(f"act '{act.name}': {sentence}") for sentence in wrong])
    if resolved.notice is not None:
        yield resolved.notice
    yield from fit(request, found, catalog.call_of(resolved.model))[1]


def _has_limits(config: Config, account: Account) -> bool:
    """Whether there is any model of which an account may ask only so much."""
    written = any(provider == account.provider for provider, _ in config.limits)
    return written or account.tier is not None or account.max_concurrent is not None


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


def _access(account: Account) -> "GeminiAccess":
    from boticelli_cli.drivers.gemini_access import GeminiAccess

    name = account.name if account.is_named else None
    return GeminiAccess(account.api_key, account.base_url, account.project, account.location, name)


_HINTS = {
    "gemini": "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey; "
    "without one, --rehearse shows the run on the embedded model",
}
