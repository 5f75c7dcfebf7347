"""Limits: what goes out when, what is told while it does not, and that every lease comes back."""

import asyncio
import random
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boticelli_cli.catalog import Limits
from boticelli_cli.drivers.base import Going
from boticelli_cli.errors import ProviderError, QuotaError
from boticelli_cli.messages import Request
from boticelli_cli.routing.day import pacific_day
from boticelli_cli.routing.ledger import Ledger, Slot, Spent
from boticelli_cli.routing.quota import Limited
from tests.clock import run_virtual
from tests.routing.limiting import NOON, Noting, Told, Wall, asking, limited, of_tokens, open_ledger, stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


async def all_of(driver: Limited, *requests: Request) -> None:
    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(stream(driver, request))


def test_lets_a_minutes_requests_go_at_once_and_the_next_a_minute_later_in_order(path: Path) -> None:
    driver = Noting()
    run_virtual(all_of(limited(driver, path, rpm=2), *(asking(str(n)) for n in range(5))))
    assert driver.prompts == ["0", "1", "2", "3", "4"]
    assert driver.times == [0, 0, 60.5, 60.5, 121]


def test_whole_answers_are_held_back_as_streams_are(path: Path) -> None:
    driver = Noting()
    quota = limited(driver, path, rpm=1)

    async def ask() -> None:
        assert (await quota.generate(asking())).text == "<"
        await stream(quota, asking())

    run_virtual(ask())
    assert driver.times == [0, 60.5]


def test_a_process_that_starts_later_waits_for_what_another_has_sent(path: Path) -> None:
    first, second = Noting(), Noting()
    run_virtual(all_of(limited(first, path, rpm=5), *[asking()] * 5))
    run_virtual(all_of(limited(second, path, clock=Wall(NOON + 20), rpm=5), asking()))
    assert second.times == [40.5]


def test_each_model_has_its_own_line(path: Path) -> None:
    driver = Noting()
    run_virtual(all_of(limited(driver, path, rpm=1), asking("1", "a"), asking("2", "b"), asking("3", "a")))
    assert driver.times == [0, 0, 60.5]


def test_holds_back_tokens(path: Path) -> None:
    driver = Noting()
    run_virtual(all_of(limited(driver, path, tpm=100), of_tokens(60), of_tokens(40), of_tokens(10), of_tokens(70)))
    assert driver.times == [0, 0, 60.5, 60.5]


def test_a_request_larger_than_a_minutes_tokens_goes_alone(path: Path) -> None:
    driver = Noting()
    run_virtual(all_of(limited(driver, path, tpm=100), of_tokens(20), of_tokens(900), of_tokens(20)))
    assert driver.times == [0, 60.5, 121]


def test_a_large_request_is_not_overtaken_by_small_ones(path: Path) -> None:
    driver = Noting()
    run_virtual(all_of(limited(driver, path, tpm=100), of_tokens(60, "a"), of_tokens(80, "b"), of_tokens(10, "c")))
    assert [prompt[0] for prompt in driver.prompts] == ["a", "b", "c"]


def test_estimates_are_corrected_by_what_was_really_used(path: Path) -> None:
    driver = Noting(seconds=2.0, used=10)
    run_virtual(all_of(limited(driver, path, tpm=100), of_tokens(90), of_tokens(90)))
    assert driver.times == [0, 2]


def test_a_correction_upwards_holds_the_next_back(path: Path) -> None:
    driver = Noting(used=95)
    quota = limited(driver, path, tpm=100)

    async def ask() -> None:
        await stream(quota, of_tokens(10))
        await stream(quota, of_tokens(10))

    run_virtual(ask())
    assert driver.times == [0, 60.5]


def test_a_stream_that_breaks_keeps_its_estimate_and_counts_as_a_request(path: Path) -> None:
    driver = Noting(used=1, fail=lambda prompt: ProviderError("broken") if prompt.startswith("later") else None)
    clock = Wall()
    ledger = open_ledger(path, clock=clock)

    async def ask() -> None:
        with pytest.raises(ProviderError, match="broken"):
            await stream(limited(driver, ledger, rpm=5, tpm=100), of_tokens(30))
        used = ledger.usage("main", "m", clock())
        assert (used.requests, used.tokens, used.today) == (1, 30, 1)

    run_virtual(ask())


def test_no_more_are_under_way_than_may_be_and_they_go_in_order(path: Path) -> None:
    driver = Noting(seconds=1.0)
    quota = limited(driver, path, max_concurrent=2)
    run_virtual(all_of(quota, *(asking(str(n)) for n in range(7))))
    assert driver.most_running == 2
    assert driver.prompts == list("0123456")
    assert driver.times == [0, 0, 1, 1, 2, 2, 3]
    assert quota.under_way("m") == 0


def test_a_consumer_who_leaves_early_gives_its_lease_back(path: Path) -> None:
    driver = Noting(seconds=10.0)
    quota = limited(driver, path, max_concurrent=1)

    async def leave() -> None:
        async with quota.stream(asking()) as deltas:
            await anext(deltas)
            assert quota.under_way("m") == 1
        assert quota.under_way("m") == 0
        await stream(quota, asking())

    run_virtual(leave())
    assert driver.times == [0, 5]


@pytest.mark.parametrize("when", ["", "later "])
def test_a_request_that_fails_gives_its_lease_back(path: Path, when: str) -> None:
    driver = Noting(seconds=1.0, fail=lambda prompt: ProviderError("no") if prompt == f"{when}bad" else None)
    quota = limited(driver, path, max_concurrent=1)

    async def ask() -> None:
        for ask_once in (lambda: stream(quota, asking("bad")), lambda: quota.generate(asking("bad"))):
            with pytest.raises(ProviderError, match="no"):
                await ask_once()
            assert quota.under_way("m") == 0

    run_virtual(ask())


def test_a_waiting_request_that_is_cancelled_leaves_its_place_to_the_next(path: Path) -> None:
    driver = Noting()
    quota = limited(driver, path, rpm=1)

    async def ask() -> None:
        await stream(quota, asking("first"))
        given_up = asyncio.create_task(stream(quota, asking("given up")))
        await asyncio.sleep(1)
        patient = asyncio.create_task(stream(quota, asking("patient")))
        await asyncio.sleep(1)
        given_up.cancel()
        await patient

    run_virtual(ask())
    assert driver.prompts == ["first", "patient"]
    assert driver.times == [0, 60.5]


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_cancelled_at_random_moments_leave_every_lease_free(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    driver = Noting(seconds=3.0)
    ledger = open_ledger(path, clock=Wall())
    quota = limited(driver, ledger, rpm=300, tpm=50_000, max_concurrent=20)

    async def one() -> None:
        await asyncio.sleep(chance.uniform(0, 100))
        await (stream(quota, asking()) if chance.random() < 0.5 else quota.generate(asking()))

    async def ask() -> None:
        tasks = [asyncio.create_task(one()) for _ in range(1_000)]
        for task in sorted(tasks, key=lambda _: chance.random()):
            await asyncio.sleep(chance.choice([0, 0, 0.0001, 0.2]))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert quota.under_way("m") == 0
        assert driver.running == 0
        assert driver.sent
        assert quota._lines == {}
        assert all(sent.at <= ledger.now() for sent in ledger.recent("main", "m"))
        await asyncio.sleep(61)
        await asyncio.wait_for(stream(quota, asking()), 4)

    run_virtual(ask())


def test_a_spent_day_ends_the_wait_at_once_and_says_when_it_comes_back(path: Path) -> None:
    driver = Noting()
    quota = limited(driver, path, clock=Wall(datetime(2026, 11, 21, 2, 48, tzinfo=UTC).timestamp()), rpd=2, rpm=50)

    async def ask() -> None:
        await all_of(quota, asking(), asking())
        with pytest.raises(QuotaError) as caught:
            await stream(quota, asking())
        assert asyncio.get_running_loop().time() == 0
        assert caught.value.message == (
            "the day's 2 requests to m on account 'main' are spent; they come back at 08:00 UTC (in 5 h 12 min)"
        )
        assert caught.value.resets_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
        assert caught.value.hint

    run_virtual(ask())
    assert len(driver.sent) == 2


def test_a_day_is_spent_for_later_processes_too_until_it_is_over(path: Path) -> None:
    def ask(at: float) -> None:
        run_virtual(all_of(limited(Noting(), path, clock=Wall(at), rpd=1), asking()))

    ask(NOON)
    with pytest.raises(ExceptionGroup) as caught:
        ask(NOON + 11.9 * 3600)
    assert caught.group_contains(QuotaError)
    ask(NOON + 12 * 3600)


def test_a_spent_day_is_not_waited_for_behind_others(path: Path) -> None:
    """With all leases taken, and the day's last request under way, there is nothing to wait for."""
    driver = Noting(seconds=100.0)
    quota = limited(driver, path, rpd=1, max_concurrent=1)

    async def ask() -> None:
        running = asyncio.create_task(stream(quota, asking()))
        await asyncio.sleep(1)
        with pytest.raises(QuotaError):
            await stream(quota, asking())
        assert asyncio.get_running_loop().time() == 1
        await running

    run_virtual(ask())


def test_spent_credit_is_not_taken_for_a_spent_day(path: Path) -> None:
    spent = QuotaError("the account's credit is spent", provider="openai", status=402)
    driver = Noting(fail=lambda prompt: spent if prompt == "a" else None)

    async def ask() -> None:
        quota = limited(driver, path, rpd=9, spends_days=False)
        for asked in (stream(quota, asking("a")), quota.generate(asking("a"))):
            with pytest.raises(QuotaError) as caught:
                await asked
            assert caught.value is spent
        await stream(quota, asking("b"))

    run_virtual(ask())
    assert driver.prompts == ["a", "a", "b"]


def test_what_the_provider_says_of_the_day_is_remembered(path: Path) -> None:
    driver = Noting(fail=lambda prompt: QuotaError("quota exceeded", provider="gemini", status=429))

    async def ask() -> None:
        with pytest.raises(QuotaError) as caught:
            await stream(limited(driver, path, rpm=5), asking())
        assert caught.value.message == "quota exceeded; requests come back at 08:00 UTC (in 12 h 0 min)"
        assert caught.value.resets_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
        assert (caught.value.provider, caught.value.status) == ("gemini", 429)
        with pytest.raises(QuotaError, match=r"the provider says that the day's requests to m .* come back at 08:00"):
            await stream(limited(driver, path, rpm=5), asking())

    run_virtual(ask())
    assert len(driver.sent) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_a_day_that_is_found_spent_ends_the_waits_of_others(path: Path, whole: bool) -> None:
    driver = Noting(seconds=8.0, fail=lambda prompt: QuotaError("spent") if prompt.startswith("later") else None)
    quota = limited(driver, path, rpm=1)

    async def ask() -> None:
        tasks = [asyncio.create_task(quota.generate(asking()) if whole else stream(quota, asking())) for _ in range(4)]
        assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [QuotaError] * 4
        assert asyncio.get_running_loop().time() == pytest.approx(8)

    run_virtual(ask())
    assert len(driver.sent) == 1


def test_a_reset_that_the_provider_names_is_kept(path: Path) -> None:
    named = datetime(2026, 11, 20, 21, tzinfo=UTC)
    driver = Noting(fail=lambda prompt: QuotaError("spent until 21:00", resets_at=named) if prompt == "a" else None)
    quota = limited(driver, path, rpd=5)

    async def ask() -> None:
        with pytest.raises(QuotaError, match=r"^spent until 21:00$") as caught:
            await stream(quota, asking("a"))
        assert caught.value.resets_at == named
        with pytest.raises(QuotaError):
            await stream(quota, asking("b"))
        await asyncio.sleep(3600)
        await stream(quota, asking("b"))

    run_virtual(ask())


@pytest.mark.parametrize("none", ["rpm", "tpm", "rpd", "max_concurrent"])
def test_an_account_that_has_none_of_a_model_is_told_so(path: Path, none: str) -> None:
    async def ask() -> None:
        with pytest.raises(QuotaError, match="account 'main' has none of m: its limit is 0") as caught:
            await stream(limited(Noting(), path, **{none: 0}), asking())
        assert caught.value.resets_at is None

    run_virtual(ask())
    assert not path.exists()


def test_without_limits_nothing_is_written_and_the_driver_is_asked_itself(path: Path) -> None:
    driver = Noting()
    quota = limited(driver, path)
    run_virtual(all_of(quota, *[asking()] * 50))
    assert driver.times == [0] * 50
    assert not path.parent.exists()


def test_says_whether_the_driver_streams(path: Path) -> None:
    assert limited(Noting(), path).supports_streaming("m")
    assert not limited(Noting(), path).supports_streaming("silent")


def test_a_wait_is_told_once_with_its_seconds(path: Path) -> None:
    quota = limited(Noting(), path, rpm=5)
    told = [Told() for _ in range(12)]

    async def ask() -> None:
        async with asyncio.TaskGroup() as group:
            for each in told:
                group.create_task(each.hear(quota, asking()))

    run_virtual(ask())
    assert [each.waits for each in told] == (
        [[]] * 5 + [[("for the minute's 5 requests to m", 60)]] * 5 + [[("for the minute's 5 requests to m", 121)]] * 2
    )


def test_a_wait_for_tokens_says_so_and_is_told_again_when_it_shortens(path: Path) -> None:
    quota = limited(Noting(seconds=20.0, used=40), path, tpm=1000)
    told = Told()

    async def ask() -> None:
        first = asyncio.create_task(stream(quota, of_tokens(900)))
        second = asyncio.create_task(stream(quota, of_tokens(100)))
        await asyncio.sleep(1)
        await told.hear(quota, of_tokens(950))
        await asyncio.gather(first, second)

    run_virtual(ask())
    assert told.waits[0] == ("for the minute's 1,000 input tokens to m", 60)
    assert len(told.waits) <= 2


def test_a_wait_for_a_lease_is_told_with_what_is_known_of_it(path: Path) -> None:
    quota = limited(Noting(seconds=10.0), path, max_concurrent=1)
    told = [Told() for _ in range(3)]

    async def ask() -> None:
        async with asyncio.TaskGroup() as group:
            for each in told:
                group.create_task(each.hear(quota, asking()))

    run_virtual(ask())
    reason = "for the request under way to end"
    assert [each.waits for each in told] == [[], [(reason, 0)], [(reason, 0), (reason, 10)]]


def test_it_is_told_when_a_wait_is_over_and_only_then(path: Path) -> None:
    quota = limited(Noting(seconds=10.0), path, max_concurrent=1)
    told = [Told() for _ in range(2)]

    async def ask() -> None:
        async with asyncio.TaskGroup() as group:
            for each in told:
                group.create_task(each.hear(quota, asking()))

    run_virtual(ask())
    assert told[0].notices == []
    assert told[1].notices[-1] == (10, Going())


def test_waits_too_short_to_notice_are_not_told(path: Path) -> None:
    quota = limited(Noting(seconds=0.04), path, max_concurrent=1)
    told = Told()

    async def ask() -> None:
        first = asyncio.create_task(stream(quota, asking()))
        await asyncio.sleep(0)
        await told.hear(quota, asking())
        await first

    run_virtual(ask())
    assert told.notices == []


def test_a_listener_that_fails_leaves_no_place_reserved(path: Path) -> None:
    clock = Wall()
    ledger = open_ledger(path, clock=clock)
    quota = limited(Noting(), ledger, rpm=1)

    class Broken(Told):
        async def __call__(self, notice: object) -> None:
            raise RuntimeError("nobody listens")

    async def ask() -> None:
        await stream(quota, asking())
        with pytest.raises(RuntimeError, match="nobody listens"):
            await Broken().hear(quota, asking())
        assert len(ledger.recent("main", "m")) == 1
        assert quota._lines == {}

    run_virtual(ask())


@pytest.mark.parametrize("jump", [-10 * 365 * 86_400.0, -3600.0, -30.0])
def test_a_clock_that_is_set_back_makes_nobody_wait_for_more_than_a_minute(path: Path, jump: float) -> None:
    driver, clock = Noting(), Wall()
    quota = limited(driver, path, clock=clock, rpm=1, rpd=100)

    async def ask() -> None:
        await stream(quota, asking())
        clock.offset += jump
        await stream(quota, asking())
        waiting = asyncio.create_task(stream(quota, asking()))
        await asyncio.sleep(10)
        clock.offset += jump
        await waiting

    run_virtual(ask())
    assert 60 <= driver.times[1] <= 61
    assert driver.times[2] - driver.times[1] <= 61 + 16


def test_a_clock_that_visits_the_next_day_loses_no_count_of_this_one(path: Path) -> None:
    clock = Wall()
    quota = limited(Noting(), path, clock=clock, rpd=1)

    async def ask() -> None:
        await stream(quota, asking())
        clock.offset += 86_400
        await stream(quota, asking())
        clock.offset -= 86_400
        with pytest.raises(QuotaError) as caught:
            await stream(quota, asking())
        assert caught.value.resets_at == datetime(2026, 11, 21, 8, tzinfo=UTC)

    run_virtual(ask())


def test_a_machine_that_slept_through_its_turn_is_checked_again(path: Path) -> None:
    """Its clock jumps on while it waits; by then others have filled the minute."""
    clock, driver = Wall(), Noting()
    ledger = open_ledger(path, clock=clock)
    quota = limited(driver, ledger, rpm=1)

    async def ask() -> None:
        await stream(quota, asking("first"))
        sleeper = asyncio.create_task(stream(quota, asking("sleeper")))
        await asyncio.sleep(1)
        clock.offset += 300
        ledger.claim("main", "m", Limits(rpm=1), 5, pacific_day)
        await sleeper

    run_virtual(ask())
    assert driver.times == [0, 61.5]


arrivals = st.lists(
    st.tuples(st.floats(0, 200), st.integers(5, 130), st.integers(0, 2), st.integers(0, 100)), min_size=1, max_size=25
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals=arrivals, rpm=st.integers(1, 4) | st.none(), tpm=st.integers(50, 120) | st.none(), restart=st.booleans()
)
def test_no_rolling_minute_holds_more_than_it_may(
    tmp_path_factory: pytest.TempPathFactory,
    arrivals: list[tuple[float, int, int, int]],
    rpm: int | None,
    tpm: int | None,
    restart: bool,
) -> None:
    """Three processes share a ledger; each request arrives at a time, has a size, and uses a part of it.

    Real usage stays below the estimate here: what is above it is known only once it has gone out.
    """
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    clock = Wall()
    driver = Noting()
    went: list[tuple[float, int]] = []

    async def one(quotas: list[Limited], at: float, tokens: int, process: int, patience: int) -> None:
        await asyncio.sleep(at)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience if patience < 30 else None):
                async with quotas[process].stream(of_tokens(tokens)) as deltas:
                    went.append((clock(), tokens))
                    async for _ in deltas:
                        pass

    async def life(share: list[tuple[float, int, int, int]]) -> None:
        ledgers = [open_ledger(path, clock=clock) for _ in range(3)]
        quotas = [limited(driver, ledger, rpm=rpm, tpm=tpm) for ledger in ledgers]
        async with asyncio.TaskGroup() as group:
            for arrival in share:
                group.create_task(one(quotas, *arrival))
        clock.offset = clock()

    half = len(arrivals) // 2 if restart else len(arrivals)
    for share in (arrivals[:half], arrivals[half:]):
        run_virtual(life(share))
    went.sort()
    for start, _ in went:
        within = [tokens for at, tokens in went if start <= at <= start + 60]
        assert rpm is None or len(within) <= rpm
        assert tpm is None or sum(within) <= tpm or len(within) == 1
    impatient = sum(1 for arrival in arrivals if arrival[3] < 30)
    assert len(went) >= len(arrivals) - impatient


def test_messages_name_times_in_the_machines_own_zone_when_none_is_given(path: Path) -> None:
    quota = Limited(
        Noting(),
        account="main",
        limits_of=lambda model: Limits(rpd=1),
        ledger=open_ledger(path, clock=Wall()),
        reset=pacific_day,
    )

    async def ask() -> None:
        await stream(quota, asking())
        with pytest.raises(QuotaError) as caught:
            await stream(quota, asking())
        assert re.search(r"at \d\d:\d\d \S+ \(in 12 h 0 min\)$", caught.value.message)

    run_virtual(ask())


class Counting(Ledger):
    """Counts how often it is asked for a place."""

    claims = 0

    def claim(self, *arguments: Any, **options: Any) -> Slot | Spent:
        self.claims += 1
        return super().claim(*arguments, **options)


def test_only_the_first_in_line_asks_the_ledger(path: Path) -> None:
    """A hundred requests, five a minute: once each, once more when its time has come, and every five seconds."""
    driver = Noting()
    ledger = Counting(path, clock=Wall())
    run_virtual(all_of(limited(driver, ledger, rpm=5), *[asking()] * 100))
    ledger.close()
    assert driver.times[-1] == pytest.approx(19 * 60.5, abs=1)
    assert ledger.claims <= 2 * 100 + 19 * 60.5 / 5


def test_processes_take_turns(path: Path) -> None:
    """Each has many waiting; none of them is left behind."""
    drivers = [Noting() for _ in range(4)]
    clock = Wall()

    async def ask() -> None:
        async with asyncio.TaskGroup() as group:
            for driver in drivers:
                group.create_task(all_of(limited(driver, path, clock=clock, rpm=2), *[asking()] * 5))

    run_virtual(ask())
    for driver in drivers:
        assert all(later - at <= 122 for at, later in pairwise(driver.times))
    assert max(driver.times[-1] for driver in drivers) == pytest.approx(9 * 60.5, abs=1)


@pytest.mark.slow
def test_ten_thousand_wait_without_weighing_on_anybody(path: Path) -> None:
    driver = Noting()
    began = time.process_time()
    run_virtual(all_of(limited(driver, path, rpm=1_000), *[asking()] * 10_000))
    assert driver.times[-1] == pytest.approx(9 * 60.5, abs=1)
    assert time.process_time() - began < 60
