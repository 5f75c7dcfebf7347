"""What every driver over HTTP makes of cut characters, broken connections, silence and callers who leave."""

import asyncio
import itertools

import pytest

from boticelli_cli.errors import NoAnswerError, ProviderError, SilenceError, StreamError
from boticelli_cli.messages import TextDelta
from tests.clock import in_virtual_time
from tests.drivers.asking import hear, said, settle
from tests.drivers.dialects import INVOKE, PAIRS, Dialect, both_transports, both_ways, every_dialect
from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Drop,
    Huge,
    InStreamError,
    Long,
    Malformed,
    NotJSON,
    OneByteAtATime,
    Script,
    Silence,
    TruncatedClean,
)
from tests.fakes.material import long_text

# Answers


@every_dialect
@both_transports
@in_virtual_time
async def test_entering_returns_at_the_first_delta(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Answer("a b c d", chunks=4, first_delay=7, delay=10), wide=wide) as (_, driver):
        time = asyncio.get_running_loop().time
        async with driver.stream(dialect.asking()) as deltas:
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("a ")
            assert time() == pytest.approx(7)
            assert await anext(deltas) == TextDelta("b ")
            assert time() == pytest.approx(17)


@every_dialect
@both_transports
@in_virtual_time
async def test_a_cut_character_is_put_together(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(OneByteAtATime(), OneByteAtATime(), wide=wide) as (_, driver):
        for whole in (False, True):
            assert (await dialect.ask(driver, whole=whole)).text == "a é 中 🎨 z"


@every_dialect
@both_transports
@in_virtual_time
async def test_takes_a_chunk_of_two_megabytes(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Huge(), Huge(), wide=wide) as (_, driver):
        for whole in (False, True):
            assert (await dialect.ask(driver, whole=whole)).text == "x" * 2_000_000


@every_dialect
@both_transports
@in_virtual_time
async def test_takes_thousands_of_chunks(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Long(3500), wide=wide) as (_, driver):
        response = await dialect.ask(driver)
    assert response.text == long_text(3500)
    assert response.finish.usage.output == 3500


# Streams that break

BREAKS: list[tuple[Behaviour, str, int | None]] = [
    (Drop(after=5), "the stream broke off before its end", None),
    (Drop(after=5, inside=True), "the stream broke off before its end", None),
    (TruncatedClean(after=5), "the stream broke off before the answer was finished", None),
    (Malformed(after=5), "what came cannot be read", None),
]
BREAKS_OF = [(*pair, *each) for pair in PAIRS for each in BREAKS] + [
    (dialect, wide, InStreamError(code, after=5), message, status)
    for dialect, wide in PAIRS
    for code, message, status in dialect.in_stream
]


@pytest.mark.parametrize(("dialect", "wide", "behaviour", "message", "status"), BREAKS_OF, ids=str)
@in_virtual_time
async def test_a_stream_that_breaks_keeps_what_had_come_and_is_not_repeated(
    dialect: Dialect, wide: bool, behaviour: Behaviour, message: str, status: int | None
) -> None:
    async with dialect.talking(behaviour, wide=wide) as (fake, driver):
        deltas, error = await hear(driver, dialect.asking())
    assert said(deltas) == "piece 1 piece 2 piece 3 piece 4 piece 5 "
    assert type(error) is StreamError
    assert message in error.message
    assert "\n" not in error.message
    assert (error.status, error.hint) == (status, "what had come is kept; run it again")
    assert error.provider == dialect.provider
    assert len(fake.requests) == 1


CLOSED = "the connection broke before an answer came: it was closed from the other side"
BROKEN_BEFORE: list[tuple[Behaviour, str]] = [
    (Drop(headers=False), CLOSED),
    (Drop(after=0), CLOSED),
    (Drop(after=0, inside=True), CLOSED),
    (TruncatedClean(after=0), "the stream broke off before the answer was finished"),
    (Malformed(after=0), "what came cannot be read"),
    (NotJSON(status=200), "answers with a web page"),
]
BROKEN_BEFORE_OF = [(*pair, *each) for pair in PAIRS for each in BROKEN_BEFORE] + [
    (dialect, wide, InStreamError(code, after=0), message)
    for dialect, wide in PAIRS
    for code, message, _ in dialect.in_stream[:1]
]


@pytest.mark.parametrize(("dialect", "wide", "behaviour", "message"), BROKEN_BEFORE_OF, ids=str)
@in_virtual_time
async def test_what_breaks_before_the_first_delta_is_raised_on_entering(
    dialect: Dialect, wide: bool, behaviour: Behaviour, message: str
) -> None:
    async with dialect.talking(behaviour, wide=wide) as (_, driver):
        error = await dialect.failure(driver)
        assert (await dialect.ask(driver)).text == "You said: Hello."
    assert type(error) is ProviderError
    assert message in error.message
    assert error.hint
    assert "kept" not in error.hint


@pytest.mark.parametrize(("dialect", "wide"), PAIRS, ids=str)
@in_virtual_time
async def test_a_whole_answer_that_breaks_is_an_error_that_may_be_retried(dialect: Dialect, wide: bool) -> None:
    for behaviour in (Drop(after=2), Drop(headers=False), Malformed(), NotJSON(status=200)):
        async with dialect.talking(behaviour, wide=wide) as (_, driver):
            error = await dialect.failure(driver, whole=True)
        assert type(error) is ProviderError, behaviour
        assert error.hint


# Time


@every_dialect
@both_transports
@both_ways
@in_virtual_time
async def test_no_answer_within_five_minutes_is_an_error_of_its_own(dialect: Dialect, wide: bool, whole: bool) -> None:
    async with dialect.talking(Silence(headers=False), Silence(headers=True), wide=wide) as (fake, driver):
        for number in (1, 2):
            error = await dialect.failure(driver, whole=whole)
            assert asyncio.get_running_loop().time() == pytest.approx(300 * number)
            await settle()
            assert len(fake.gone) == number
            assert isinstance(error, NoAnswerError)
            assert error.message == "no answer came within 300 seconds"
            assert error.hint


@every_dialect
@both_transports
@in_virtual_time
async def test_a_stream_that_falls_silent_ends_as_an_error_of_its_own(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Silence(after=3), wide=wide) as (fake, driver):
        deltas, error = await hear(driver, dialect.asking())
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        await settle()
        assert len(fake.gone) == 1
    assert said(deltas) == "piece 1 piece 2 piece 3 "
    assert isinstance(error, SilenceError)
    assert (error.message, error.hint) == (
        "the stream fell silent for 120 seconds",
        "what had come is kept; run it again",
    )


# Leaving


@every_dialect
@both_transports
@in_virtual_time
async def test_leaving_early_closes_the_connection_at_once(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Answer(chunks=1000, delay=1), wide=wide) as (fake, driver):
        async with driver.stream(dialect.asking()) as deltas:
            await anext(deltas)
        await settle()
        assert (fake.running, len(fake.gone)) == (0, 1)
        assert asyncio.get_running_loop().time() < 1
        assert (await dialect.ask(driver)).text == "You said: Hello."


@every_dialect
@both_transports
@in_virtual_time
async def test_cancelling_at_any_step_leaves_no_connection_and_no_task(dialect: Dialect, wide: bool) -> None:
    answer = Answer("a b c d e f", chunks=6, tool_calls=(("find", {}),))
    async with dialect.talking(wide=wide) as (fake, driver):
        for steps in itertools.count():
            fake.script = Script()
            fake.script.append(answer)
            task = asyncio.create_task(dialect.ask(driver))
            await settle(steps)
            if not task.cancel():
                break
            await asyncio.wait({task})
            await settle(50)
            assert fake.running == 0, f"after {steps} steps"
        assert steps > 10
        fake.script = Script()
        assert (await dialect.ask(driver)).text == "You said: Hello."


@every_dialect
@both_transports
@in_virtual_time
async def test_requests_in_a_row_use_one_connection(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(wide=wide) as (fake, driver):
        for number in range(5):
            model = INVOKE.model if dialect.provider == "bedrock" and number % 2 else dialect.model
            await dialect.ask(driver, dialect.asking(model=model), whole=number % 3 == 0)
        assert fake.connections == 1
