"""The turns of a Live session: what the client says, and how the fake Gemini service answers it."""

import asyncio
import base64
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Close,
    Drop,
    Events,
    Fail,
    GoAway,
    Huge,
    InStreamError,
    Interrupted,
    Long,
    Malformed,
    OneByteAtATime,
    Silence,
    TruncatedClean,
    UnknownFields,
)
from tests.fakes.gemini_answers import HALF, echo
from tests.fakes.gemini_checks import check_fields, check_turn
from tests.fakes.gemini_models import Live
from tests.fakes.gemini_session import RefusedError, Session, receive, refusal
from tests.fakes.gemini_wire import ApiError, Json, failure, text_of, tokens
from tests.fakes.material import long_piece, pieces, sine
from tests.fakes.saying import Garbled, Hold, Pause

_REALTIME = frozenset("mediaChunks audio audioStreamEnd video text activityStart activityEnd".split())
_MESSAGES = frozenset({"setup", "clientContent", "realtimeInput", "toolResponse"})
_PIECE_SECONDS = 0.04


class Service(Protocol):
    """What a session needs of the service around it."""

    def choose(self, session: Session, prompt: str) -> Behaviour:
        """What to do with a turn."""

    def keep(self, session: Session) -> str:
        """Remember a conversation, and return the handle that continues it."""


@dataclass(frozen=True)
class _Closing:
    code: int
    reason: str = ""


class Turns:
    """The turns of one session: reads what the client says, and answers one turn at a time."""

    def __init__(self, session: Session, live: Live, service: Service, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._live = live
        self._service = service
        self._tasks = tasks
        self._answering: asyncio.Task[None] | None = None
        self._said = ""
        self._heard = 0

    async def run(self) -> None:
        session = self._session
        while (message := await receive(session)) is not None:
            try:
                await self._take(message)
            except (ApiError, RefusedError) as error:
                await session.close(*refusal(error))
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
        if not self._session.context:
            raise RefusedError("Request contains an invalid argument.")
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
                    case Garbled():
                        await session.send(HALF)
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
            case Events(events):
                yield from (dict(event) for event in events)
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
        for piece in pieces(answer, echo(turn)):
            yield from self._piece(piece)
            yield Pause(answer.delay)
        if answer.tool_calls:
            calls = [
                {
                    "id": f"call-{self._session.number}-{number}",
                    "name": name,
                    "args": dict(args),
                }
                for number, (name, args) in enumerate(answer.tool_calls, 1)
            ]
            self._session.context.append({"role": "model", "parts": [{"functionCall": call} for call in calls]})
            yield {"toolCall": {"functionCalls": calls}}
        else:
            yield from self._ending(usage=answer.usage)

    def _first(self, pieces: int) -> Iterator[Json | Pause]:
        for number in range(pieces):
            yield from self._piece(f"piece {number + 1} ")
            yield Pause(0)

    def _go_away(self, behaviour: GoAway, turn: Json) -> Iterator[Json | Pause | _Closing]:
        said = pieces(Answer(), echo(turn))
        before, after = said[: behaviour.after], said[behaviour.after :]
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


@cache
def _tone() -> str:
    return base64.b64encode(sine(_PIECE_SECONDS)).decode()
