"""The fake Gemini service's Live sessions: turns over a WebSocket, answered in sound with a transcript or in text."""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from copy import deepcopy

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Fail, Script
from tests.fakes.gemini_checks import check_config, check_fields, check_turn
from tests.fakes.gemini_models import Live, Model
from tests.fakes.gemini_session import RefusedError, Session, receive, refusal
from tests.fakes.gemini_turns import Turns
from tests.fakes.gemini_wire import ApiError, Json, bad_key, bad_token, failure, no_key, unknown_model

_PATH = re.compile(
    r"/ws/google\.(?:ai\.generativelanguage|cloud\.aiplatform)\.(?P<version>v1|v1beta|v1alpha|v1beta1)"
    r"\.(?:GenerativeService\.|LlmBidiService/)BidiGenerateContent"
)
_SETUP = frozenset(
    "model generationConfig systemInstruction tools realtimeInputConfig sessionResumption contextWindowCompression "
    "inputAudioTranscription outputAudioTranscription proactivity explicitVadSignal historyConfig avatarConfig "
    "safetySettings labels".split()
)
_SEND_BUFFER = 65_536
"""Bytes that the system keeps for a client that does not read."""


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
            return web.json_response(error.json, status=error.status, headers=error.headers)
        ws = web.WebSocketResponse(compress=False, max_msg_size=0, autoclose=False, timeout=1.0)
        await ws.prepare(request)
        session = Session(len(self.sessions) + 1, ws=ws, transport=request.transport, key=_key(request))
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
        setup = await receive(session)
        if setup is None:
            return
        try:
            self._admit(request)
            self._set_up(session, setup, version)
        except (ApiError, RefusedError) as error:
            await session.close(*refusal(error))
            return
        await session.send({"setupComplete": {}})
        async with asyncio.TaskGroup() as tasks:
            await Turns(session, self.live_of(session.model) or Live(), self, tasks).run()

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
        handle = f"handle-{len(self._kept) + 1}-of-session-{session.number}"
        self._kept[handle] = deepcopy(session.context)
        session.handles.append(handle)
        return handle


_NO_VOICE = "Cannot extract voices from a non-audio request."


def _key(request: web.BaseRequest) -> str | None:
    return request.headers.get("x-goog-api-key") or request.query.get("key")
