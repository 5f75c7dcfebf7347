"""Clients of a real gateway that leave: nothing of theirs is held, asked on, or forgotten."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.fakes.serving import until
from tests.gateway.besieged import MODELS
from tests.gateway.judging import FACES, body_of, path_of
from tests.gateway.walled import KEYS, Walled


async def begin(
    here: Walled, face: str, model: str, text: str, *, streamed: bool, key: str = "wide"
) -> asyncio.StreamReader:
    """Ask by a connection of one's own, which `leave` breaks off."""
    body = json.dumps(body_of(face, model, text, streamed=streamed)).encode()
    path = path_of(face, model, streamed=streamed)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEYS[key]}\r\ncontent-length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    reader.writer = writer  # type: ignore[attr-defined]
    writer.write(head.encode() + body)
    return reader


def leave(reader: asyncio.StreamReader) -> None:
    reader.writer.transport.abort()  # type: ignore[attr-defined]


def running(here: Walled) -> int:
    return sum(fake.running for fake in here.fakes)


def nothing_is_held(here: Walled) -> None:
    """Every place, at accounts and of keys, is free again, and every provider has been left, within a second."""
    until(lambda: running(here) == 0, patience=1)
    until(lambda: here.gauge("boticelli_in_flight") == 0, patience=1)
    assert here.gauge("boticelli_queue_depth") == 0
    assert here.get("/v1/key-info", "wide")["under_way"] == 0


MOMENTS = {
    "before the first byte": ("[[silence headers=false]]", True),
    "after the head": ("[[silence after=0]]", True),
    "in the middle": ("[[silence after=2]]", True),
    "in a call that is not streamed": ("[[silence headers=false]]", False),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_that_leaves_closes_what_was_asked_for_it_within_a_second(here: Walled, moment: str) -> None:
    text, streamed = MOMENTS[moment]
    before, gone = len(here.rows()), sum(len(fake.gone) for fake in here.fakes)
    ways = [(face, model) for face in ("anthropic", "openai", "gemini") for model in MODELS.values()]
    readers = [await begin(here, face, model, text, streamed=streamed) for face, model in ways]
    await asyncio.to_thread(until, lambda: running(here) == len(ways))
    if moment == "in the middle":
        for reader in readers:
            await reader.readuntil(b"piece 1")
    for reader in readers:
        leave(reader)
    await asyncio.to_thread(nothing_is_held, here)
    assert sum(len(fake.gone) for fake in here.fakes) == gone + len(ways)
    await asyncio.to_thread(here.waits_for_rows, before + len(ways))
    booked = here.rows("ending, key, provider, input, output")[before:]
    assert {(ending, key) for ending, key, *_ in booked} == {("left", "wide")}
    assert all(provider and asked for *_, provider, asked, _ in booked)


async def leave_at_random(here: Walled, count: int, seed: int) -> Counter[str]:
    """So many clients, each at some moment; what the ledger has of them."""
    chance, before = random.Random(seed), len(here.rows())
    texts = (
        "Say a word.",
        "[[paced chunks=20 delay=0.02]]",
        "[[silence]]",
        "[[silence after=1]]",
        "[[long chunks=3000]]",
    )

    async def visit(number: int) -> None:
        streamed = number % 5 > 0
        face = FACES[number % 4] if streamed else FACES[number % 3]
        stays = number % 8 == 0
        text = texts[0] if stays else chance.choice(texts)
        reader = await begin(here, face, chance.choice([*MODELS.values()]), text, streamed=streamed)
        with suppress(TimeoutError):
            async with asyncio.timeout(5 if stays else chance.random()):
                while await reader.read(1000):
                    pass
        leave(reader)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(visit(number))
            await asyncio.sleep(0.002)
    await asyncio.to_thread(nothing_is_held, here)
    await asyncio.to_thread(until, lambda: here.gauge("boticelli_in_flight") == 0)
    rows = here.rows("ending, provider, input, cost_usd")[before:]
    asked = [row for row in rows if row[1] is not None]
    assert all(tokens for *_, tokens, _ in asked), asked
    await every_place_is_free(here)
    endings = Counter(ending for ending, *_ in rows)
    assert endings.keys() == {"done", "left"}
    return endings


async def every_place_is_free(here: Walled) -> None:
    """As many are let through to each provider as its two accounts have places."""
    for dialect in ("anthropic", "openai", "gemini", "converse"):
        readers = [await begin(here, "openai", MODELS[dialect], "[[silence]]", streamed=True) for _ in range(40)]
        await asyncio.to_thread(until, lambda: running(here) == 40)
        for reader in readers:
            leave(reader)
        await asyncio.to_thread(until, lambda: running(here) == 0)


@pytest.mark.slow
async def test_leaves_nothing_behind_of_500_clients_at_four_dialects(here: Walled) -> None:
    endings = await leave_at_random(here, 500, 2)
    assert min(endings.values()) > 5
    assert endings.total() > 450  # who leaves before the head is read has asked nothing
