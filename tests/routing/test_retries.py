"""Retries, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from boticelli_cli.drivers.base import Going, Notice, Retrying, Waiting, fold, listening, notify
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnreachableError,
)
from boticelli_cli.messages import Delta, Request, Response, TextDelta
from boticelli_cli.routing.retries import WithRetries
from tests.clock import in_virtual_time
from tests.routing.limiting import asking
from tests.scripted import Scripted

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


class Failing:
    """Fails with these errors, one a request, then answers; notes when it was asked."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.times: list[float] = []
        self.open = 0

    def supports_streaming(self, model: str) -> bool:
        return model != "silent"

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        self.times.append(round(asyncio.get_running_loop().time(), 3))
        if self._errors:
            raise self._errors.pop(0)
        self.open += 1
        try:
            async with Scripted().stream(request) as deltas:
                yield deltas
        finally:
            self.open -= 1

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            return await fold(deltas)


async def ask(driver: WithRetries, request: Request | None = None, *, whole: bool = False) -> str:
    if whole:
        return (await driver.generate(request or asking())).text
    async with driver.stream(request or asking()) as deltas:
        return (await fold(deltas)).text


def always(error: Exception, *, chance: Callable[[], float] = lambda: 0.5) -> tuple[Failing, WithRetries]:
    driver = Failing(*[error] * 100)
    return driver, WithRetries(driver, chance=chance)


def failing(status: int) -> ProviderError:
    return ProviderError("no", status=status)


def with_settings(*, timeout: float | None = None, retries: int | None = None) -> Request:
    request = asking()
    return Request(request.model, request.messages, timeout=timeout, retries=retries)


@both_ways
@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (failing(429), [5, 10, 20]),
        (failing(503), [2, 4, 8, 16, 32]),
        (failing(500), [1, 2, 4]),
        (failing(502), [1, 2, 4]),
        (failing(504), [1, 2, 4]),
        (failing(529), [1, 2, 4]),
        (failing(408), [2, 4, 8, 16]),
        (ProviderError("the connection broke before an answer came"), [1, 2, 4]),
        (StreamError("the stream broke off before the answer was finished"), [1, 2, 4]),
        (UnreachableError("no connection"), [2, 4, 8, 16, 32]),
    ],
    ids=str,
)
@in_virtual_time
async def test_asks_again_by_the_schedule(error: ProviderError, waits: list[float], whole: bool) -> None:
    driver, retrying = always(error)
    with pytest.raises(type(error)) as raised:
        await ask(retrying, whole=whole)
    assert raised.value is error
    assert driver.times == [sum(waits[:number]) for number in range(len(waits) + 1)]


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        RefusedError("no", status=400),
        RefusedError("no", status=404),
        CredentialsError("no", status=401),
        CredentialsError("no", status=403),
        QuotaError("no", status=429),
        NoAnswerError("no"),
        failing(409),
        ValueError("a bug"),
    ],
    ids=repr,
)
@in_virtual_time
async def test_does_not_ask_again_what_would_fail_again(error: Exception, whole: bool) -> None:
    driver, retrying = always(error)
    with pytest.raises(type(error)):
        await ask(retrying, whole=whole)
    assert driver.times == [0]


@pytest.mark.parametrize(("status", "longest", "retries"), [(429, 40, 6), (503, 60, 8), (500, 8, 6), (408, 30, 6)])
@in_virtual_time
async def test_no_wait_is_longer_than_the_longest(status: int, longest: float, retries: int) -> None:
    driver, retrying = always(failing(status), chance=lambda: 1.0)
    with pytest.raises(ProviderError):
        await ask(retrying, with_settings(retries=retries))
    assert driver.times[-1] - driver.times[-2] == longest


@both_ways
@in_virtual_time
async def test_answers_once_an_attempt_succeeds(whole: bool) -> None:
    driver = Failing(failing(503), failing(500))
    assert await ask(WithRetries(driver, chance=lambda: 0.5), whole=whole) == "<Hello.>"
    assert driver.times == [0, 2, 4]
    assert driver.open == 0


@pytest.mark.parametrize(("chance", "first"), [(0.0, 3.75), (0.5, 5.0), (1.0, 6.25)])
@in_virtual_time
async def test_a_quarter_of_a_wait_is_left_to_chance(chance: float, first: float) -> None:
    driver = Failing(failing(429))
    await ask(WithRetries(driver, chance=lambda: chance))
    assert driver.times == [0, first]


@in_virtual_time
async def test_those_who_failed_together_do_not_come_back_together() -> None:
    drivers = [Failing(failing(503)) for _ in range(50)]
    await asyncio.gather(*(ask(WithRetries(driver)) for driver in drivers))
    seconds = [driver.times[1] for driver in drivers]
    assert len(set(seconds)) > 25
    assert 1.5 <= min(seconds) < max(seconds) <= 2.5


@pytest.mark.parametrize(("chance", "second"), [(0.0, 17.0), (1.0, 17.25)])
@in_virtual_time
async def test_waits_as_long_as_the_provider_says_and_never_less(chance: float, second: float) -> None:
    driver = Failing(ProviderError("no", status=429, retry_after=17))
    await ask(WithRetries(driver, chance=lambda: chance))
    assert driver.times == [0, second]


@in_virtual_time
async def test_raises_at_once_when_the_provider_asks_for_more_time_than_there_is() -> None:
    driver, retrying = always(ProviderError("no", status=503, retry_after=3600))
    with pytest.raises(ProviderError):
        await ask(retrying)
    assert driver.times == [0]


@in_virtual_time
async def test_all_attempts_begin_within_the_budget() -> None:
    driver, retrying = always(ProviderError("no", status=503, retry_after=250), chance=lambda: 0.0)
    with pytest.raises(ProviderError):
        await ask(retrying)
    assert driver.times == [0, 250, 500]


@in_virtual_time
async def test_an_acts_timeout_is_its_budget() -> None:
    driver, retrying = always(failing(503))
    with pytest.raises(ProviderError):
        await ask(retrying, with_settings(timeout=10))
    assert driver.times == [0, 2, 6]


@both_ways
@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (7, 8)])
@in_virtual_time
async def test_retries_says_how_often_at_most(retries: int, attempts: int, whole: bool) -> None:
    driver, retrying = always(failing(500))
    with pytest.raises(ProviderError):
        await ask(retrying, with_settings(retries=retries), whole=whole)
    assert len(driver.times) == attempts


@in_virtual_time
async def test_retries_makes_no_final_error_worth_another_attempt() -> None:
    driver, retrying = always(RefusedError("no", status=404))
    with pytest.raises(RefusedError):
        await ask(retrying, with_settings(retries=5))
    assert driver.times == [0]


@in_virtual_time
async def test_tells_every_retry_before_it_waits() -> None:
    heard: list[tuple[float, Notice]] = []

    async def listener(notice: Notice) -> None:
        heard.append((asyncio.get_running_loop().time(), notice))

    first, second = failing(503), ProviderError("no", status=429, retry_after=9)
    with listening(listener):
        await ask(WithRetries(Failing(first, second), chance=lambda: 0.0))
    assert heard == [
        (0, Retrying(first, 1.5)),
        (1.5, Going()),
        (1.5, Retrying(second, 9)),
        (10.5, Going()),
    ]


class Queueing(Failing):
    """Has each request wait a minute for its turn."""

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        await notify(Waiting("for its turn", 60.0))
        await asyncio.sleep(60)
        await notify(Going())
        async with super().stream(request) as deltas:
            yield deltas


@both_ways
@in_virtual_time
async def test_waiting_for_a_turn_takes_nothing_from_the_time_for_retries(whole: bool) -> None:
    driver = Queueing(*[failing(503)] * 3)
    request = replace(asking(), timeout=30)
    assert await ask(WithRetries(driver, chance=lambda: 0.5), request, whole=whole) == "<Hello.>"
    assert driver.times == [60, 122, 186, 254]


@pytest.mark.parametrize("error", [failing(503), StreamError("broke"), UnreachableError("no")])
@in_virtual_time
async def test_never_asks_again_after_the_first_delta(error: ProviderError) -> None:
    driver = Scripted(lambda prompt: [TextDelta("Once"), error])
    heard: list[Delta] = []
    with pytest.raises(type(error)):
        async with WithRetries(driver).stream(asking()) as deltas:
            async for delta in deltas:
                heard.append(delta)
    assert heard == [TextDelta("Once")]
    assert (len(driver.requests), driver.running) == (1, 0)


@in_virtual_time
async def test_an_error_of_the_reader_is_not_taken_for_the_providers() -> None:
    driver = Failing()
    with pytest.raises(ProviderError):
        async with WithRetries(driver).stream(asking()):
            raise failing(503)
    assert (driver.times, driver.open) == ([0], 0)


@both_ways
@in_virtual_time
async def test_cancelling_while_it_waits_ends_it_at_once(whole: bool) -> None:
    driver, retrying = always(failing(503))
    task = asyncio.create_task(ask(retrying, whole=whole))
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert asyncio.get_running_loop().time() == 3
    await asyncio.sleep(1000)
    assert driver.times == [0, 2]


def test_streams_what_the_driver_inside_streams() -> None:
    assert WithRetries(Failing()).supports_streaming("m")
    assert not WithRetries(Failing()).supports_streaming("silent")
