"""Leases: how many requests an account has under way, who waits for one, and that every one comes back."""

import asyncio
import itertools
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.catalog import Limits
from boticelli_cli.drivers.base import Going, Routed, Waiting, listening
from boticelli_cli.errors import ProviderError, QuotaError
from boticelli_cli.messages import Request, Response
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.day import pacific_day
from boticelli_cli.routing.quota import Limited
from boticelli_cli.routing.retries import WithRetries
from boticelli_cli.routing.roster import Roster
from tests.clock import in_virtual_time, run_virtual
from tests.routing.limiting import Noting, Told, Wall, of_tokens, open_ledger
from tests.routing.pooling import Key, all_of, ask, at_most, failing, pool, saying

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


@both_ways
@in_virtual_time
async def test_no_more_are_under_way_than_may_be_and_they_go_in_order(whole: bool) -> None:
    keys, roster = [Key(seconds=1.0), Key(seconds=1.0)], Roster()
    accounts = pool(*keys, roster=roster, each=at_most(2))
    order: list[str] = []

    async def one(prompt: str) -> None:
        await ask(accounts, saying(prompt), whole=whole)
        order.append(prompt)

    await asyncio.gather(*(one(str(number)) for number in range(9)))
    assert [key.most_running for key in keys] == [2, 2]
    assert sorted(at for key in keys for at in key.times) == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert order == list("012345678")
    assert roster.running == 0


@in_virtual_time
async def test_requests_at_once_are_an_accounts_over_all_models_and_ways_of_calling() -> None:
    driver, roster = Noting(seconds=10.0), Roster()
    pools = [pool(driver, roster=roster, each=at_most(2)) for _ in range(2)]
    await asyncio.gather(*(ask(pools[number % 2], saying(model=f"model-{number}")) for number in range(8)))
    assert driver.most_running == 2
    assert driver.times == [0, 0, 10, 10, 20, 20, 30, 30]
    assert roster.running == 0


@in_virtual_time
async def test_a_consumer_who_leaves_early_gives_its_lease_back() -> None:
    driver, roster = Noting(seconds=10.0), Roster()
    accounts = pool(driver, roster=roster, each=at_most(1))
    async with accounts.stream(saying()) as deltas:
        await anext(deltas)
        assert roster.running == 1
    assert roster.running == 0
    await ask(accounts)
    assert driver.times == [0, 5]


@in_virtual_time
async def test_a_listener_that_fails_leaves_no_lease_behind() -> None:
    roster = Roster()
    accounts = pool(Key(seconds=1.0), roster=roster, each=at_most(1))

    async def broken(notice: object) -> None:
        raise RuntimeError("nobody listens")

    running = asyncio.create_task(ask(accounts))
    await asyncio.sleep(0)
    with listening(broken), pytest.raises(RuntimeError, match="nobody listens"):
        await ask(accounts)
    await running
    with listening(broken), pytest.raises(RuntimeError, match="nobody listens"):
        await ask(accounts)
    assert (roster.running, roster.has_line) == (0, False)


@in_virtual_time
async def test_one_who_is_cancelled_while_it_waits_leaves_its_place_to_the_next() -> None:
    driver, roster = Noting(seconds=10.0), Roster()
    accounts = pool(driver, roster=roster, each=at_most(1))
    tasks = [asyncio.create_task(ask(accounts, saying(str(number)))) for number in range(3)]
    await asyncio.sleep(1)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert driver.prompts == ["0", "2"]
    assert driver.times == [0, 10]
    assert (roster.running, roster.has_line) == (0, False)


@in_virtual_time
async def test_one_who_is_cancelled_just_as_it_is_served_passes_its_lease_on() -> None:
    driver, roster = Noting(seconds=10.0), Roster()
    accounts = pool(driver, roster=roster, each=at_most(1))
    async with accounts.stream(saying("0")):
        second, third = (asyncio.create_task(ask(accounts, saying(str(number)))) for number in (1, 2))
        await asyncio.sleep(1)
    assert roster.running == 1
    second.cancel()
    await asyncio.wait([second, third])
    assert second.cancelled()
    assert driver.prompts == ["0", "2"]
    assert roster.running == 0


@in_virtual_time
async def test_a_wait_for_any_account_is_told_with_what_is_known_of_it() -> None:
    accounts = pool(Key(seconds=10.0), Key(seconds=10.0), each=at_most(1))
    told = [Told() for _ in range(4)]
    await asyncio.gather(*(each.hear(accounts, saying()) for each in told))  # type: ignore[arg-type]
    reason = "for one of 2 requests under way to end"
    assert [each.waits for each in told[:3]] == [[], [], [(reason, 0)]]
    assert told[3].waits[0] == (reason, 0)
    assert told[2].notices[-2][1] == Going()
    assert isinstance(told[2].notices[-1][1], Routed)


@in_virtual_time
async def test_with_all_at_rest_and_full_the_first_that_ends_is_taken() -> None:
    keys, roster = [Key(failing(500)), Key(failing(500))], Roster()
    accounts = pool(*keys, roster=roster, each=at_most(1))
    with pytest.raises(ProviderError):
        await ask(accounts)
    for key in keys:
        key.seconds = 40.0
        key.errors.append(failing(500))
    first = [asyncio.create_task(ask(accounts)) for _ in range(4)]
    await asyncio.wait(first)
    assert [key.most_running for key in keys] == [1, 1]
    assert sorted(at for key in keys for at in key.times) == [0, 0, 0, 0, 20, 20]
    assert (roster.running, roster.has_line) == (0, False)


@in_virtual_time
async def test_one_may_go_before_those_who_wait_for_what_it_does_not_need() -> None:
    keys = [Key(failing(429, retry_after=500)), Key(seconds=100.0)]
    accounts = pool(*keys, each=at_most(1))
    running = asyncio.create_task(ask(accounts))
    await asyncio.sleep(1)
    waiting = asyncio.create_task(ask(accounts))
    await asyncio.sleep(1)
    await ask(accounts, saying("other", model="n"))
    await asyncio.wait([running, waiting])
    assert keys[0].sent[1:] == [(2, "other")]
    assert keys[1].times == [0, 100]


@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_cancelled_at_random_moments_leave_every_lease_free(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    ledger = open_ledger(tmp_path / "ledger.db", clock=Wall())

    def sometimes(prompt: str) -> Exception | None:
        return chance.choice([failing(500), failing(429, retry_after=2)]) if chance.random() < 0.1 else None

    drivers = [Noting(seconds=3.0, fail=sometimes) for _ in range(4)]
    limited = [
        Limited(
            driver,
            account=str(number),
            limits_of=lambda model: Limits(rpm=200) if model == "limited" else Limits(),
            ledger=ledger,
            reset=pacific_day,
        )
        for number, driver in enumerate(drivers)
    ]
    roster = Roster()
    members = [
        Member(str(number), each, str(number), max_concurrent=5 + number, delay=each.delay)
        for number, each in enumerate(limited)
    ]
    accounts = WithRetries(Pool(members, provider="gemini", roster=roster), chance=chance.random)
    ended: Counter[str] = Counter()

    async def one() -> None:
        await asyncio.sleep(chance.uniform(0, 60))
        request = saying(model=chance.choice(["m", "limited"]))
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().call_later(chance.uniform(0, 9), me.cancel)
        try:
            await ask(accounts, request, whole=chance.random() < 0.5)
        except BaseException as error:
            ended[type(error).__name__] += 1
            raise
        ended["answered"] += 1

    async def life() -> None:
        tasks = [asyncio.create_task(one()) for _ in range(1_000)]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert roster.running == 0
        assert not roster.has_line
        assert [each.under_way("limited") for each in limited] == [0] * 4
        assert [driver.running for driver in drivers] == [0] * 4

    run_virtual(life())
    most = [driver.most_running for driver in drivers]
    assert all(number <= 5 + index for index, number in enumerate(most))
    sent = sum(len(driver.sent) for driver in drivers)
    with capsys.disabled():
        print(
            f"\n1,000 streams cancelled at random: {dict(ended)}, {sent} sent, most at once {most}, leases held: {roster.running}"
        )
    assert ended.total() == 1_000
    assert min(ended["CancelledError"], ended["answered"]) > 200


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[float, float, float | None, str]]:
    """When each request comes, how long it takes, when its reader loses patience, and its model."""
    moments = st.integers(0, 40).map(lambda number: number / 4)
    return draw(
        st.lists(st.tuples(moments, moments, moments | st.none(), st.sampled_from("mn")), min_size=1, max_size=30)
    )


@settings(max_examples=60, deadline=None)
@given(lives(), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_no_account_is_idle_while_anybody_waits_and_they_go_in_order(
    requests: list[tuple[float, float, float | None, str]], sizes: list[int]
) -> None:
    roster = Roster()
    came, went = itertools.count(), []

    class Lasting(Noting):
        async def generate(self, request: Request) -> Response:
            self.seconds = requests[int(request.session or "")][1]
            return await super().generate(request)

    keys = [Lasting() for _ in sizes]
    accounts = pool(*keys, roster=roster, each=lambda number: {"max_concurrent": sizes[number]})

    async def one(index: int) -> None:
        at, _, patience, model = requests[index]
        await asyncio.sleep(at)
        arrival = next(came)
        with listening(noting(arrival)), suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await accounts.generate(saying(model=model, session=str(index)))

    def noting(arrival: int) -> Any:
        async def note(notice: object) -> None:
            if isinstance(notice, Routed):
                went.append((asyncio.get_running_loop().time(), arrival))
            elif isinstance(notice, Waiting):
                assert roster.running == sum(sizes)

        return note

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1)
            assert not roster.has_line or roster.running == sum(sizes)
            assert all(key.running <= size for key, size in zip(keys, sizes, strict=True))

    async def life() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(one(index) for index in range(len(requests))))
        assert not watching.done()
        watching.cancel()
        assert (roster.running, roster.has_line) == (0, False)

    run_virtual(life())
    assert went == sorted(went)
    assert [key.most_running <= size for key, size in zip(keys, sizes, strict=True)] == [True] * len(sizes)


# With limits of their own


def limited_pool(path: Path, *keys: Noting, most: int | None = None, **limits: int) -> tuple[Pool, Roster]:
    """A pool of accounts that each may ask only so much."""
    ledger, roster = open_ledger(path, clock=Wall()), Roster()
    members = []
    for name, key in zip("abc", keys, strict=False):
        quota = Limited(
            key,
            account=name,
            limits_of=lambda model: Limits(**limits) if model == "m" else Limits(),
            ledger=ledger,
            reset=pacific_day,
            zone=UTC,
        )
        members.append(Member(name, quota, name, max_concurrent=most, delay=quota.delay))
    return Pool(members, provider="gemini", roster=roster), roster


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def test_an_account_that_would_hold_a_request_back_is_passed_over(path: Path) -> None:
    keys = [Key(), Key()]
    accounts, _ = limited_pool(path, *keys, rpm=2)
    run_virtual(all_of(accounts, [saying(str(number)) for number in range(6)]))
    assert [key.times for key in keys] == [[0, 0, 60.5], [0, 0, 60.5]]


def test_a_conversation_does_not_wait_for_its_account_when_another_is_free(path: Path) -> None:
    keys = [Key(), Key()]
    accounts, _ = limited_pool(path, *keys, rpm=1)
    run_virtual(all_of(accounts, [saying(session="s"), saying(session="s")]))
    assert [key.times for key in keys] == [[0], [0]]


def test_a_request_that_waits_for_its_minute_holds_no_lease(path: Path) -> None:
    key = Key(seconds=1.0)
    accounts, roster = limited_pool(path, key, most=1, rpm=1)
    told = Told()

    async def life() -> None:
        await ask(accounts, saying("first"))
        waiting = asyncio.create_task(told.hear(accounts, saying("waits")))  # type: ignore[arg-type]
        await asyncio.sleep(1)
        assert roster.running == 0
        await ask(accounts, saying("other", model="n"))
        await waiting
        assert roster.running == 0

    run_virtual(life())
    assert key.prompts == ["first", "other", "waits"]
    assert key.times == [0, 2, 60.5]
    assert told.waits == [("for the minute's 1 request to m", 60)]


def test_one_whose_minute_has_come_waits_for_the_lease_and_keeps_the_limit(path: Path) -> None:
    key = Key(seconds=1.0)
    accounts, roster = limited_pool(path, key, most=1, rpm=1)

    async def life() -> None:
        await ask(accounts, saying("first"))
        waiting = [asyncio.create_task(ask(accounts, saying(f"waits {number}"))) for number in range(2)]
        await asyncio.sleep(50)
        key.seconds = 100.0
        await ask(accounts, saying("long", model="n"))
        key.seconds = 1.0
        await asyncio.gather(*waiting)
        assert roster.running == 0

    run_virtual(life())
    assert key.prompts == ["first", "long", "waits 0", "waits 1"]
    assert key.times == [0, 51, 151, 211.5]
    assert key.most_running == 1


def test_those_who_waited_for_a_lease_wait_for_their_minute_once_there_is_one(path: Path) -> None:
    key = Key(seconds=1.0)
    accounts, _ = limited_pool(path, key, most=1, rpm=1)
    run_virtual(all_of(accounts, [saying(str(number)) for number in range(3)]))
    assert key.prompts == ["0", "1", "2"]
    assert key.times == [0, 60.5, 121]


def test_those_who_wait_for_one_model_are_spread_over_the_accounts(path: Path) -> None:
    keys = [Key(seconds=10.0), Key(seconds=10.0)]
    accounts, _ = limited_pool(path, *keys, max_concurrent=1)
    run_virtual(all_of(accounts, [saying() for _ in range(10)]))
    assert [key.times for key in keys] == [[0, 10, 20, 30, 40]] * 2


def test_one_is_told_at_once_that_the_day_is_spent_though_the_account_is_full(path: Path) -> None:
    accounts, roster = limited_pool(path, Key(seconds=10.0), most=1, rpd=1)

    async def life() -> None:
        running = asyncio.create_task(ask(accounts))
        await asyncio.sleep(1)
        with pytest.raises(QuotaError, match="the day's 1 request to m on account 'a' are spent"):
            await ask(accounts)
        assert asyncio.get_running_loop().time() == 1
        assert roster.running == 1
        await running

    run_virtual(life())


def test_a_small_request_does_not_overtake_a_large_one_in_the_line(path: Path) -> None:
    keys = [Key(seconds=30.0), Key(seconds=1.0)]
    accounts, _ = limited_pool(path, *keys, most=1, tpm=100)
    requests = [of_tokens(60, "a"), of_tokens(60, "b"), of_tokens(60, "c"), of_tokens(10, "d")]

    async def life() -> None:
        running = [asyncio.create_task(ask(accounts, each)) for each in requests[:2]]
        await asyncio.sleep(0.5)
        running += [asyncio.create_task(ask(accounts, each)) for each in requests[2:]]
        await asyncio.gather(*running)

    run_virtual(life())
    at = {prompt[0]: moment for key in keys for moment, prompt in key.sent}
    assert at["a"] == at["b"] == 0
    assert at["d"] == 30, "at 1 there was room for it, but not for the one before it"
    assert at["c"] == 60.5


def test_of_many_accounts_that_all_would_hold_a_request_back_one_is_asked_soon() -> None:
    keys = [Key() for _ in range(1000)]
    members = [Member(str(n), key, str(n), delay=lambda _, __, n=n: 7.0 - (n == 150)) for n, key in enumerate(keys)]
    run_virtual(ask(Pool(members, provider="gemini")))
    assert [n for n, key in enumerate(keys) if key.asked] == [150]


loads = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 30), st.sampled_from("mmn"), st.floats(0, 200) | st.none()),
    min_size=1,
    max_size=20,
)


@settings(max_examples=50, deadline=None)
@given(loads, st.integers(1, 3), st.integers(1, 2) | st.none(), st.integers(1, 3), st.integers(0, 4))
def test_all_are_answered_in_the_end_whatever_the_limits(
    tmp_path_factory: pytest.TempPathFactory,
    load: list[tuple[float, float, str, float | None]],
    size: int,
    most: int | None,
    rpm: int,
    failures: int,
) -> None:
    class Lasting(Key):
        async def generate(self, request: Request) -> Response:
            self.seconds = load[int(request.session or "")][1]
            return await super().generate(request)

    keys = [Lasting(*[failing(500)] * failures) for _ in range(size)]
    accounts, roster = limited_pool(tmp_path_factory.mktemp("pool") / "ledger.db", *keys, most=most, rpm=rpm)

    async def one(index: int) -> None:
        at, _, model, patience = load[index]
        await asyncio.sleep(at)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await WithRetries(accounts).generate(saying(model=model, session=str(index), retries=20))

    async def life() -> None:
        async with asyncio.timeout(10_000):
            await asyncio.gather(*(one(index) for index in range(len(load))))
        assert (roster.running, roster.has_line) == (0, False)

    run_virtual(life())
    assert all(most is None or key.most_running <= most for key in keys)


def test_a_spent_account_is_left_for_one_that_is_not_and_a_wait_for_one_that_spends_nothing(path: Path) -> None:
    keys = [Key(), Key()]
    accounts, _ = limited_pool(path, *keys, rpd=2)

    async def life() -> None:
        for number in range(4):
            await ask(accounts, saying(str(number)))
        with pytest.raises(QuotaError, match=r"they come back at 08:00 UTC") as caught:
            await ask(accounts)
        assert caught.value.resets_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
        await ask(accounts, saying(model="n"))
        await asyncio.sleep(12 * 3600)
        await ask(accounts)

    run_virtual(life())
    assert sorted(key.asked for key in keys) == [3, 3]


def test_a_large_request_goes_where_there_is_room_for_it(path: Path) -> None:
    keys = [Key(), Key()]
    accounts, _ = limited_pool(path, *keys, tpm=100)
    run_virtual(all_of(accounts, [of_tokens(60, "a"), of_tokens(60, "b"), of_tokens(40, "c"), of_tokens(50, "d")]))
    assert sorted(at for key in keys for at in key.times) == [0, 0, 0, 60.5]
