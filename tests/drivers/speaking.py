"""What the tests of the Live driver share: a driver pointed at the fake, turns to ask of it, and what came back."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from boticelli_cli.catalog import Catalog
from boticelli_cli.catalog_entries import Entries, Model
from boticelli_cli.drivers.base import Driver
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.gemini_live import GeminiLive
from boticelli_cli.messages import Delta, Media, MediaDelta, Message, Request, Text, TextDelta
from tests.fakes.gemini import FakeGemini
from tests.fakes.gemini_session import Session

MODEL = "gemini-3.8-live"
OLDER = "gemini-2.5-flash-native-audio-latest"
IN_TEXT = "legacy-live-text"
TEXT_CATALOG = Catalog(lambda _: Entries((Model(IN_TEXT, "gemini", "live", live_text=True, live_turns="content"),)))


@asynccontextmanager
async def driving(
    fake: FakeGemini, *, key: str = "test-key", catalog: Catalog | None = None, url: str | None = None
) -> AsyncIterator[GeminiLive]:
    """A driver that asks the fake; what it opened is closed."""
    driver = GeminiLive(GeminiAccess(key, url or fake.tls_url), catalog or Catalog.builtin())
    try:
        yield driver
    finally:
        await driver.aclose()


def request(*said: str, model: str = MODEL, media: tuple[Media, ...] = (), **settings: Any) -> Request:
    """Turns of the user and the model by turns, the user's first; `media` come with the last."""
    roles: tuple[Any, ...] = ("user", "assistant")
    turns = [Message(roles[at % 2], (Text(text),)) for at, text in enumerate(said)]
    if media:
        turns[-1] = Message("user", (*media, *turns[-1].parts))
    return Request(model, tuple(turns), **settings)


async def collect(driver: Driver, asked: Request) -> tuple[list[Delta], Exception | None]:
    """All deltas, and the error that ended them."""
    deltas: list[Delta] = []
    try:
        async with driver.stream(asked) as stream:
            async for delta in stream:
                deltas.append(delta)
    except Exception as error:
        return deltas, error
    return deltas, None


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def sound_of(deltas: list[Delta]) -> tuple[int, bytes]:
    """The rate and the samples of the one sound among the deltas."""
    [media] = [delta.media for delta in deltas if isinstance(delta, MediaDelta)]
    return samples_of(media)


def samples_of(media: Media) -> tuple[int, bytes]:
    assert (media.kind, media.mime) == ("audio", "audio/wav")
    with wave.open(io.BytesIO(media.data or b"")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        samples = sound.readframes(sound.getnframes())
        assert len(samples) == sound.getnframes() * 2
        return sound.getframerate(), samples


def sent_to(session: Session) -> list[str]:
    """The kinds of what a session was sent after its setup."""
    return [next(iter(message)) for message in session.received[1:]]


async def settle(fake: FakeGemini) -> None:
    """Let the fake see what the driver did last."""
    for _ in range(500):
        if not fake.running:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a session was left open")
