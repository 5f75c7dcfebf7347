"""The process of a gateway, stopped, killed and robbed of its ledger while it serves."""

import asyncio
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.serving import until
from tests.gateway.besieged import MODELS
from tests.gateway.judging import FACES, Verdict, body_of, judged, path_of
from tests.gateway.walled import KEYS, Walled, fakes, walled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[Any, ...]]:
    with fakes() as made:
        yield made


async def ask(client: httpx.AsyncClient, face: str, model: str, text: str) -> Verdict:
    answer = await client.post(path_of(face, model, streamed=True), json=body_of(face, model, text, streamed=True))
    return judged(face, answer, streamed=True)


def running(here: Walled) -> int:
    return sum(fake.running for fake in here.fakes)


async def test_stops_in_the_midst_of_50_streams_with_an_end_for_each(tmp_path: Path, behind: tuple[Any, ...]) -> None:
    texts = ("[[paced chunks=8 delay=0.1]]", "[[silence after=2]]", "[[silence]]")
    ways = [(FACES[number % 4], [*MODELS.values()][number % 5], texts[number % 3]) for number in range(50)]
    with walled(tmp_path / "home", behind, "--grace", "1.5") as here:
        async with here.client() as client, asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(client, *way)) for way in ways]
            await asyncio.to_thread(until, lambda: running(here) == 50)
            here.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(here.process.wait, 10)
        verdicts = [each.result() for each in asked]
        endings = Counter(ending for (ending,) in here.rows())
    assert code == 0
    for (_, _, text), verdict in zip(ways, verdicts, strict=True):
        if text == texts[0]:
            assert verdict.kind == "answer"
        else:
            assert (verdict.kind, "shutting down" in verdict.text) == ("error", True)
            assert verdict.status == (200 if text == texts[1] else 503)
    assert endings == {"done": 17, "cut": 33}


async def test_has_counted_what_was_over_when_it_is_killed(tmp_path: Path, behind: tuple[Any, ...]) -> None:
    home = tmp_path / "home"
    with walled(home, behind) as here:
        async with here.client() as client:
            for number in range(20):
                await ask(client, FACES[number % 4], MODELS["anthropic"], "Say a word.")
            await asyncio.to_thread(here.waits_for_rows, 20)
            going = [asyncio.create_task(ask(client, "openai", MODELS["gemini"], "[[silence]]")) for _ in range(5)]
            await asyncio.to_thread(until, lambda: running(here) == 5)
            here.process.kill()
            ended = await asyncio.gather(*going, return_exceptions=True)
        assert all(isinstance(each, httpx.TransportError) for each in ended)
    await asyncio.to_thread(until, lambda: running(here) == 0)
    with walled(home, behind) as here:
        async with here.client() as client:
            await ask(client, "gemini", MODELS["anthropic"], "Say a word.")
        told = here.get("/v1/key-info", "full")
    assert (told["used"]["total"]["requests"], told["under_way"]) == (21, 0)
    assert told["used"]["total"]["usage"]["output"] > 0


async def test_serves_on_while_its_ledger_is_locked_and_writes_it_afterwards(
    tmp_path: Path, behind: tuple[Any, ...]
) -> None:
    with walled(tmp_path / "home", behind) as here:
        async with here.client() as client:
            await ask(client, "openai", MODELS["openai"], "Say a word.")
            await asyncio.to_thread(here.waits_for_rows, 1)
            with closing(sqlite3.connect(here.ledger, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                verdicts = [await ask(client, face, MODELS["openai"], "Say a word.") for face in FACES]
                await asyncio.to_thread(until, lambda: here.get("/ready")["ledger"] != "kept")
                assert here.get("/v1/key-info", "full")["used"]["total"]["requests"] == 5
                db.execute("ROLLBACK")
        here.process.terminate()
        assert here.process.wait(10) == 0
        assert [verdict.kind for verdict in verdicts] == ["answer"] * 4
        assert here.rows() == [("done",)] * 5


async def test_serves_on_when_its_ledger_is_damaged(tmp_path: Path, behind: tuple[Any, ...]) -> None:
    with walled(tmp_path / "home", behind) as here:
        async with here.client() as client:
            await ask(client, "openai", MODELS["openai"], "Say a word.")
            await asyncio.to_thread(here.waits_for_rows, 1)
            for path in here.ledger.parent.glob("gateway.sqlite3*"):
                path.write_bytes(b"This was a ledger. " * 1000)
            verdicts = [await ask(client, face, MODELS["openai"], "Say a word.") for face in FACES]
            await asyncio.to_thread(until, lambda: here.get("/ready")["ledger"] != "kept")
            used = here.get("/v1/key-info", "full")["used"]["total"]["requests"]
        here.process.terminate()
        assert here.process.wait(10) == 0
    assert [verdict.kind for verdict in verdicts] == ["answer"] * 4
    assert used >= 4
    assert here.ledger.read_bytes().startswith(b"This was a ledger.")
    assert not any(key in line for key in KEYS.values() for line in here.said)
