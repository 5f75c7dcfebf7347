"""The fake Gemini service's Live sessions: turns over a WebSocket, answered in sound with a transcript or in text."""

import asyncio
import base64
import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Close,
    Drop,
    Fail,
    GoAway,
    Huge,
    InStreamError,
    Interrupted,
    Long,
    Malformed,
    OneByteAtATime,
    Script,
    Silence,
    TruncatedClean,
    UnknownFields,
)
from tests.fakes.gemini_answers import Garbled, Hold, Pause, echo, long_piece, sine, split
from tests.fakes.gemini_models import Live, Model
from tests.fakes.gemini_wire import (
    ApiError,
    Json,
    bad_key,
    bad_token,
    camel,
    check_config,
    check_fields,
    check_turn,
    failure,
    no_key,
    text_of,
    tokens,
    unknown_model,
)

_PATH = re.compile(
    r"/ws/google\.(?:ai\.generativelanguage|cloud\.aiplatform)\.(?P<version>v1|v1beta|v1alpha|v1beta1)"
    r"\.(?:GenerativeService\.|LlmBidiService/)BidiGenerateContent"
)
_SETUP = frozenset(
    "model generationConfig systemInstruction tools realtimeInputConfig sessionResumption contextWindowCompression "
    "inputAudioTranscription outputAudioTranscription proactivity explicitVadSignal historyConfig avatarConfig "
    "safetySettings labels".split()
)
_REALTIME = frozenset("mediaChunks audio audioStreamEnd video text activityStart activityEnd".split())
_MESSAGES = frozenset({"setup", "clientContent", "realtimeInput", "toolResponse"})
_PIECE_SECONDS = 0.04
_SEND_BUFFER = 65_536
"""Bytes that the system keeps for a client that does not read."""


@dataclass(frozen=True)
class _Closing:
    code: int
    reason: str = ""


@dataclass
class Session:
    """One connection: what was set up, what was said, and how it ended.

    `context` is the conversation as the model knows it, seeded turns and those of an earlier connection first.
    `sent` counts messages that the client's side has taken; it stands still while the client does not read.
    """

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


class LiveService:
    """`sessions` are those that were opened, `refusals` the errors that the next handshakes are answered with."""

    def __init__(self, script: Script, models: Mapping[str, Model], keys: set[str], tokens: set[str]) -> None:
        self.sessions: list[Session] = []
        self.refusals: list[Fail] = []
        self._script = script
        self._models = models
        self._keys = keys
        self._tokens = tokens
        self._kept: dict[str, list[Json]] = {}

    def forget(self) -> None:
        """Make every handle that was given out an unknown one."""
        self._kept.clear()

    async def handle(self, request: web.BaseRequest, ending: Callable[[], bool]) -> web.StreamResponse:
        found = _PATH.fullmatch(request.path)
        if found is None:
            raise web.HTTPNotFound
        if self.refusals:
            error = failure(self.refusals.pop(0))
            return web.json_response(error.json, status=error.code, headers=error.headers)
        ws = web.WebSocketResponse(compress=False, max_msg_size=0, autoclose=False, timeout=1.0)
        await ws.prepare(request)
        session = Session(ws=ws, transport=request.transport, key=_key(request))
        if request.transport is not None:
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.sessions.append(session)
        try:
            await self._converse(session, request, found["version"])
        except (asyncio.CancelledError, ConnectionError):
            session.ended(1006, "", "server" if ending() else "client")
            raise
        return ws

    async def _converse(self, session: Session, request: web.BaseRequest, version: str) -> None:
        setup = await _receive(session)
        if setup is None:
            return
        try:
            self._admit(request)
            self._set_up(session, setup, version)
        except (ApiError, RefusedError) as error:
            await session.close(*_closing(error))
            return
        await session.send({"setupComplete": {}})
        async with asyncio.TaskGroup() as tasks:
            await _Turns(session, self.live_of(session.model) or Live(), self, tasks).run()

    def _admit(self, request: web.BaseRequest) -> None:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        key = _key(request)
        if bearer:
            if bearer not in self._tokens:
                raise bad_token()
        elif not key:
            raise no_key()
        elif key not in self._keys:
            raise bad_key()

    def _set_up(self, session: Session, message: Json, version: str) -> None:
        if set(message) != {"setup"}:
            raise RefusedError("Request contains an invalid argument.")
        setup = message["setup"]
        check_fields(setup, _SETUP, "setup")
        check_config(setup.get("generationConfig", {}), "setup.generation_config")
        if "systemInstruction" in setup:
            check_turn(setup["systemInstruction"], "setup.system_instruction", roles=None)
        session.setup = setup
        session.model = setup.get("model", "").rpartition("models/")[2]
        live = self.live_of(session.model)
        if live is None:
            raise unknown_model(session.model, version, "bidiGenerateContent")
        modalities = setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"])
        if ("TEXT" in modalities) != live.text or len(modalities) != 1:
            seeds = live.seeds or live.text
            raise RefusedError("Request contains an invalid argument." if seeds else _NO_VOICE)
        thinking = setup.get("generationConfig", {}).get("thinkingConfig", {})
        if "thinkingLevel" in thinking and not live.thinking_level:
            raise RefusedError("Thinking level is not supported for this model.")
        session.handle = (setup.get("sessionResumption") or {}).get("handle")
        if session.handle is not None:
            if session.handle not in self._kept:
                raise RefusedError("BidiGenerateContent session not found", code=1008)
            session.context = deepcopy(self._kept[session.handle])
            session.spoken_to = True

    def live_of(self, model: str) -> Live | None:
        """How a model takes part; one that is named after a keyword does it as the newest do."""
        if model.startswith("fake-"):
            return Live(seeds=True)
        return self._models[model].live if model in self._models else None

    def choose(self, session: Session, prompt: str) -> Behaviour:
        return self._script.choose(session.model, prompt, session.key)

    def keep(self, session: Session) -> str:
        """Remember a conversation, and return the handle that continues it."""
        handle = f"handle-{len(self._kept) + 1}-of-session-{self.sessions.index(session) + 1}"
        self._kept[handle] = deepcopy(session.context)
        session.handles.append(handle)
        return handle


_NO_VOICE = "Cannot extract voices from a non-audio request."


class RefusedError(Exception):
    def __init__(self, reason: str, *, code: int = 1007) -> None:
        super().__init__(reason)
        self.code = code


class _Turns:
    """The turns of one session: reads what the client says, and answers one turn at a time."""

    def __init__(self, session: Session, live: Live, service: LiveService, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._live = live
        self._service = service
        self._tasks = tasks
        self._answering: asyncio.Task[None] | None = None
        self._said = ""
        self._heard = 0

    async def run(self) -> None:
        session = self._session
        while (message := await _receive(session)) is not None:
            try:
                await self._take(message)
            except (ApiError, RefusedError) as error:
                await session.close(*_closing(error))
                break
        if self._answering is not None and session.closed_by != "server":
            self._answering.cancel()

    async def _take(self, message: Json) -> None:
        check_fields(message, _MESSAGES, "")
        match message:
            case {"clientContent": content}:
                await self._take_content(content)
            case {"realtimeInput": given}:
                await self._take_realtime(given)
            case {"toolResponse": {"functionResponses": responses}}:
                await self._answer({"role": "user", "parts": [{"functionResponse": each} for each in responses]})
            case _:
                raise RefusedError("Request contains an invalid argument.")

    async def _take_content(self, content: Json) -> None:
        """Take turns: as history only, or as what is to be answered, as the model has it."""
        check_fields(content, frozenset({"turns", "turnComplete"}), "client_content")
        turns = content.get("turns") or []
        for number, turn in enumerate(turns):
            check_turn(turn, f"client_content.turns[{number}]")
        if self._live.seeds:
            history = self._session.setup.get("historyConfig") or {}
            if not history.get("initialHistoryInClientContent") or self._session.spoken_to:
                raise RefusedError("Request contains an invalid argument.")
            self._session.context += turns
            self._session.spoken_to = bool(content.get("turnComplete"))
            return
        await self._interrupt()
        self._session.context += turns
        if content.get("turnComplete"):
            self._start()

    async def _take_realtime(self, given: Json) -> None:
        check_fields(given, _REALTIME, "realtime_input")
        self._session.spoken_to = True
        for blob in [given.get("audio"), *given.get("mediaChunks", [])]:
            self._heard += len((blob or {}).get("data", "")) * 3 // 4
        if "text" in given:
            await self._answer({"role": "user", "parts": [{"text": given["text"]}]})
        elif self._heard and (given.get("audioStreamEnd") or "activityEnd" in given):
            heard, self._heard = f"{self._heard} bytes of sound", 0
            if "inputAudioTranscription" in self._session.setup:
                await self._session.send({"serverContent": {"inputTranscription": {"text": heard}}})
            await self._answer({"role": "user", "parts": [{"text": heard}]})

    async def _answer(self, turn: Json) -> None:
        await self._interrupt()
        self._session.context.append(turn)
        self._start()

    def _start(self) -> None:
        self._answering = self._tasks.create_task(self._play())

    async def _interrupt(self) -> None:
        """End the answer that is under way, since the user has spoken."""
        if self._answering is None or self._answering.done():
            return
        self._answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._answering
        self._remember()
        await self._session.send({"serverContent": {"interrupted": True}})
        await self._session.send({"serverContent": {"turnComplete": True}})

    async def _play(self) -> None:
        session = self._session
        turn = session.context[-1]
        behaviour = self._service.choose(session, text_of(turn))
        try:
            for step in self._steps(behaviour, turn):
                match step:
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case Hold():
                        await asyncio.Event().wait()
                    case _Closing(code, reason):
                        await session.close(code, reason)
                        return
                    case Garbled(text):
                        await session.send(text)
                    case dict():
                        await session.send(step)
        except ConnectionError:
            session.ended(1006, "", "client")

    def _steps(self, behaviour: Behaviour, turn: Json) -> Iterator[Json | Pause | Hold | _Closing | Garbled]:
        match behaviour:
            case Answer():
                yield from self._whole(behaviour, turn)
            case UnknownFields(messages):
                if messages:
                    yield {"sunriseReport": {"colour": "red"}}
                for message in self._whole(Answer(), turn):
                    if isinstance(message, dict) and "serverContent" in message:
                        message["serverContent"]["mood"] = {"calm": 0.9}
                    yield message
            case Long(chunks):
                yield from (message for number in range(chunks) for message in self._piece(long_piece(number)))
                yield from self._ending()
            case Huge(size):
                yield from self._piece("x" * size)
                yield from self._ending()
            case OneByteAtATime(text):
                yield from self._whole(Answer(text), turn)
            case GoAway():
                yield from self._go_away(behaviour, turn)
            case Interrupted(after):
                yield from self._first(after)
                yield {"serverContent": {"interrupted": True}}
                yield from self._ending(interrupted=True)
            case Silence(after):
                yield from self._first(after)
                yield Hold()
            case Malformed(after):
                yield from self._first(after)
                yield Garbled()
                yield from self._ending()
            case Drop(after):
                yield from self._first(after)
                yield _Closing(1006)
            case Close(code, reason, after):
                yield from self._first(after)
                yield _Closing(code, reason)
            case TruncatedClean(after):
                yield from self._first(after)
                yield _Closing(1000)
            case InStreamError(code, after):
                yield from self._first(after)
                yield _Closing(1011, str(failure(Fail(code))))
            case Fail():
                yield _Closing(1011, str(failure(behaviour)))
            case _:
                yield from self._whole(Answer(), turn)

    def _whole(self, answer: Answer, turn: Json) -> Iterator[Json | Pause]:
        yield Pause(answer.first_delay)
        for piece in self._pieces(answer, turn):
            yield from self._piece(piece)
            yield Pause(answer.delay)
        if answer.tool_calls:
            calls = [
                {
                    "id": f"call-{self._service.sessions.index(self._session) + 1}-{number}",
                    "name": name,
                    "args": dict(args),
                }
                for number, (name, args) in enumerate(answer.tool_calls, 1)
            ]
            self._session.context.append({"role": "model", "parts": [{"functionCall": call} for call in calls]})
            yield {"toolCall": {"functionCalls": calls}}
        else:
            yield from self._ending(usage=answer.usage)

    def _pieces(self, answer: Answer, turn: Json) -> list[str]:
        if isinstance(answer.chunks, tuple):
            return list(answer.chunks)
        if answer.text is None and answer.chunks is not None:
            return [f"{number} " for number in range(1, answer.chunks + 1)]
        return split(echo(turn) if answer.text is None else answer.text, answer.chunks)

    def _first(self, pieces: int) -> Iterator[Json | Pause]:
        for number in range(pieces):
            yield from self._piece(f"piece {number + 1} ")
            yield Pause(0)

    def _go_away(self, behaviour: GoAway, turn: Json) -> Iterator[Json | Pause | _Closing]:
        pieces = self._pieces(Answer(), turn)
        before, after = pieces[: behaviour.after], pieces[behaviour.after :]
        for piece in before:
            yield from self._piece(piece)
        yield {"goAway": {"timeLeft": behaviour.time_left}}
        for piece in after[: behaviour.more]:
            yield from self._piece(piece)
        if behaviour.more is None:
            yield from self._ending()
        yield _Closing(behaviour.code, "The service is going away.")

    def _piece(self, text: str) -> Iterator[Json]:
        """A part of the answer: as text, or as sound followed by its transcript."""
        self._said += text
        if self._session.in_text:
            yield {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": text}]}}}
            return
        blob = {"mimeType": "audio/pcm;rate=24000", "data": _tone()}
        yield {"serverContent": {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}}}
        if "outputAudioTranscription" in self._session.setup:
            yield {"serverContent": {"outputTranscription": {"text": text}}}

    def _ending(self, *, interrupted: bool = False, usage: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """What closes a turn: the completion, what it cost, and the handle to come back with."""
        session = self._session
        prompt = sum(tokens(turn) for turn in session.context)
        spoken = len(self._said.split())
        self._remember()
        if not interrupted:
            yield {"serverContent": {"generationComplete": True}}
        counted = {
            "promptTokenCount": prompt,
            "responseTokenCount": spoken,
            "totalTokenCount": prompt + spoken,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
            "responseTokensDetails": [{"modality": "TEXT" if session.in_text else "AUDIO", "tokenCount": spoken}],
        }
        yield {"serverContent": {"turnComplete": True}, "usageMetadata": dict(usage or counted)}
        if "sessionResumption" in session.setup:
            yield {"sessionResumptionUpdate": {"newHandle": self._service.keep(session), "resumable": True}}

    def _remember(self) -> None:
        if self._said:
            self._session.context.append({"role": "model", "parts": [{"text": self._said}]})
        self._said = ""


async def _receive(session: Session) -> Json | None:
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


def _key(request: web.BaseRequest) -> str | None:
    return request.headers.get("x-goog-api-key") or request.query.get("key")


def _closing(error: ApiError | RefusedError) -> tuple[int, str]:
    if isinstance(error, RefusedError):
        return error.code, str(error)
    return (1008 if error.code in (401, 403, 404) else 1007), str(error)


def _short(reason: str) -> bytes:
    """A close frame has room for 123 bytes of reason."""
    return reason.encode()[:123]


@cache
def _tone() -> str:
    return base64.b64encode(sine(_PIECE_SECONDS)).decode()
