"""How a fake over HTTP plays an answer, in whatever dialect, and what it keeps of those who asked."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Drop, Fail, Long, NotJSON, OneByteAtATime, Script, Silence
from tests.fakes.saying import Broken, Cut, Garbled, Hold, Pause, Saying, Step, steps
from tests.fakes.serving import Served


class ServiceError(Exception):
    """An error that a service answers with; `json` is its body."""

    def __init__(self, status: int, message: str, json: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.json = json
        self.headers = dict(headers or {})


class Playing(Served):
    """A service over HTTP. `requests` are those that came in, `gone` those whose client left before the answer was whole.

    `bodies` are the bytes of what came in, `sent` those of the answers that were played, as far as they got.
    `answers` go first; `script` takes more.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        keep_requests: bool = True,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(port=port, tls_port=tls_port)
        self.script = Script()
        self.script.extend(answers)
        self.requests: list[Any] = []
        self.gone: list[Any] = []
        self.bodies: list[bytes] = []
        self.sent: list[bytearray] = []
        self._keep = keep_requests

    @abstractmethod
    def asked(self, request: web.BaseRequest) -> Any:
        """A request as the dialect sees it: with `model`, `prompt`, `key`, `streams` and a `status` to fill in."""

    @abstractmethod
    async def answer(self, request: web.BaseRequest, asked: Any) -> web.StreamResponse:
        """Check what is asked, and answer it; raises `ServiceError`."""

    @abstractmethod
    def refusal(self, behaviour: Behaviour, asked: Any) -> ServiceError | None:
        """The error that a behaviour is, if it is one."""

    def refuse(self, asked: Any, error: ServiceError) -> web.Response:
        return self.respond(error.json, status=error.status, headers=error.headers)

    def respond(self, value: Any, **options: Any) -> web.Response:
        body = json.dumps(value, ensure_ascii=False).encode()
        return web.Response(body=body, content_type="application/json", **options)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/-/state":
            return web.json_response(self._state())
        asked = self.asked(request)
        if self._keep:
            self.requests.append(asked)
        try:
            if self._keep:
                self.bodies.append(await request.read())
            return await self.answer(request, asked)
        except ServiceError as error:
            asked.status = error.status
            return self.refuse(asked, error)
        except (asyncio.CancelledError, ConnectionError):
            if not self._ending:
                self.gone.append(asked)
            raise

    async def play(self, request: web.BaseRequest, asked: Any, saying: Callable[[], Saying]) -> web.StreamResponse:
        """Answer as the script says. `saying` is called once there is something to say."""
        behaviour = self.script.choose(asked.model, asked.prompt, asked.key)
        if error := self.refusal(behaviour, asked):
            raise error
        match behaviour:
            case NotJSON(status, text):
                asked.status = status
                return web.Response(status=status, text=text, content_type="text/html")
            case Drop(headers=False):
                return _hang_up(request)
            case Silence(headers=False):
                await asyncio.Event().wait()
        asked.status = 200
        say = saying()
        if not asked.streams:
            return self._noted(await self._whole(request, asked, steps(behaviour, say), say))
        sent = bytearray()
        if self._keep:
            self.sent.append(sent)
        response = _Noting(sent, headers=say.headers) if self._keep else web.StreamResponse(headers=say.headers)
        await response.prepare(request)
        if isinstance(behaviour, Long):
            for block in say.encode_long(behaviour.chunks):
                await response.write(block)
        else:
            one_byte = isinstance(behaviour, OneByteAtATime)
            await _stream(request, response, steps(behaviour, say), say, one_byte=one_byte)
        return response

    async def _whole(
        self, request: web.BaseRequest, asked: Any, taken: Iterator[Step], say: Saying
    ) -> web.StreamResponse:
        """Send steps as the one response that they amount to."""
        events: list[Any] = []
        for step in taken:
            match step:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Hold():
                    await asyncio.Event().wait()
                case Cut():
                    return _hang_up(request)
                case Garbled():
                    return web.Response(text=say.half, content_type="application/json")
                case Broken(status):
                    error = self.refusal(Fail(status), asked)
                    assert error is not None
                    raise error
                case _:
                    events.append(step)
        told = say.whole(events)
        return _hang_up(request) if told is None else self.respond(told)

    def _noted(self, response: web.StreamResponse) -> web.StreamResponse:
        if self._keep and isinstance(response, web.Response) and isinstance(response.body, bytes):
            self.sent.append(bytearray(response.body))
        return response

    def _state(self) -> dict[str, int]:
        return {
            "connections": self.connections,
            "requests": len(self.requests),
            "running": self.running - 1,
            "most_running": self.most_running,
            "gone": len(self.gone),
        }


class _Noting(web.StreamResponse):
    """Keeps what it writes."""

    def __init__(self, sent: bytearray, **options: Any) -> None:
        super().__init__(**options)
        self._sent = sent

    async def write(self, data: Any) -> None:
        self._sent += data
        await super().write(data)


async def _stream(
    request: web.BaseRequest, response: web.StreamResponse, taken: Iterator[Step], say: Saying, *, one_byte: bool
) -> None:
    """Send steps as they come."""
    for step in taken:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.Event().wait()
            case Cut(event):
                data = b"" if event is None else say.encode(event)
                await response.write(data[: len(data) // 2])
                _hang_up(request)
                return
            case _ if one_byte:
                for byte in say.encode(step):
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            case _:
                await response.write(say.encode(step))
    await response.write(say.encode_end())


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection, whatever is still to be said."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def json_object(data: bytes, otherwise: str = "it is no object") -> dict[str, Any]:
    """The body of a request; raises ValueError if it is none, in words of its own."""
    body = json.loads(data)
    if not isinstance(body, dict):
        raise ValueError(otherwise)
    return body
