"""Dispatch: a driver that hands each request to the driver of the model it asks for, as that model takes it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import date

from boticelli_cli.catalog import EMBEDDED, Call, Catalog
from boticelli_cli.drivers.base import Driver, Fitted, notify
from boticelli_cli.fitting import fit
from boticelli_cli.messages import Delta, Request, Response

__all__ = ["Dispatch"]


class Dispatch:
    """Finds whose a model is, and how it is called. A retired one is served by its replacement.

    What a model does not take is told as a `Fitted`. A request whose maker would notice that it was changed is not sent
    in its maker's own words, but written anew.

    `make` gives the driver of a provider for a way of calling; it is asked for once each, when it is needed.
    """

    def __init__(self, catalog: Catalog, make: Callable[[str, Call], Driver], *, today: date) -> None:
        self._catalog = catalog
        self._make = make
        self._today = today
        self._drivers: dict[tuple[str, Call], Driver] = {}

    def supports_streaming(self, model: str) -> bool:
        served = self._catalog.resolve(model, self._today).model
        call = self._catalog.call_of(served)
        return call != "none" and self._driver(served).supports_streaming(served)

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        driver, fitted, notice = self._directed(request)
        return driver.stream(fitted) if notice is None else _streamed(driver, fitted, notice)

    async def generate(self, request: Request) -> Response:
        driver, fitted, notice = self._directed(request)
        if notice is not None:
            await notify(notice)
        return await driver.generate(fitted)

    def _directed(self, request: Request) -> tuple[Driver, Request, Fitted | None]:
        served = self._catalog.resolve(request.model, self._today).model
        placed = self._catalog.place(served)
        name = served if placed.provider == EMBEDDED else placed.name
        asked = replace(request, model=name)
        fitted, said = fit(asked, self._catalog.describe(served), self._catalog.call_of(served))
        if fitted.original is not None and fitted.original.body is not None and _is_noticed(asked, fitted):
            fitted = replace(fitted, original=replace(fitted.original, body=None))
        return self._driver(served), fitted, Fitted(name, said) if said else None

    def _driver(self, model: str) -> Driver:
        key = (self._catalog.place(model).provider, self._catalog.call_of(model))
        if key not in self._drivers:
            self._drivers[key] = self._make(*key)
        return self._drivers[key]


@asynccontextmanager
async def _streamed(driver: Driver, request: Request, notice: Fitted) -> AsyncIterator[AsyncIterator[Delta]]:
    await notify(notice)
    async with driver.stream(request) as deltas:
        yield deltas


def _is_noticed(asked: Request, fitted: Request) -> bool:
    """Whether a model is asked anything else than the maker of a request has said.

    Two things are not: how long an answer may be where nobody has said it, as who has to say so in a dialect has; and
    whether thoughts are shown where there are none.
    """
    if asked.max_tokens is None:
        fitted = replace(fitted, max_tokens=None)
    if not fitted.thinking:
        fitted = replace(fitted, show_thoughts=asked.show_thoughts)
    return fitted != asked
