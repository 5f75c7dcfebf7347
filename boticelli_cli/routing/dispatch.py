"""Dispatch: a driver that hands each request to the driver of the model it asks for, as that model takes it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date

from boticelli_cli.catalog import EMBEDDED, Call, Catalog
from boticelli_cli.drivers.base import Driver
from boticelli_cli.fitting import fit
from boticelli_cli.messages import Delta, Request, Response

__all__ = ["Dispatch"]


class Dispatch:
    """Finds whose a model is, and how it is called. A retired one is served by its replacement.

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
        driver, fitted = self._directed(request)
        return driver.stream(fitted)

    async def generate(self, request: Request) -> Response:
        driver, fitted = self._directed(request)
        return await driver.generate(fitted)

    def _directed(self, request: Request) -> tuple[Driver, Request]:
        served = self._catalog.resolve(request.model, self._today).model
        placed = self._catalog.place(served)
        name = served if placed.provider == EMBEDDED else placed.name
        fitted, _ = fit(replace(request, model=name), self._catalog.describe(served), self._catalog.call_of(served))
        return self._driver(served), fitted

    def _driver(self, model: str) -> Driver:
        key = (self._catalog.place(model).provider, self._catalog.call_of(model))
        if key not in self._drivers:
            self._drivers[key] = self._make(*key)
        return self._drivers[key]
