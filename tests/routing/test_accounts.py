"""Accounts: which one is asked, what happens when one fails, and that every lease comes back."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

import pytest

from boticelli_cli.drivers.base import Going, Retrying, Routed, listening
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnreachableError,
)
from boticelli_cli.routing.retries import WithRetries
from boticelli_cli.routing.roster import Roster
from boticelli_cli.routing.router import Decision, deciding
from boticelli_cli.routing.standings import Standings
from tests.clock import in_virtual_time, run_virtual
from tests.routing.limiting import NOON, Noting, Told, Wall
from tests.routing.pooling import Key, accounts_asked, all_of, ask, at_most, failing, pool, saying

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


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


@pytest.mark.parametrize(
    "error",
    [CredentialsError("no", status=401), QuotaError("no", status=429), RefusedError("no such model", status=404)],
    ids=repr,
)
@in_virtual_time
async def test_one_that_rests_is_asked_when_the_other_fails_for_longer(error: ProviderError) -> None:
    """Of those that rest the first to be well."""
    failed, later, told, refused = Key(failing(503)), Key(failing(500)), Key(failing(429)), Key(CredentialsError("no"))
    accounts = pool(failed, later, told, refused, other := Key())
    await ask(accounts)
    other.errors.append(error)
    assert (await ask(accounts)).text == "<"
    assert [key.asked for key in (failed, later, told, refused, other)] == [2, 1, 1, 1, 2]


@in_virtual_time
async def test_of_those_that_rest_only_one_is_asked_when_the_other_fails_for_longer() -> None:
    keys = [Key(failing(500), CredentialsError("no")) for _ in range(2)]
    accounts = pool(*keys, other := Key())
    await ask(accounts)
    other.errors.append(CredentialsError("no"))
    with pytest.raises(CredentialsError):
        await ask(accounts)
    assert [key.asked for key in (*keys, other)] == [2, 1, 2]


@in_virtual_time
async def test_none_that_is_no_longer_asked_is_asked_when_the_other_fails_for_longer() -> None:
    refused = Key(*[CredentialsError("the key is wrong")] * 9)
    accounts = pool(refused, other := Key())
    for _ in range(3):
        await ask(accounts, saying())
        await asyncio.sleep(1801)
    other.errors.append(QuotaError("no"))
    with pytest.raises(QuotaError):
        await ask(accounts, saying())
    assert (refused.asked, other.asked) == (3, 4)


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
        "account 'a' was refused; while there is another, it is not asked for 30 minutes: the key is wrong",
        "account 'a' was refused 3 times in a row; while there is another, it is not asked any more: the key is wrong",
    ]


@in_virtual_time
async def test_accounts_that_are_disabled_take_no_more_room_each_time_they_are_asked() -> None:
    refused, roster = CredentialsError("refused"), Roster()
    accounts = pool(Key(*[refused] * 60), Key(*[refused] * 60), roster=roster)
    for _ in range(50):
        with pytest.raises(CredentialsError):
            await accounts.generate(saying())
    assert len(roster._resting) <= 4


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


def test_goes_on_until_one_answers() -> None:
    async def life() -> None:
        told = Told()
        await told.hear(pool(Key(failing(503)), Key(failing(503)), Key()), saying())  # type: ignore[arg-type]
        assert accounts_asked(told) == ["a", "b", "c"]

    run_virtual(life())
