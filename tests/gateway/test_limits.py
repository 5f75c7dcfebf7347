"""Limits of the gateway's keys, in one process."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import ProviderError, QuotaError
from boticelli_cli.gateway.base import Gatekeeper
from boticelli_cli.gateway.limits import LocalGatekeeper, Spent, Standing
from boticelli_cli.grants import Grant
from boticelli_cli.wire import anthropic_errors, gemini_errors, openai_errors
from tests.clock import in_virtual_time, run_virtual

CI = Grant("ci", "0" * 64)
EVENING = datetime(2026, 11, 20, 18, 48, tzinfo=UTC).timestamp()


def monotonic() -> float:
    return asyncio.get_running_loop().time()


def wall() -> float:
    return EVENING + monotonic()


def keeper(spent: Spent | None = None) -> LocalGatekeeper:
    made = LocalGatekeeper(spent, clock=wall, monotonic=monotonic)
    fulfils: Gatekeeper = made
    assert fulfils is made
    return made


async def ask(
    keys: LocalGatekeeper, grant: Grant, tokens: int = 0, *, used: int | None = None, cost: float | None = None
) -> None:
    async with keys.admitted(grant, "id", tokens) as admission:
        if used is not None or cost is not None:
            admission.spend(tokens if used is None else used, cost)


async def refused(keys: LocalGatekeeper, grant: Grant, tokens: int = 0) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(keys, grant, tokens)
    assert (caught.value.status, caught.value.provider) == (429, None)
    return caught.value


@in_virtual_time
async def test_a_key_without_limits_lets_in_everything() -> None:
    keys = keeper()
    for _ in range(1000):
        await ask(keys, CI, 1_000_000, used=2_000_000, cost=100.0)
    assert keys.standing("ci") == Standing()


@in_virtual_time
async def test_the_minutes_requests_are_counted_in_a_rolling_minute() -> None:
    keys, grant = keeper(), replace(CI, rpm=2)
    await ask(keys, grant)
    await asyncio.sleep(48)
    await ask(keys, grant)
    error = await refused(keys, grant)
    assert error.message == "key 'ci' may make 2 requests a minute; the next in 12 s"
    assert error.retry_after == 12
    assert not isinstance(error, QuotaError)
    await asyncio.sleep(12)
    await ask(keys, grant)
    assert (await refused(keys, grant)).retry_after == 48


@in_virtual_time
async def test_each_key_has_limits_of_its_own() -> None:
    keys, grant = keeper(), replace(CI, rpm=1)
    await ask(keys, grant)
    await ask(keys, replace(grant, name="me"))
    await refused(keys, grant)


@in_virtual_time
async def test_the_minutes_tokens_are_reserved_and_corrected_by_what_was_used() -> None:
    keys, grant = keeper(), replace(CI, tpm=1000)
    await ask(keys, grant, 400, used=700)
    await asyncio.sleep(10)
    await ask(keys, grant, 300)
    error = await refused(keys, grant, 1)
    assert error.message == "key 'ci' may use 1,000 tokens a minute; there is room for this in 50 s"
    assert error.retry_after == 50
    assert (await refused(keys, grant, 701)).retry_after == 60
    await asyncio.sleep(50)
    await ask(keys, grant, 700)


@in_virtual_time
async def test_tokens_that_were_expected_and_not_used_are_given_back() -> None:
    keys, grant = keeper(), replace(CI, tpm=1000)
    await ask(keys, grant, 1000, used=10)
    assert keys.standing("ci") == Standing(requests=1, tokens=10)
    await ask(keys, grant, 990)


@in_virtual_time
async def test_what_was_used_by_a_request_that_has_left_the_minute_counts_no_more() -> None:
    keys, grant = keeper(), replace(CI, tpm=1000)
    async with keys.admitted(grant, "long", 10) as admission:
        await asyncio.sleep(61)
        await ask(keys, grant, 900)
        admission.spend(100_000, None)
        assert keys.standing("ci").tokens == 900
        await ask(keys, grant, 100)


@in_virtual_time
async def test_a_request_larger_than_the_minutes_tokens_goes_alone() -> None:
    keys, grant = keeper(), replace(CI, tpm=1000)
    await ask(keys, grant, 1)
    assert (await refused(keys, grant, 5000)).retry_after == 60
    await asyncio.sleep(60)
    await ask(keys, grant, 7, used=0)
    await ask(keys, grant, 5000)
    assert (await refused(keys, grant, 1)).retry_after == 60


@in_virtual_time
async def test_no_more_requests_are_under_way_than_may_be() -> None:
    keys, grant = keeper(), replace(CI, max_concurrent=1)
    async with keys.admitted(grant, "id", 0):
        error = await refused(keys, grant)
        assert error.message == "key 'ci' may have 1 request under way at once, and has; try again when one has ended"
        assert error.retry_after == 1
        assert keys.under_way("ci") == keys.standing("ci").under_way == 1
    await ask(keys, grant)


@in_virtual_time
async def test_a_refused_request_counts_for_nothing() -> None:
    keys, grant = keeper(), replace(CI, rpm=2, tpm=10, max_concurrent=1)
    async with keys.admitted(grant, "id", 5):
        await refused(keys, grant, 5)
    await refused(keys, grant, 6)
    assert keys.standing("ci") == Standing(0, 1, 5)
    await ask(keys, grant, 5)


@in_virtual_time
async def test_a_failed_request_gives_its_place_back() -> None:
    keys, grant = keeper(), replace(CI, max_concurrent=1)
    with suppress(OSError):
        async with keys.admitted(grant, "id", 0):
            raise OSError
    assert keys.standing("ci").under_way == 0


class Books:
    """What was spent before, and how often somebody asked."""

    def __init__(self, today: float, total: float) -> None:
        self.today = today
        self.total = total
        self.asked: list[tuple[str, float]] = []

    async def __call__(self, name: str, since: float) -> float:
        self.asked.append((name, since))
        await asyncio.sleep(0.01)
        return self.today if since else self.total


@in_virtual_time
async def test_the_days_costs_are_spent_until_midnight_in_utc() -> None:
    books = Books(1.5, 40.0)
    keys, grant = keeper(books), replace(CI, usd_per_day=2)
    await ask(keys, grant, cost=0.25)
    await ask(keys, grant, cost=0.25)
    error = await refused(keys, grant)
    assert isinstance(error, QuotaError)
    assert error.message == ("key 'ci' may spend 2 USD a day, and has; it may again at 00:00 UTC (in 5 h 12 min)")
    assert error.resets_at == datetime(2026, 11, 21, tzinfo=UTC)
    assert error.retry_after == pytest.approx(5.2 * 3600, abs=1)
    await asyncio.sleep(5.2 * 3600)
    await ask(keys, grant, cost=2)
    assert (await refused(keys, grant)).retry_after == pytest.approx(24 * 3600, abs=1)
    assert books.asked == [("ci", datetime(2026, 11, 20, tzinfo=UTC).timestamp()), ("ci", 0)]


@in_virtual_time
async def test_costs_in_all_are_spent_for_good() -> None:
    keys, grant = keeper(Books(0, 9.5)), replace(CI, usd_total=10)
    await ask(keys, grant, cost=0.5)
    await asyncio.sleep(48 * 3600)
    error = await refused(keys, grant)
    assert isinstance(error, QuotaError)
    assert error.message == "key 'ci' may spend 10 USD in all, and has; it needs a higher limit"
    assert (error.resets_at, error.retry_after) == (None, None)


@in_virtual_time
async def test_many_requests_at_once_ask_the_books_once() -> None:
    books = Books(0, 0)
    keys, grant = keeper(books), replace(CI, usd_per_day=1, usd_total=10)
    await asyncio.gather(*(ask(keys, grant, cost=0.01) for _ in range(20)))
    assert len(books.asked) == 2
    assert keys.standing("ci").usd_today == pytest.approx(0.2)


@in_virtual_time
async def test_who_leaves_while_the_books_are_asked_holds_nothing() -> None:
    keys, grant = keeper(Books(0, 0)), replace(CI, usd_per_day=1, rpm=1, max_concurrent=1)
    asking = [asyncio.ensure_future(ask(keys, grant)) for _ in range(2)]
    await asyncio.sleep(0)
    for each in asking:
        each.cancel()
    assert await asyncio.gather(*asking, return_exceptions=True) != [None, None]
    await ask(keys, grant)


@in_virtual_time
async def test_books_that_cannot_be_read_are_asked_again_by_the_next() -> None:
    failures = [BlockingIOError()]

    async def spent(name: str, since: float) -> float:
        if failures:
            raise failures.pop()
        return 0.0

    keys, grant = keeper(spent), replace(CI, usd_per_day=1, max_concurrent=1)
    with pytest.raises(BlockingIOError):
        await ask(keys, grant)
    await ask(keys, grant)


@in_virtual_time
async def test_the_last_word_about_a_requests_costs_counts() -> None:
    keys, grant = keeper(Books(0, 0)), replace(CI, usd_per_day=1)
    async with keys.admitted(grant, "id", 0) as admission:
        admission.spend(1, 0.9)
        admission.spend(1, 0.2)
        admission.spend(1, 0.2)
    assert keys.standing("ci").usd_today == pytest.approx(0.2)


def test_every_dialect_tells_a_spent_limit_with_status_429() -> None:
    async def errors() -> list[ProviderError]:
        keys = keeper(Books(5, 5))
        return [
            await refused(keys, replace(CI, usd_per_day=1)),
            await refused(keys, replace(CI, usd_total=1)),
            await refused(keys, replace(CI, rpm=0)),
        ]

    for error in run_virtual(errors()):
        for encode in (anthropic_errors.encode_error, openai_errors.encode_error, gemini_errors.encode_error):
            status, body = encode(error)
            assert status == 429
            assert error.message in str(json.loads(body))
    kinds = [json.loads(anthropic_errors.encode_error(each)[1])["error"]["type"] for each in run_virtual(errors())]
    assert kinds == ["rate_limit_error"] * 3


@settings(max_examples=60, deadline=None)
@given(
    rpm=st.integers(1, 4),
    tpm=st.integers(1, 50),
    most=st.integers(1, 3),
    asked=st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 90), st.integers(0, 60), st.integers(0, 60), st.booleans()),
        max_size=40,
    ),
)
def test_no_limit_is_ever_passed_and_no_place_is_ever_lost(
    rpm: int, tpm: int, most: int, asked: list[tuple[float, float, int, int, bool]]
) -> None:
    let_in: list[list[float]] = []  # when, and the tokens used, or else reserved
    running = [0, 0]

    async def one(keys: LocalGatekeeper, lasts: float, tokens: int, used: int) -> None:
        with suppress(ProviderError):
            async with keys.admitted(replace(CI, rpm=rpm, tpm=tpm, max_concurrent=most), "id", tokens) as admission:
                let_in.append(taken := [monotonic(), tokens])
                running[0] += 1
                running[1] = max(running)
                try:
                    await asyncio.sleep(lasts)
                    taken[1] = min(used, tokens)
                    admission.spend(min(used, tokens), None)
                finally:
                    running[0] -= 1

    async def run() -> Standing:
        keys = keeper()
        async with asyncio.TaskGroup() as group:
            for pause, lasts, tokens, used, leaves in asked:
                task = group.create_task(one(keys, lasts, tokens, used))
                await asyncio.sleep(pause)
                if leaves:
                    task.cancel()
        await asyncio.sleep(60)
        return keys.standing("ci")

    assert run_virtual(run()) == Standing()
    assert running[1] <= most
    for at, _ in let_in:
        minute = [used for other, used in let_in if at <= other < at + 60]
        assert len(minute) <= rpm
        assert sum(minute) <= max(tpm, *minute, 0)
