"""Serving: the gateway, joined of the configuration, the providers, and what lets clients in and counts them."""

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from boticelli_cli.catalog import EMBEDDED, Catalog
from boticelli_cli.config import Config, environment, read_config, state_folder
from boticelli_cli.drivers.base import Driver
from boticelli_cli.gateway.base import AccountState, Entry, InFlight
from boticelli_cli.gateway.exchange import Exchanges
from boticelli_cli.gateway.faces.base import ServedModel
from boticelli_cli.gateway.health import health_routes
from boticelli_cli.gateway.keys import Door
from boticelli_cli.gateway.ledger import RequestLedger
from boticelli_cli.gateway.limits import LocalGatekeeper
from boticelli_cli.gateway.listening import is_loopback
from boticelli_cli.gateway.log import RequestLog
from boticelli_cli.gateway.metrics import Metrics, metrics_routes
from boticelli_cli.gateway.options import GatewayOptions, GatewayParts
from boticelli_cli.gateway.seals import LocalSeals
from boticelli_cli.gateway.serve import Gateway
from boticelli_cli.gateway.status import Slice, status_routes
from boticelli_cli.gateway.stopping import Stopping
from boticelli_cli.gateway.strangers import FewStrangers
from boticelli_cli.gateway.usage import usage_routes
from boticelli_cli.gateway_keys import keyring
from boticelli_cli.listings import known_catalog
from boticelli_cli.messages import Delta, Request, Response, Usage
from boticelli_cli.prices import cost_usd, load_prices
from boticelli_cli.private_file import close_to_others, locked, write_private
from boticelli_cli.providers import AccountStanding, Providers, today
from boticelli_cli.routing.estimate import estimate_tokens

if TYPE_CHECKING:
    from boticelli_cli.gateway.base import Gatekeeper, Keys
    from boticelli_cli.sharing.gateways import Gateways

__all__ = ["Rehearsing", "account_states", "cost_of", "gateway", "is_alone", "served_models"]

_SECRET_BYTES = 32

_log = logging.getLogger(__name__)

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def gateway(options: GatewayOptions, stopping: Stopping) -> GatewayParts:
    """The gateway, joined of its parts, as the configuration and `options` want it. Raises ConfigError, UsageError.

    Nothing has been opened: that is done by entering `opened()`, in an event loop.
    """
    joined = _Joined(options, stopping)
    return GatewayParts(joined.app(), joined.opened, has_keys=joined.keys.has_any, notices=tuple(joined.notices()))


class _Joined:
    """All parts of a gateway, each made once."""

    def __init__(self, options: GatewayOptions, stopping: Stopping) -> None:
        environ = environment()
        self._options = options
        self._stopping = stopping
        self._config = config = read_config(environ, Path())
        self._catalog = catalog = known_catalog(config, environ)
        self._state = state_folder(environ)
        self._gateways = _gateways(options.redis)
        self.providers = Providers(
            config, catalog, environ, wide=True, announced=True, sharing=self._gateways, warn=_log.warning
        )
        self._keyring = keyring(config.gateway, environ)
        self._shared_keys = self._gateways.keys(self._keyring) if self._gateways is not None else None
        self.keys: Keys = self._shared_keys or self._keyring
        self.door = Door(self.keys, is_open=not self.keys.has_any and is_loopback(options.listening.host))
        self.ledger = RequestLedger(self._state / "gateway.sqlite3")
        self.log = RequestLog(sys.stderr, format=options.log_format, prompts=options.log_prompts)
        self._local = LocalGatekeeper(self.ledger.spent)
        self.gatekeeper: Gatekeeper = self._local
        if self._gateways is not None:
            self.gatekeeper = self._gateways.gatekeeper(self._local)
        self.exchanges = self._exchanges()
        self.metrics = self._metrics(environ.get(_METRICS_FOLDER))
        stopping.when_cut(self.exchanges.cut)
        self.exchanges.observers = (self.metrics, FewStrangers(self.ledger), FewStrangers(self.log))

    @property
    def _rehearses(self) -> bool:
        return self._options.rehearse or is_alone(self._config)

    def notices(self) -> Iterator[str]:
        """Sentences that a person should see before it starts."""
        yield from self._config.notices
        if self._options.rehearse:
            yield f"'{EMBEDDED}', the embedded model, answers everything"
        elif self._rehearses:
            yield f"there is no key for any provider: '{EMBEDDED}', the embedded model, answers everything"
        else:
            yield from _unserved(self._config, self._catalog)

    def app(self) -> Gateway:
        return Gateway(
            self.exchanges,
            door=self.door,
            models=partial(_listed, self._config, self._catalog, self._rehearses),
            count=self._count,
            bounds=self._options.bodies,
            routes=self._pages(),
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """What has to be open while it serves, and is closed in the end: nothing that was counted is lost.

        What the first requests need is loaded by then.
        """
        async with self.log, self.ledger, self._joined():
            try:
                await self.providers.load()
                if not self._rehearses:
                    await asyncio.to_thread(load_prices)
                with self.metrics.refreshing():
                    yield
            finally:
                await self.providers.aclose()

    @asynccontextmanager
    async def _joined(self) -> AsyncIterator[None]:
        """Share what other gateways are to know, where there are any."""
        if self._gateways is None or self._shared_keys is None:
            yield
            return
        async with self._gateways.joined():
            self._keyring.tell(self._shared_keys.publish)
            yield

    def _exchanges(self) -> Exchanges:
        driver = self.providers.driver
        return Exchanges(
            Rehearsing(driver) if self._rehearses else driver,
            self.door,
            self.gatekeeper,
            self._gateways.seals if self._gateways is not None else LocalSeals(),
            (),
            estimate_tokens,
            partial(cost_of, self._config, self._catalog),
            bounds=self._options.bodies,
            on_asked=self.log.asked if self._options.log_prompts else None,
        )

    def _metrics(self, folder: str | None) -> Metrics:
        return Metrics(
            in_flight=lambda: len(self.exchanges.in_flight()),
            queue_depth=lambda: self.exchanges.queued,
            redis_is_up=self._redis_is_up,
            folder=Path(folder) if folder else None,
        )

    @property
    def _redis_is_up(self) -> Callable[[], bool] | None:
        gateways = self._gateways
        return None if gateways is None else lambda: gateways.is_up

    def _pages(self) -> list[BaseRoute]:
        stopping, ledger, door = self._stopping, self.ledger, self.door
        return [
            *health_routes(
                is_stopping=lambda: stopping.is_draining,
                redis_is_up=self._redis_is_up,
                is_kept=lambda: ledger.is_kept,
            ),
            *metrics_routes(self.metrics, door),
            *usage_routes(ledger, door, under_way=self._local.under_way),
            *status_routes(
                _Source(self.providers, self.exchanges, ledger, self._gateways),
                door,
                secret=_secret(self._state / "gateway_secret"),
                is_open=lambda: door.is_open,
                is_draining=lambda: stopping.is_draining,
            ),
        ]

    async def _count(self, request: Request) -> int:
        return estimate_tokens(request) if self._rehearses else await self.providers.count_tokens(request)


def _gateways(url: str | None) -> "Gateways | None":
    """What several gateways share, where they are told to. Raises UsageError for an address that is none."""
    if url is None:
        return None
    from boticelli_cli.sharing.gateways import Gateways

    return Gateways(url)


class _Source:
    """What the status page is told."""

    def __init__(
        self, providers: Providers, exchanges: Exchanges, ledger: RequestLedger, gateways: "Gateways | None"
    ) -> None:
        self._providers = providers
        self._gateways = gateways
        self._exchanges = exchanges
        self._ledger = ledger
        self.version = version("boticelli")
        self.started = time.time()

    def redis(self) -> str | None:
        if self._gateways is None:
            return None
        return "connected" if self._gateways.is_up else "gone; each gateway goes on alone"

    def accounts(self) -> Sequence[AccountState]:
        return account_states(self._providers.standings())

    def in_flight(self) -> Sequence[InFlight]:
        return self._exchanges.in_flight()

    async def series(self, since: float, step: float) -> Sequence[Slice]:
        cells = await self._ledger.series(since, time.time() + 1, step=int(step))
        return [
            Slice(
                cell.at,
                cell.key,
                cell.model or "",
                cell.totals.requests,
                cell.totals.failed,
                cell.totals.usage.input or 0,
                cell.totals.usage.output or 0,
                cell.totals.cost_usd,
            )
            for cell in cells
        ]

    async def recent_errors(self, limit: int) -> Sequence[Entry]:
        """Wrong keys are left out: a guesser would leave no room for anything else."""
        errors = await self._ledger.recent_errors(10 * limit)
        return [entry for entry in errors if entry.status != 401][:limit]


def _unserved(config: Config, catalog: Catalog) -> Iterator[str]:
    """A sentence for each provider that the routes lead to, and that cannot be asked."""
    able = {account.provider for account in config.accounts if account.is_given and account.lacks is None}
    chains = (config.routes.targets, *(alias.to for alias in config.routes.aliases))
    for model in dict.fromkeys(model for chain in chains for model in chain):
        provider = catalog.place(model).provider
        if provider not in able and provider != EMBEDDED:
            yield f"the routes lead to {model}, but there is no key for {provider}: boticelli keys set {provider}"


def _listed(config: Config, catalog: Catalog, rehearsing: bool) -> list[ServedModel]:
    return list(served_models(config, catalog, rehearsing=rehearsing))


def _secret(path: Path) -> bytes:
    """What the sessions of the status page are signed with: made once, for all workers and for the next start."""
    with locked(path):
        if not path.exists() or path.stat().st_size != _SECRET_BYTES:
            write_private(path, secrets.token_bytes(_SECRET_BYTES))
        close_to_others(path)
        return path.read_bytes()


class Rehearsing:
    """A driver that has the embedded model answer, whatever is asked for."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def supports_streaming(self, model: str) -> bool:
        return True

    def stream(self, request: Request) -> "AbstractAsyncContextManager[AsyncIterator[Delta]]":
        return self._driver.stream(_rehearsed(request))

    async def generate(self, request: Request) -> Response:
        return await self._driver.generate(_rehearsed(request))


def _rehearsed(request: Request) -> Request:
    if request.model == EMBEDDED or request.model.startswith(f"{EMBEDDED}/"):
        return request
    return replace(request, model=EMBEDDED, fallback=())


def is_alone(config: Config) -> bool:
    """Whether there is nobody to ask but the embedded model."""
    return not any(account.is_given and account.lacks is None for account in config.accounts)


def served_models(config: Config, catalog: Catalog, *, rehearsing: bool = False) -> Iterator[ServedModel]:
    """The models that can be asked here: those of providers that there is an account for, other names for them."""
    yield ServedModel(EMBEDDED, EMBEDDED)
    if rehearsing:
        return
    given = {account.provider for account in config.accounts if account.is_given and account.lacks is None}
    routes, seen = config.routes, set[str]()
    for alias in routes.aliases:
        if not any(each in alias.glob for each in "*?["):
            seen.add(alias.glob)
            yield ServedModel(alias.glob, "boticelli")
    if routes.default:
        yield ServedModel("auto", "boticelli")
    for model in catalog.models():
        placed = catalog.place(model.id)
        if model.provider in given and not model.is_gone(today()) and model.id not in seen:
            yield ServedModel(model.id, placed.provider, model.context_tokens, model.max_output_tokens)


def account_states(standings: list[AccountStanding]) -> list[AccountState]:
    """How accounts stand, as the status page shows it."""
    return [
        AccountState(
            each.account.provider,
            each.account.name,
            each.in_flight,
            each.account.max_concurrent,
            "disabled" if each.is_disabled else "ready" if each.reason is None else "resting",
            None if each.until is None else datetime.fromtimestamp(each.until, UTC),
            each.reason,
        )
        for each in standings
    ]


def cost_of(config: Config, catalog: Catalog, provider: str, model: str, usage: Usage) -> float | None:
    """What so much use of a provider's model costs in USD, where that is known. The embedded model is free."""
    if provider == EMBEDDED:
        return 0.0
    if usage.input is None and usage.output is None:
        return None
    return cost_usd(provider, (model,), usage, catalog=catalog, today=today(), prices=config.prices)
