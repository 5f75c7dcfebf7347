"""Dispatch: whose a model is, how it is called, and what of a request it takes."""

from datetime import date

import pytest

from boticelli_cli.catalog import Call, Catalog
from boticelli_cli.drivers.base import fold
from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Message, Request, Text
from boticelli_cli.routing.dispatch import Dispatch
from tests.scripted import Scripted

TODAY = date(2026, 11, 21)


class Drivers:
    """Makes drivers, and remembers which."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, Call], Scripted] = {}

    def __call__(self, provider: str, call: Call) -> Scripted:
        assert (provider, call) not in self.made
        self.made[provider, call] = Scripted(streams=call != "batch")
        return self.made[provider, call]

    @property
    def asked(self) -> list[str]:
        return [request.model for driver in self.made.values() for request in driver.requests]


def dispatching() -> tuple[Drivers, Dispatch]:
    drivers = Drivers()
    return drivers, Dispatch(Catalog.builtin(), drivers, today=TODAY)


def asking(model: str, **settings: object) -> Request:
    return Request(model, (Message("user", (Text("Hello."),)),), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "provider", "call", "name"),
    [
        ("gemini-3.8-flash", "gemini", "sse", "gemini-3.8-flash"),
        ("gemini/gemini-3.8-flash", "gemini", "sse", "gemini-3.8-flash"),
        ("gemini/tuned/mine:8b", "gemini", "sse", "tuned/mine:8b"),
        ("gemini-3.8-live", "gemini", "live", "gemini-3.8-live"),
        ("gemini-9-live-preview", "gemini", "live", "gemini-9-live-preview"),
        ("gemini-99-unheard-of", "gemini", "sse", "gemini-99-unheard-of"),
        ("rehearsal/fast", "rehearsal", "sse", "rehearsal/fast"),
    ],
)
async def test_each_model_is_asked_by_its_own_driver_and_name(model: str, provider: str, call: Call, name: str) -> None:
    drivers, dispatch = dispatching()
    async with dispatch.stream(asking(model)) as deltas:
        assert (await fold(deltas)).text == "<Hello.>"
    assert (await dispatch.generate(asking(model))).text == "<Hello.>"
    assert list(drivers.made) == [(provider, call)]
    assert drivers.asked == [name, name]


async def test_makes_each_driver_once_and_only_when_it_is_needed() -> None:
    drivers, dispatch = dispatching()
    assert not drivers.made
    for model in ("gemini-3.8-flash", "gemini-3.8-pro", "gemini/gemini-3.8-flash", "gemini-3.8-live"):
        await dispatch.generate(asking(model))
        dispatch.supports_streaming(model)
    assert list(drivers.made) == [("gemini", "sse"), ("gemini", "live")]


@pytest.mark.parametrize(
    ("model", "served"),
    [
        ("gemini-2.0-flash-live", "gemini-3.8-live"),
        ("gemini/gemini-2.0-flash-live", "gemini-3.8-live"),
        ("gemini-3.7-flash", "gemini-3.7-flash"),
    ],
)
async def test_the_replacement_serves_a_model_that_was_shut_down(model: str, served: str) -> None:
    drivers, dispatch = dispatching()
    assert dispatch.supports_streaming(model)
    await dispatch.generate(asking(model))
    assert drivers.asked == [served]


async def test_settings_are_made_to_fit_the_model() -> None:
    drivers, dispatch = dispatching()
    await dispatch.generate(asking("gemini-3.8-flash", thinking=4096))
    await dispatch.generate(asking("gemini-2.5-flash", thinking="low"))
    await dispatch.generate(asking("gemini-99-unheard-of", thinking=4096, temperature=1.0))
    [driver] = drivers.made.values()
    assert [request.thinking for request in driver.requests] == [None, 1024, 4096]
    assert driver.requests[2].temperature == 1.0


async def test_what_is_nobodys_is_refused() -> None:
    drivers, dispatch = dispatching()
    with pytest.raises(UsageError, match="it is not known whose model 'nonsense' is"):
        await dispatch.generate(asking("nonsense"))
    assert not drivers.made
