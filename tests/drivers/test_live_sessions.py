"""The Live driver's sessions: kept from one act to the next, taken up again, and closed in whatever way they end."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from boticelli_cli.drivers.gemini_live import MOST_IDLE, GeminiLive
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Finish, Media
from tests.clock import run_virtual
from tests.drivers.speaking import MODEL, OLDER, collect, driving, request, sent_to, settle
from tests.fakes.behaviours import Answer, Close, Long, Silence
from tests.fakes.gemini import FakeGemini


async def converse(driver: GeminiLive, *prompts: str, said: tuple[str, ...] = (), **settings: Any) -> tuple[str, ...]:
    """Ask one prompt after the other, each with all that was said before; returns all turns."""
    for prompt in prompts:
        response = await driver.generate(request(*said, prompt, **settings))
        said = (*said, prompt, response.text)
    return said


async def no_longer(condition: Callable[[], object]) -> None:
    while condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


# Kept


@pytest.mark.parametrize(("model", "kind"), [(MODEL, "realtimeInput"), (OLDER, "clientContent")])
async def test_a_conversation_has_one_session_and_sends_each_turn_once(fake: FakeGemini, model: str, kind: str) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.", "Two.", "Three.", model=model)
        [session] = fake.live.sessions
        assert session.close_code is None
    assert sent_to(session) == [kind] * 3
    assert tuple(text for _, text in session.texts) == said
    assert fake.connections == 1
    await settle(fake)
    assert (session.close_code, session.closed_by) == (1000, "client")


async def test_what_shares_no_history_has_a_session_of_its_own(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        await converse(driver, "One.")
        await converse(driver, "Two.", said=("One.", "Something else."))
        await converse(driver, "Two.", said=said, temperature=0.5)
        await converse(driver, "Two.", said=said, system="Be brief.")
        await converse(driver, "Two.", said=said, model=OLDER)
    assert len(fake.live.sessions) == 6


async def test_two_that_go_on_at_once_do_not_share_a_session(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        await asyncio.gather(converse(driver, "Two.", said=said), converse(driver, "Three.", said=said))
    kinds = sorted(sent_to(session) for session in fake.live.sessions)
    assert kinds == [["clientContent", "realtimeInput"], ["realtimeInput", "realtimeInput"]]


async def test_keeps_so_many_sessions_and_closes_all(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        await asyncio.gather(*(converse(driver, f"Act {number}.") for number in range(MOST_IDLE + 4)))
        await no_longer(lambda: fake.running > MOST_IDLE)
        assert fake.running == MOST_IDLE
    await settle(fake)
    assert {(each.close_code, each.closed_by) for each in fake.live.sessions} == {(1000, "client")}


async def test_a_turn_with_media_opens_a_session_that_can_be_told_them(fake: FakeGemini) -> None:
    picture = Media("image", "image/png", data=b"png")
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        response = await driver.generate(request(*said, "See.", media=(picture,)))
        assert response.text == "You said: See."
        assert fake.live.sessions[0].close_code is None
    assert [sent_to(session) for session in fake.live.sessions] == [
        ["realtimeInput"],
        ["clientContent", "realtimeInput"],
    ]


async def test_an_answer_that_is_left_is_not_gone_on_with(fake: FakeGemini) -> None:
    fake.script.append(Long(10_000))
    async with driving(fake) as driver:
        async with driver.stream(request("One.")) as deltas:
            await anext(deltas)
        await settle(fake)
        await converse(driver, "Two.", said=("One.", "w0000 "))
    assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (1000, "client")


async def test_what_ends_after_all_was_closed_is_not_kept(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        async with driver.stream(request("One.")) as deltas:
            await driver.aclose()
            assert isinstance([delta async for delta in deltas][-1], Finish)
        await settle(fake)


# Leaving, and taken up again


@pytest.mark.parametrize("keyword", ["[[goaway]]", "[[goaway after=1]]", "[[goaway after=9]]"])
async def test_goes_on_by_a_handle_after_a_warning(fake: FakeGemini, keyword: str) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, f"one two three four {keyword}", "Next.", "Last.")
    assert said[1] == "You said: one two three four"
    first, second = fake.live.sessions
    assert second.handle == first.handles[-1]
    assert "historyConfig" not in second.setup
    assert sent_to(second) == ["realtimeInput", "realtimeInput"]
    assert [text for _, text in second.texts] == list(said)


async def test_answers_though_its_session_ended_meanwhile(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.", "Two.")
        await fake.live.sessions[0].close(1001, "Too long.")
        said = await converse(driver, "Three.", said=said)
    first, second = fake.live.sessions
    assert second.handle == first.handles[1]
    assert sent_to(second) == ["realtimeInput"]
    assert [text for _, text in second.texts] == list(said)


async def test_what_is_asked_again_after_a_broken_connection_goes_over_a_new_one(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        await fake.live.sessions[0].close(1006)
        with suppress(ProviderError):  # it may be seen before anything is sent, or not
            await converse(driver, "Two.", said=said)
        said = await converse(driver, "Two.", said=said)
    assert [text for _, text in fake.live.sessions[-1].texts] == list(said)


async def test_a_request_is_asked_once_and_it_is_for_others_to_ask_again(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        fake.script.append(Close(1011, after=0))
        with pytest.raises(ProviderError, match="1011"):
            await converse(driver, "Two.", said=said)
        assert len(fake.live.sessions) == 1
        said = await converse(driver, "Two.", said=said)
    second = fake.live.sessions[1]
    assert sent_to(second) == ["clientContent", "realtimeInput"]
    assert [text for _, text in second.texts] == list(said)


async def test_a_handle_that_nobody_knows_is_replaced_by_the_history(fake: FakeGemini) -> None:
    async with driving(fake) as driver:
        said = await converse(driver, "One.", "Two. [[goaway]]")
        fake.live.forget()
        said = await converse(driver, "Three.", said=said)
    third = fake.live.sessions[2]
    assert fake.live.sessions[1].close_reason == "BidiGenerateContent session not found"
    assert third.handle is None
    assert sent_to(third) == ["clientContent", "realtimeInput"]
    assert [text for _, text in third.texts] == list(said)


async def test_an_older_handle_is_never_used(fake: FakeGemini) -> None:
    """The service may not have given a handle for the newest turn when the session dies."""
    async with driving(fake) as driver:
        said = await converse(driver, "One.")
        [session] = fake.live.sessions
        keep, session.setup["sessionResumption"] = session.setup.pop("sessionResumption"), None
        del session.setup["sessionResumption"]
        said = await converse(driver, "Two.", said=said)
        session.setup["sessionResumption"] = keep
        await session.close(1011)
        said = await converse(driver, "Three.", said=said)
    assert [text for _, text in fake.live.sessions[-1].texts] == list(said)
    assert sent_to(fake.live.sessions[-1]) == ["clientContent", "realtimeInput"]


# Cancelled


async def _cancel_after(turns: int, work: Coroutine[Any, Any, Any], *, again: bool) -> None:
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    if again:
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() or task.exception() is None


def test_a_cancellation_at_any_moment_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)

    async def run() -> set[tuple[int | None, str]]:
        async with FakeGemini() as fake:
            monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
            before = asyncio.all_tasks()
            async with driving(fake) as driver:
                for attempt in range(150):
                    fake.script.append(chance.choice([Answer(chunks=3), Answer(chunks=5, delay=1.0), Silence(after=2)]))
                    work = converse(driver, "One.", "Two. [[goaway after=1]]", "Three.")
                    await _cancel_after(chance.randrange(250), work, again=attempt % 3 == 0)
            await settle(fake)
            assert {task for task in asyncio.all_tasks() - before if "fake" not in repr(task)} == set()
            assert len(fake.live.sessions) > 50
            return {(each.close_code, each.closed_by) for each in fake.live.sessions if each.received}

    # websockets says 1011 where the cancellation falls between its handshake and google-genai's
    assert run_virtual(run()) <= {(1000, "client"), (1011, "client"), (1001, "server")}


async def test_a_cancelled_reader_closes_its_session(fake: FakeGemini) -> None:
    fake.script.append(Silence(after=1))
    async with driving(fake) as driver:
        reading = asyncio.ensure_future(collect(driver, request("One.")))
        await no_longer(lambda: not fake.live.sessions or fake.live.sessions[0].sent < 3)
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
        await settle(fake)
    assert (fake.live.sessions[0].close_code, fake.live.sessions[0].closed_by) == (1000, "client")


def test_thirty_conversations_at_once_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with FakeGemini() as fake:
            monkeypatch.setenv("SSL_CERT_FILE", fake.ca_file)
            async with driving(fake) as driver:
                talks = [converse(driver, f"Talk {n}, one.", f"Talk {n}, two.") for n in range(30)]
                for number, said in enumerate(await asyncio.gather(*talks)):
                    assert said[3] == f"You said: Talk {number}, two."
            await settle(fake)

    run_virtual(run())
