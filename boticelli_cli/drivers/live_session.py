"""One Live session: a connection, what it was set up with, and the turns it has been through."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from boticelli_cli.drivers.base import meter_at_hand
from boticelli_cli.drivers.gemini_access import PROVIDER
from boticelli_cli.drivers.live_errors import translating
from boticelli_cli.drivers.live_turn import LiveTurn
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.errors import ProviderError, RefusedError
from boticelli_cli.messages import Delta, Media, Message, Part, Request, Text, Thinking, Tool
from boticelli_cli.wire.gemini import thinking_config

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.live import AsyncSession
    from google.genai.types import LiveServerMessage

__all__ = ["LiveSession", "Setup", "words_of"]

_AFTERWARDS = 0.25
"""Seconds after an answer's end within which what belongs to it may still come."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a session is set up with, and cannot be changed afterwards.

    With `spoken` the model speaks, and its transcript is the text; with `realtime` only the history is sent as
    turns, and what is to be answered as it comes to mind: from gemini-3.1 on, Live models want it so.
    """

    model: str
    spoken: bool = True
    realtime: bool = True
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    thinking: Thinking | None = None
    show_thoughts: bool = True
    tools: tuple[Tool, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def config(self, *, handle: str | None, seeded: bool) -> dict[str, Any]:
        """The session's configuration, in google-genai's words. Sessions may last, and can be taken up again."""
        config: dict[str, Any] = {
            "response_modalities": ["AUDIO" if self.spoken else "TEXT"],
            "session_resumption": {"handle": handle} if handle else {},
            "context_window_compression": {"sliding_window": {}},
            "system_instruction": self.system,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_output_tokens": self.max_tokens,
            "thinking_config": thinking_config(self.thinking, show=self.show_thoughts),
            "tools": [{"function_declarations": [_declared(tool) for tool in self.tools]}] if self.tools else None,
        }
        if self.spoken:
            config["output_audio_transcription"] = {}
        if seeded and self.realtime:
            config["history_config"] = {"initial_history_in_client_content": True}
        return {name: value for name, value in config.items() if value is not None} | dict(self.options)


class LiveSession:
    """A session that is open, or was. One answer at a time is asked of it.

    `is_settled` once an answer is complete; `is_leaving` when the server is about to close it; `handle` takes
    it up again on a new connection.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.turns: tuple[Message, ...] = ()
        self.handle: str | None = None
        self.is_leaving = False
        self.is_settled = False
        self._stack = AsyncExitStack()
        self._session: AsyncSession | None = None

    async def open(self, client: "Client", patience: Patience, *, handle: str | None, seeded: bool) -> None:
        """Connect. With a `handle`, an earlier session goes on; `seeded`: a history follows. Raises ProviderError."""
        with translating(patience):
            config: Any = self.setup.config(handle=handle, seeded=seeded)
            connection = client.aio.live.connect(model=self.setup.model, config=config)
            self._session = await patience.wait_for(self._stack.enter_async_context(connection))
        if self._session.setup_complete is None:
            await self.close()
            raise ProviderError("the live session did not confirm its setup", provider=PROVIDER)

    async def close(self) -> None:
        """Say goodbye, and hang up: to the end, even when it is cancelled, which takes as long as a goodbye may."""
        session, self._session = self._session, None
        closing = asyncio.ensure_future(self._hang_up(session))
        cancelled = False
        while not closing.done():
            try:
                await asyncio.wait({closing})
            except asyncio.CancelledError:
                cancelled = True
        if not closing.cancelled() and (error := closing.exception()) is not None:
            _log.debug("a live session was gone before its goodbye: %s", type(error).__name__)
        if cancelled:
            raise asyncio.CancelledError

    async def _hang_up(self, session: "AsyncSession | None") -> None:
        """Close the connection. The server's own goodbye is behind all that it has sent, which is read away."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_read_away(session)) if session is not None else None
            try:
                await self._stack.aclose()
            finally:
                if reading is not None:
                    reading.cancel()

    async def catch_up(self) -> None:
        """Take in what has arrived since the last answer: a newer handle, and whether the server is leaving or left."""
        if self._session is None:
            return
        try:
            async with asyncio.timeout(0):
                while True:
                    self._note(await self._next())
        except TimeoutError:
            pass
        except Exception:
            self.is_leaving = True

    async def say(self, request: Request, patience: Patience, *, known: int) -> None:
        """Send the turns that the session does not know: all after the first `known`. Raises ProviderError."""
        session = self._session
        assert session is not None
        new = request.messages[known:]
        self.is_settled = False
        with translating(patience):
            if not self.setup.realtime:
                await patience.wait_for(session.send_client_content(turns=_contents(new), turn_complete=True))
                return
            if seed := _seed(new):
                await patience.wait_for(session.send_client_content(turns=_contents(seed), turn_complete=True))
            await patience.wait_for(session.send_realtime_input(text=words_of(new[-1])))

    async def answer(self, request: Request, patience: Patience) -> AsyncGenerator[Delta, None]:
        """The answer to what has been said, a `Finish` at its end. Raises ProviderError."""
        turn = LiveTurn(self.setup.model, spoken=self.setup.spoken, meter=meter_at_hand())
        try:
            async with aclosing(self._messages(patience)) as messages:
                async for message in messages:
                    for delta in turn.read(message):
                        yield delta
                    if turn.is_over:
                        break
        except ProviderError:
            if patience.answered:
                for delta in turn.sound():
                    yield delta
            raise
        for delta in await self._hear_out(turn):
            yield delta
        for delta in turn.sound():
            yield delta
        finish = turn.finish()
        if finish.reason == "stop":
            said = "".join(turn.text)
            self.turns = (*request.messages, *((Message("assistant", (Text(said),)),) if said else ()))
            self.is_settled = True
        yield finish

    async def _messages(self, patience: Patience) -> "AsyncGenerator[LiveServerMessage, None]":
        """All that the server says from now on."""
        while True:
            with translating(patience):
                message = await patience.wait_for(self._next())
            self._note(message)
            if message is not None:
                yield message

    async def _hear_out(self, turn: LiveTurn) -> list[Delta]:
        """Wait a moment for what may follow an answer: its count of tokens; of a session that is to end, a handle."""
        late: list[Delta] = []
        try:
            async with asyncio.timeout(_AFTERWARDS):
                while turn.usage is None or (self.is_leaving and self.handle is None):
                    message = await self._next()
                    self._note(message)
                    late += turn.read(message) if message is not None else ()
        except TimeoutError:
            pass
        except Exception:
            self.is_leaving = True
        return late

    async def _next(self) -> "LiveServerMessage | None":
        """The next message; None for one of a kind that google-genai does not know, which it fails on (3.4.0)."""
        assert self._session is not None
        received = cast("AsyncGenerator[LiveServerMessage, None]", self._session.receive())
        async with aclosing(received):
            try:
                return await anext(received)
            except TypeError:
                return None

    def _note(self, message: "LiveServerMessage | None") -> None:
        """Remember what a message says of the session itself. A handle does not know what is said after it."""
        if message is None:
            return
        if message.server_content is not None:
            self.handle = None
        update = message.session_resumption_update
        if update is not None:
            self.handle = update.new_handle if update.resumable and update.new_handle else None
        if message.go_away is not None:
            self.is_leaving = True


async def _read_away(session: "AsyncSession") -> None:
    with suppress(Exception):  # ends with the connection
        while True:
            async for _ in session.receive():
                pass


def words_of(message: Message) -> str:
    """What a turn says, without its media."""
    return "\n\n".join(part.text for part in message.parts if isinstance(part, Text))


def _seed(new: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns that come before the words that are to be answered; media of the last turn are among them."""
    last = new[-1]
    rest = tuple(part for part in last.parts if not isinstance(part, Text))
    return (*new[:-1], *((Message(last.role, rest),) if rest else ()))


def _contents(messages: tuple[Message, ...]) -> Any:
    return [
        {"role": "user" if each.role == "user" else "model", "parts": [_part(part) for part in each.parts]}
        for each in messages
    ]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Media(_, mime, data, url, _) if data is None:
            return {"file_data": {"mime_type": mime, "file_uri": url}}
        case Media(_, mime, data, _, _):
            return {"inline_data": {"mime_type": mime, "data": data}}
    raise RefusedError(f"a live session takes no {type(part).__name__} in its turns", provider=PROVIDER)


def _declared(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters_json_schema": tool.parameters}
