"""One Live session of the fake Gemini service: what it remembers, and its messages as bytes."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.gemini_wire import ApiError, Json, camel, text_of


@dataclass
class Session:
    """One connection: what was set up, what was said, and how it ended.

    `context` is the conversation as the model knows it, seeded turns and those of an earlier connection first.
    `sent` counts messages that the client's side has taken; it stands still while the client does not read.
    """

    number: int
    setup: Json = field(default_factory=dict)
    model: str = ""
    key: str | None = None
    context: list[Json] = field(default_factory=list)
    received: list[Json] = field(default_factory=list)
    handle: str | None = None
    handles: list[str] = field(default_factory=list)
    sent: int = 0
    close_code: int | None = None
    close_reason: str = ""
    closed_by: str = ""
    ws: web.WebSocketResponse | None = field(default=None, repr=False)
    transport: asyncio.Transport | None = field(default=None, repr=False)
    spoken_to: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The conversation as (role, text)."""
        return [(turn.get("role", "user"), text_of(turn)) for turn in self.context]

    @property
    def in_text(self) -> bool:
        modalities = self.setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"])
        return "TEXT" in modalities

    async def send(self, message: Mapping[str, Any] | str) -> None:
        """Send a message; a text goes as it is."""
        assert self.ws is not None
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        await self.ws.send_bytes(text.encode())
        self.sent += 1

    async def close(self, code: int, reason: str = "") -> None:
        """Close from the service's side; 1006 breaks the connection."""
        self.ended(code, reason, "server")
        if code == 1006:
            assert self.transport is not None
            self.transport.abort()
        elif self.ws is not None:
            await self.ws.close(code=code, message=_short(reason))

    def ended(self, code: int, reason: str, by: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason, self.closed_by = code, reason, by
            self.over.set()


async def receive(session: Session) -> Json | None:
    """The client's next message; None once the session is over."""
    assert session.ws is not None
    message = await session.ws.receive()
    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
        try:
            value = camel(json.loads(message.data))
        except ValueError:
            value = None
        if not isinstance(value, dict):
            await session.close(1007, "Invalid JSON payload received.")
            return None
        session.received.append(value)
        return value
    if message.type is WSMsgType.CLOSE:
        session.ended(message.data, message.extra or "", "client")
        await session.ws.close(code=message.data if message.data != 1005 else 1000)
    else:
        session.ended(1006, "", "client")
    return None


class RefusedError(Exception):
    """What closes a session, with the reason that the client is told."""

    def __init__(self, reason: str, *, code: int = 1007) -> None:
        super().__init__(reason)
        self.code = code


def refusal(error: ApiError | RefusedError) -> tuple[int, str]:
    """The code and the reason to close with."""
    if isinstance(error, RefusedError):
        return error.code, str(error)
    return (1008 if error.status in (401, 403, 404) else 1007), str(error)


def _short(reason: str) -> bytes:
    """A close frame has room for 123 bytes of reason, and no half characters."""
    return reason.encode()[:123].decode(errors="ignore").encode()
