"""Meters on requests: how long the provider was waited for, and what it had counted, however a request ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest

from boticelli_cli.drivers.base import Meter, fold, metering
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.drivers.rehearsal import Rehearsal
from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.gateway.server import new_loop
from boticelli_cli.messages import Original, Request, Usage
from tests.clock import in_virtual_time
from tests.drivers.asking import settle
from tests.drivers.dialects import ANTHROPIC, GEMINI, INVOKE, OPENAI, Dialect, both_ways, every_dialect
from tests.drivers.speaking import driving, request
from tests.fakes.behaviours import Answer, Behaviour, Drop, Fail, Silence
from tests.fakes.gemini import FakeGemini

EARLY = (GEMINI, ANTHROPIC, INVOKE)
"""Those that count before the end."""

as_values_and_forwarded = pytest.mark.parametrize("forwarded", [False, True], ids=["values", "forwarded"])


def asking(dialect: Dialect, *, forwarded: bool = False) -> Request:
    original = Original(dialect.name, None, include_usage=True)
    return replace(dialect.asking("one two three"), original=original if forwarded else None)


@asynccontextmanager
async def metered(dialect: Dialect, *answers: Behaviour | str) -> AsyncIterator[tuple[Meter, Any, Any]]:
    async with dialect.talking(*answers) as (fake, driver):
        with metering(asyncio.get_running_loop().time) as meter:
            yield meter, fake, driver


@every_dialect
@both_ways
@as_values_and_forwarded
@in_virtual_time
async def test_tells_what_was_waited_and_counted(dialect: Dialect, whole: bool, forwarded: bool) -> None:
    slow = Answer("a b c", chunks=3, first_delay=5, delay=2)
    async with metered(dialect, slow) as (meter, _, driver):
        before = asyncio.get_running_loop().time()
        response = await dialect.ask(driver, asking(dialect, forwarded=forwarded), whole=whole)
        assert meter.usage == response.finish.usage
        assert meter.usage is not None
        assert meter.usage.output == 3
        assert meter.waited == pytest.approx(asyncio.get_running_loop().time() - before)
        assert meter.waited == pytest.approx(11)


@every_dialect
@in_virtual_time
async def test_does_not_take_the_time_of_a_slow_client_for_the_providers(dialect: Dialect) -> None:
    async with metered(dialect, Answer("a b c", chunks=3)) as (meter, _, driver):
        async with driver.stream(asking(dialect)) as deltas:
            async for _ in deltas:
                await asyncio.sleep(10)
        assert meter.waited is not None
        assert meter.waited < 5


@pytest.mark.parametrize("dialect", EARLY, ids=str)
@as_values_and_forwarded
@pytest.mark.parametrize("cancelled", [False, True], ids=["left", "cancelled"])
@in_virtual_time
async def test_tells_what_had_been_counted_to_those_who_leave(
    dialect: Dialect, forwarded: bool, cancelled: bool
) -> None:
    async with metered(dialect, Silence(after=2)) as (meter, _, driver):

        async def leave() -> None:
            async with driver.stream(asking(dialect, forwarded=forwarded)) as deltas:
                await anext(deltas)
                if cancelled:
                    async for _ in deltas:
                        pass

        task = asyncio.create_task(leave())
        await asyncio.wait({task}, timeout=30)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() == cancelled
        assert meter.usage is not None
        assert meter.usage.input
        assert meter.waited == pytest.approx(30 if cancelled else 0, abs=1)
    await settle()


@pytest.mark.parametrize("dialect", EARLY, ids=str)
@as_values_and_forwarded
@in_virtual_time
async def test_tells_what_had_been_counted_of_a_stream_that_broke(dialect: Dialect, forwarded: bool) -> None:
    async with metered(dialect, Drop(after=2)) as (meter, _, driver):
        async with driver.stream(asking(dialect, forwarded=forwarded)) as deltas:
            with pytest.raises(StreamError):
                await fold(deltas)
        assert meter.usage is not None
        assert meter.usage.input


@every_dialect
@both_ways
@in_virtual_time
async def test_has_counted_nothing_of_what_was_refused(dialect: Dialect, whole: bool) -> None:
    async with metered(dialect, Fail(400)) as (meter, _, driver):
        with pytest.raises(ProviderError):
            await dialect.ask(driver, asking(dialect), whole=whole)
        assert (meter.usage, meter.waited is not None) == (None, True)


@in_virtual_time
async def test_tells_each_meter_of_its_own_request_only() -> None:
    async def ask(driver: Any, prompt: str) -> Meter:
        with metering(asyncio.get_running_loop().time) as meter:
            await OPENAI.ask(driver, OPENAI.asking(prompt))
        return meter

    async with OPENAI.talking() as (_, driver):
        short, long = await asyncio.gather(ask(driver, "one"), ask(driver, "one two three four"))
    assert short.usage is not None
    assert long.usage is not None
    assert (short.usage.input, long.usage.input) == (1, 4)


@in_virtual_time
async def test_takes_the_pauses_of_the_embedded_model_for_a_providers() -> None:
    for whole in (False, True):
        with metering(asyncio.get_running_loop().time) as meter:
            before = asyncio.get_running_loop().time()
            asked = replace(OPENAI.asking("one two three"), model="rehearsal")
            response = await OPENAI.ask(Rehearsal(), asked, whole=whole)
            assert meter.usage == response.finish.usage
            assert meter.waited == pytest.approx(asyncio.get_running_loop().time() - before)
            assert meter.waited


@in_virtual_time
async def test_tells_what_the_embedded_model_had_said_to_those_who_leave() -> None:
    asked = replace(OPENAI.asking("one two three"), model="rehearsal")
    with metering(asyncio.get_running_loop().time) as meter:
        async with Rehearsal().stream(asked) as deltas:
            assert meter.usage == Usage(input=3, output=0, total=3)
            for _ in range(4):
                await anext(deltas)
        assert meter.usage == Usage(input=3, output=4, total=7)
        assert meter.waited == pytest.approx(0.25 + 3 * 0.025)
    with metering(asyncio.get_running_loop().time) as meter:
        async with Rehearsal().stream(replace(asked, model="rehearsal/fail-after-2")) as deltas:
            with pytest.raises(StreamError):
                await fold(deltas)
        assert meter.usage == Usage(input=3, output=2, total=5)


async def test_tells_what_a_live_model_counts(fake: FakeGemini) -> None:
    fake.script.append("Hello there.")
    async with driving(fake) as driver:
        with metering() as meter:
            response = await driver.generate(request("Say hello."))
    assert meter.usage == response.finish.usage
    assert meter.usage != Usage()
    assert meter.waited


def test_knows_waits_of_less_than_a_millisecond_whatever_the_loop() -> None:
    async def busy(seconds: float) -> None:
        end = perf_counter() + seconds
        while perf_counter() < end:
            pass

    async def waits() -> list[float | None]:
        waited = []
        for _ in range(10):
            with metering() as meter:
                await Patience("prov", None).wait_for(busy(0.0002))
            waited.append(meter.waited)
        return waited

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert all(waited is not None and waited >= 0.0002 for waited in runner.run(waits()))
