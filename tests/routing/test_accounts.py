"""Accounts: which one is asked, what happens when one fails, and that every lease comes back."""

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
from boticelli_cli.drivers.base import Going, Retrying, Routed, Waiting, listening
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnreachableError,
)
from boticelli_cli.messages import Request, Response
from boticelli_cli.routing.account_book import AccountBook, account_states
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.day import pacific_day
from boticelli_cli.routing.quota import Limited
from boticelli_cli.routing.retries import WithRetries
from boticelli_cli.routing.roster import Roster
from boticelli_cli.routing.router import Decision, deciding
from boticelli_cli.routing.standings import Standings
from tests.clock import in_virtual_time, run_virtual
from tests.routing.limiting import NOON, Noting, Told, Wall, of_tokens, open_ledger
from tests.routing.pooling import Key, accounts_asked, all_of, ask, at_most, pool, saying

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


def failing(status: int, **facts: Any) -> ProviderError:
    return ProviderError("no", status=status, **facts)


# Which one is asked


@in_virtual_time
async def test_the_lowest_priority_is_asked_first() -> None:
    keys = [Key() for _ in range(3)]
    accounts = pool(*keys, each=lambda number: {"priority": [50, 10, 10][number]})
    for number in range(4):
        await ask(accounts, saying(str(number)))
    assert [key.asked for key in keys] == [0, 2, 2]


@in_virtual_time
async def test_then_the_one_with_the_fewest_under_way_then_the_least_recently_used() -> None:
    keys = [Key(seconds=10.0) for _ in range(3)]
    accounts = pool(*keys)
    long = asyncio.create_task(ask(accounts, saying("long")))
    await asyncio.sleep(1)
    for number in range(4):
        keys[1].seconds = keys[2].seconds = 0.0
        await ask(accounts, saying(str(number)))
    await long
    assert [key.prompts for key in keys] == [["long"], ["0", "2"], ["1", "3"]]
    await ask(accounts, saying("last"))
    assert keys[0].prompts == ["long", "last"]


@in_virtual_time
async def test_a_full_account_is_passed_over() -> None:
    keys = [Key(seconds=5.0) for _ in range(2)]
    accounts = pool(*keys, each=lambda number: {"priority": number, "max_concurrent": 2})
    await all_of(accounts, [saying(str(number)) for number in range(4)])
    assert [key.prompts for key in keys] == [["0", "1"], ["2", "3"]]


@both_ways
@in_virtual_time
async def test_a_conversation_keeps_to_its_account_for_an_hour(whole: bool) -> None:
    keys = [Key() for _ in range(3)]
    accounts = pool(*keys)
    for _ in range(3):
        await ask(accounts, saying(session="s"), whole=whole)
        await ask(accounts, saying(session="other"), whole=whole)
    assert [key.asked for key in keys] == [3, 3, 0]
    await asyncio.sleep(3601)
    await ask(accounts, saying(session="s"), whole=whole)
    assert keys[2].asked == 1


@in_virtual_time
async def test_a_conversation_moves_when_its_account_is_full_or_rests_and_stays_there() -> None:
    keys = [Key(), Key(), Key()]
    accounts = pool(*keys, each=at_most(1))
    await ask(accounts, saying(session="s"))
    keys[0].seconds = 100.0
    other = asyncio.create_task(ask(accounts, saying(session="s")))
    await asyncio.sleep(1)
    await ask(accounts, saying(session="s"))
    assert [key.asked for key in keys] == [2, 1, 0]
    keys[1].errors.append(failing(503))
    await ask(accounts, saying(session="s"))
    await other
    keys[0].seconds = 0.0
    await asyncio.sleep(100)
    await ask(accounts, saying(session="s"))
    assert [key.asked for key in keys] == [3, 2, 1]


@in_virtual_time
async def test_tells_whom_it_asks_and_why() -> None:
    told = Told()
    with listening(told):
        await ask(pool(Key(failing(500)), Key()))
        with deciding(Decision(("m", "n"), "think", "it asks for thinking")):
            await ask(pool(Key()))
    asked = [notice for _, notice in told.notices if not isinstance(notice, Going)]
    assert asked[0] == Routed("m", "gemini", "a", "explicit", "asked for by name")
    assert isinstance(asked[1], Retrying)
    assert asked[1].seconds == 0.0
    assert asked[2:] == [
        Routed("m", "gemini", "b", "explicit", "asked for by name"),
        Routed("m", "gemini", "a", "think", "it asks for thinking"),
    ]


def test_says_whether_its_drivers_stream() -> None:
    assert pool(Key(), Key()).supports_streaming("m")
    assert not pool(Key()).supports_streaming("silent")


# When one fails


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("no", status=401),
        CredentialsError("no", status=403),
        QuotaError("no", status=429),
        failing(429, retry_after=20),
        failing(500),
        failing(503),
        failing(529),
        failing(408),
        RefusedError("no such model", status=404),
        UnreachableError("no connection"),
        StreamError("broke off"),
        ProviderError("broke"),
    ],
    ids=repr,
)
@in_virtual_time
async def test_the_next_account_is_asked_at_once(error: ProviderError, whole: bool) -> None:
    first, second = Key(error), Key()
    assert (await ask(pool(first, second), whole=whole)).text == "<"
    assert (first.times, second.times) == ([0], [0])
    assert (first.running, second.running) == (0, 0)


@both_ways
@pytest.mark.parametrize("error", [RefusedError("no", status=400), NoAnswerError("no"), ValueError("a bug")], ids=repr)
@in_virtual_time
async def test_what_is_not_the_accounts_fault_is_raised_at_once(error: Exception, whole: bool) -> None:
    first, second = Key(error), Key()
    accounts = pool(first, second)
    with pytest.raises(type(error)):
        await ask(accounts, whole=whole)
    assert second.asked == 0
    await ask(accounts, saying("2"))
    await ask(accounts, saying("3"))
    assert (first.asked, second.asked) == (2, 1)


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([failing(503), CredentialsError("no")], 0),
        ([CredentialsError("no"), failing(503)], 1),
        ([failing(429, retry_after=50), failing(429, retry_after=20)], 1),
        ([CredentialsError("no"), QuotaError("no")], 1),
        ([QuotaError("no"), QuotaError("no", resets_at=datetime(2030, 1, 1, tzinfo=UTC))], 1),
        ([RefusedError("no", status=404), RefusedError("no", status=404)], 0),
        ([CredentialsError("no"), RefusedError("no", status=404)], 1),
    ],
    ids=repr,
)
@in_virtual_time
async def test_the_error_is_raised_after_which_a_wait_helps_most(errors: list[ProviderError], raised: int) -> None:
    with pytest.raises(ProviderError) as caught:
        await ask(pool(*map(Key, errors)))
    assert caught.value is errors[raised]


@in_virtual_time
async def test_never_asks_another_after_the_first_delta() -> None:
    first, second = Noting(fail=lambda prompt: failing(503) if prompt.startswith("later") else None), Key()
    with pytest.raises(ProviderError):
        await ask(pool(first, second))
    assert second.asked == 0


@in_virtual_time
async def test_an_error_of_the_reader_is_not_taken_for_the_accounts() -> None:
    keys = [Key(), Key()]
    accounts = pool(*keys, each=lambda number: {"priority": number})
    with pytest.raises(ProviderError):
        async with accounts.stream(saying()):
            raise failing(503)
    await ask(accounts)
    assert (keys[0].asked, keys[1].asked) == (2, 0)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CredentialsError("no", status=401), 1800),
        (failing(503), 60),
        (failing(500), 300),
        (failing(502), 300),
        (UnreachableError("no"), 60),
        (ProviderError("broke"), 60),
        (failing(429), 60),
        (failing(429, retry_after=25), 25),
        (failing(429, retry_after=9999), 1800),
        (failing(503, retry_after=90), 90),
        (QuotaError("no", retry_after=500), 500),
        (QuotaError("no", resets_at=datetime.fromtimestamp(NOON + 4000, UTC)), 4000),
    ],
    ids=repr,
)
@in_virtual_time
async def test_an_account_that_failed_rests(error: ProviderError, seconds: float) -> None:
    first, second, roster = Key(error), Key(), Roster()
    standings = Standings(roster, clock=Wall(), warn=lambda message: None)
    accounts = pool(first, second, roster=roster, standings=standings, each=lambda number: {"priority": number})
    await ask(accounts, saying("fails"))
    await asyncio.sleep(seconds - 1)
    await ask(accounts, saying("still"))
    await asyncio.sleep(2)
    await ask(accounts, saying("well"))
    assert first.prompts == ["fails", "well"]


@pytest.mark.parametrize("error", [failing(429), QuotaError("no")])
@in_virtual_time
async def test_a_quota_is_of_one_model_only(error: ProviderError) -> None:
    first, second = Key(error), Key()
    accounts = pool(first, second, each=lambda number: {"priority": number})
    await ask(accounts, saying(model="m"))
    await ask(accounts, saying(model="n"))
    assert (first.asked, second.asked) == (2, 1)


@in_virtual_time
async def test_an_account_rests_once_it_was_overloaded_twice_in_a_row() -> None:
    first, second = Key(failing(529), failing(529)), Key()
    accounts = pool(first, second, each=lambda number: {"priority": number})
    for number in range(3):
        await ask(accounts, saying(str(number)))
    assert first.prompts == ["0", "1"]
    await asyncio.sleep(601)
    await ask(accounts, saying("well"))
    assert first.prompts == ["0", "1", "well"]


@in_virtual_time
async def test_a_sole_account_never_rests() -> None:
    only = Key(failing(500), failing(503), CredentialsError("no"), CredentialsError("no"), CredentialsError("no"))
    warnings: list[str] = []
    roster = Roster()
    accounts = pool(only, roster=roster, standings=Standings(roster, warn=warnings.append))
    for _ in range(5):
        with pytest.raises(ProviderError):
            await ask(accounts)
    await ask(accounts)
    assert warnings == []


@in_virtual_time
async def test_with_all_at_rest_the_first_to_be_well_is_asked_once() -> None:
    """Those that failed before those that said when to come back, and those that are refused last."""
    told, failed, later = Key(failing(429, retry_after=5)), Key(failing(500)), Key(failing(500))
    accounts = pool(told, failed, later)
    with pytest.raises(ProviderError):
        await ask(accounts)
    assert [told.asked, failed.asked, later.asked] == [1, 1, 1]
    failed.errors.append(failing(500))
    await asyncio.sleep(1)
    with pytest.raises(ProviderError):
        await ask(accounts)
    assert [told.asked, failed.asked, later.asked] == [1, 2, 1]
    await ask(accounts)
    assert [told.asked, failed.asked, later.asked] == [1, 2, 2]


@in_virtual_time
async def test_accounts_that_all_fail_for_a_moment_lose_nothing_with_retries_around_them() -> None:
    keys = [Key(failing(503), failing(503)) for _ in range(2)]
    retrying = WithRetries(pool(*keys), chance=lambda: 0.5)
    assert (await ask(retrying)).text == "<"
    assert sorted((*keys[0].times, *keys[1].times)) == [0, 0, 2, 6, 14][: sum(key.asked for key in keys)]


@in_virtual_time
async def test_an_account_that_is_refused_three_times_in_a_row_is_disabled_with_the_reason() -> None:
    bad, good, warnings, roster = Key(*[CredentialsError("the key is wrong")] * 9), Key(), [], Roster()
    accounts = pool(bad, good, roster=roster, standings=Standings(roster, warn=warnings.append))
    for _ in range(20):
        await ask(accounts, saying())
        await asyncio.sleep(1801)
    assert bad.asked == 3
    assert warnings == [
        *["account 'a' was refused; while there is another, it is not asked for 30 minutes: the key is wrong"] * 2,
        "account 'a' was refused 3 times in a row; while there is another, it is not asked any more: the key is wrong",
    ]


@in_virtual_time
async def test_with_all_disabled_the_first_is_asked_again_and_a_success_clears_it() -> None:
    first, second = (Key(*[CredentialsError("no")] * 3) for _ in range(2))
    accounts = pool(first, second, each=lambda number: {"priority": 5 - number})
    for _ in range(3):
        with pytest.raises(CredentialsError):
            await ask(accounts, saying())
        await asyncio.sleep(1801)
    assert (first.asked, second.asked) == (3, 3)
    await ask(accounts, saying())
    await ask(accounts, saying())
    assert (first.asked, second.asked) == (3, 5)


@in_virtual_time
async def test_two_accounts_of_which_one_fails_half_of_the_time_lose_nothing_and_answer_nothing_twice() -> None:
    chance = random.Random(7)
    errors = [failing(500), failing(503), failing(529), UnreachableError("no"), failing(429, retry_after=1)]
    bad = Noting(seconds=2.0, fail=lambda prompt: chance.choice(errors) if chance.random() < 0.5 else None)
    bad.fail = (lambda fail: lambda prompt: None if prompt.startswith("later") else fail(prompt))(bad.fail)
    good = Noting(seconds=2.0)
    accounts = WithRetries(pool(bad, good, each=at_most(8)))
    answers: Counter[str] = Counter()

    async def one(prompt: str) -> None:
        await asyncio.sleep(chance.uniform(0, 600))
        response = await ask(accounts, saying(prompt), whole=chance.random() < 0.5)
        answers[prompt] += response.text == "<"

    async with asyncio.TaskGroup() as group:
        for number in range(500):
            group.create_task(one(str(number)))
    assert set(answers.values()) == {1}
    assert len(answers) == 500
    assert bad.sent
    assert (bad.running, good.running) == (0, 0)


# Leases


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


# Between processes


def kept(path: Path, roster: Roster, **options: Any) -> Standings:
    clock = options.pop("clock", None) or Wall()
    return Standings(roster, book=AccountBook(path, clock=clock), warn=lambda message: None, clock=clock, **options)


def test_what_speaks_against_an_account_is_known_to_the_next_process_until_it_is_over(path: Path) -> None:
    def process(at: float, *keys: Key) -> None:
        async def life() -> None:
            roster = Roster()
            standings = kept(path, roster, clock=Wall(NOON + at))
            await ask(pool(*keys, roster=roster, standings=standings, each=lambda number: {"priority": number}))

        run_virtual(life())

    process(0, Key(failing(500)), Key())
    first, second = Key(), Key()
    process(200, first, second)
    assert (first.asked, second.asked) == (0, 1)
    process(301, first, second)
    assert (first.asked, second.asked) == (1, 1)


def test_people_can_see_which_accounts_rest_and_why(path: Path) -> None:
    assert account_states(path) == []
    assert not path.exists()
    errors = [failing(429, retry_after=30), CredentialsError("the key is wrong"), CredentialsError("the key is wrong")]
    key = Key(*errors, CredentialsError("the key is wrong"))

    async def life() -> None:
        roster = Roster()
        accounts = pool(key, Key(), roster=roster, standings=kept(path, roster))
        await ask(accounts)
        [state] = account_states(path)
        assert (state.account, state.model, state.until, state.reason) == ("a", "m", NOON + 30, "no")
        for _ in range(6):
            await asyncio.sleep(1801)
            await ask(accounts)
        whole, _ = account_states(path)
        assert (whole.account, whole.model, whole.reason, whole.refusals) == ("a", "", "the key is wrong", 3)
        assert whole.is_disabled

    run_virtual(life())
    assert key.asked == 4


def test_a_success_clears_what_was_written(path: Path) -> None:
    async def life() -> None:
        roster = Roster()
        accounts = pool(Key(failing(500)), Key(), roster=roster, standings=kept(path, roster))
        await ask(accounts)
        assert len(account_states(path)) == 1
        await asyncio.sleep(301)
        await ask(accounts)
        await ask(accounts)

    run_virtual(life())
    assert account_states(path) == []


def test_nothing_is_written_while_all_goes_well(path: Path) -> None:
    async def life() -> None:
        roster = Roster()
        accounts = pool(Key(), Key(), roster=roster, standings=kept(path, roster))
        for _ in range(3):
            await ask(accounts)

    run_virtual(life())
    assert not path.exists()


@pytest.mark.parametrize("damage", ["foreign", "folder"])
def test_a_file_that_cannot_be_used_fails_no_request_and_is_told_once(path: Path, damage: str) -> None:
    path.parent.mkdir()
    path.mkdir() if damage == "folder" else path.write_bytes(b"something else" * 100)
    warnings: list[str] = []

    async def life() -> None:
        roster = Roster()
        standings = Standings(roster, book=AccountBook(path, warn=warnings.append), warn=lambda message: None)
        accounts = pool(Key(*[failing(503)] * 3), Key(*[failing(503)] * 2), roster=roster, standings=standings)
        for _ in range(5):
            with suppress(ProviderError):
                await ask(accounts)
            await asyncio.sleep(61)

    run_virtual(life())
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert account_states(path) == []


def test_hears_which_accounts_were_asked() -> None:
    async def life() -> None:
        told = Told()
        await told.hear(pool(Key(failing(503)), Key(failing(503)), Key()), saying())  # type: ignore[arg-type]
        assert accounts_asked(told) == ["a", "b", "c"]

    run_virtual(life())
