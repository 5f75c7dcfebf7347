"""A fake of generativelanguage.googleapis.com that speaks its real wire: REST, streams, files and Live sessions.

    async with FakeGemini(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeGemini()) as fake:                    # in a thread, beside real processes
    python -m tests.fakes.gemini --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Drop, Fail, Long, NotJSON, OneByteAtATime, Script, Silence
from tests.fakes.gemini_answers import Cut, Garbled, Hold, Pause, Step, long_blocks, merged, sse, steps
from tests.fakes.gemini_checks import check_count, check_request
from tests.fakes.gemini_files import Files
from tests.fakes.gemini_live import LiveService
from tests.fakes.gemini_models import table
from tests.fakes.gemini_wire import (
    ApiError,
    Asked,
    Json,
    bad_key,
    bad_token,
    failure,
    no_key,
    unknown_model,
)
from tests.fakes.serving import Served, port_arguments, serve_until_stopped

_VERSION = r"/(?P<version>v1|v1beta|v1alpha|v1beta1)"
_VERTEX = r"(?P<vertex>/(?:projects/[^/]+/locations/[^/]+/)?publishers/google)"
_ASK = re.compile(rf"{_VERSION}{_VERTEX}?/models/(?P<model>.+):(?P<action>\w+)")
_MODEL = re.compile(rf"{_VERSION}{_VERTEX}?/models(?:/(?P<model>.+))?")
_FILE = re.compile(rf"{_VERSION}/(?P<name>files(?:/[^/]+)?)")
_UPLOAD = re.compile(r"/upload/(?P<version>v1|v1beta|v1alpha)/files")


class FakeGemini(Served):
    """The service. `requests` are those that came in, `gone` those whose client left before the answer was whole.

    `answers` go first; `script` takes more. `keys` and `tokens` are the good ones, `models` more model names.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        keys: Iterable[str] = ("test-key",),
        tokens: Iterable[str] = ("test-token",),
        models: Iterable[str] = (),
        keep_requests: bool = True,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(port=port, tls_port=tls_port)
        self.script = Script()
        self.script.extend(answers)
        self.keys = set(keys)
        self.tokens = set(tokens)
        self.models = table(*models)
        self.files = Files()
        self.live = LiveService(self.script, self.models, self.keys, self.tokens)
        self.requests: list[Asked] = []
        self.gone: list[Asked] = []
        self._keep = keep_requests

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/ws/"):
            return await self.live.handle(request, ending=lambda: self._ending)
        if request.path == "/-/state":
            return web.json_response(self._state())
        asked = Asked(request.method, request.path, dict(request.query), request.headers)
        if self._keep:
            self.requests.append(asked)
        try:
            return await self._answer(request, asked)
        except ApiError as error:
            asked.status = error.code
            told: Any = [error.json] if asked.streams and not asked.sse else error.json
            return web.Response(status=error.code, headers=error.headers, **_json(told))
        except (asyncio.CancelledError, ConnectionError):
            if not self._ending:
                self.gone.append(asked)
            raise

    async def _answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        data = await request.read()
        if _UPLOAD.fullmatch(asked.path) and "upload_id" in asked.query:
            return self.files.take(asked, data)
        if found := _ASK.fullmatch(asked.path):
            asked.model, asked.action, asked.version = found["model"], found["action"], found["version"]
            asked.vertex = found["vertex"] is not None
        self._admit(asked)
        if data:
            asked.body = _parse(data)
        if found:
            return await self._ask(request, asked, len(data))
        if _UPLOAD.fullmatch(asked.path):
            return self.files.start(asked, f"{request.scheme}://{request.host}")
        return web.Response(**_json(self._look_up(asked)))

    def _admit(self, asked: Asked) -> None:
        """Let good keys in, and good tokens."""
        if "Authorization" in asked.headers:
            if asked.key not in self.tokens:
                raise bad_token()
        elif not asked.key:
            raise bad_token() if asked.vertex else no_key()
        elif asked.key not in self.keys:
            raise bad_key()

    def _look_up(self, asked: Asked) -> Json:
        if (found := _MODEL.fullmatch(asked.path)) and asked.method == "GET":
            if found["model"] is None:
                return self._models(asked)
            if found["model"] not in self.models:
                raise ApiError(404, f"Model is not found: models/{found['model']} for api version {found['version']}")
            return self.models[found["model"]].json
        if found := _FILE.fullmatch(asked.path):
            match asked.method, found["name"]:
                case "GET", "files":
                    return self.files.every()
                case "GET", name:
                    return self.files.get(name)
                case "DELETE", name:
                    return self.files.delete(name)
        raise ApiError(404, "Requested entity was not found.")

    def _models(self, asked: Asked) -> Json:
        size = int(asked.query.get("pageSize") or 50)
        start = int(asked.query.get("pageToken") or 0)
        page = list(self.models.values())[start : start + size]
        more = {"nextPageToken": str(start + size)} if start + size < len(self.models) else {}
        return {"models": [model.json for model in page], **more}

    async def _ask(self, request: web.BaseRequest, asked: Asked, size: int) -> web.StreamResponse:
        known = self.models.get(asked.model)
        generates = asked.action in ("generateContent", "streamGenerateContent")
        if not generates and asked.action != "countTokens":
            raise ApiError(404, "Requested entity was not found.")
        if (known is None and not asked.model.startswith("fake-")) or (known and known.live):
            raise unknown_model(asked.model, asked.version, asked.action.replace("streamG", "g"))
        if not generates:
            count = check_count(asked).tokens
            details = [{"modality": "TEXT", "tokenCount": count}]
            return web.Response(**_json({"totalTokens": count, "promptTokensDetails": details}))
        check_request(asked, size)
        self.files.check_used(asked.content["contents"])
        return await self._behave(self.script.choose(asked.model, asked.prompt, asked.key), request, asked)

    async def _behave(self, behaviour: Behaviour, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        response_id = secrets.token_urlsafe(16)
        match behaviour:
            case Fail():
                raise failure(behaviour, asked.model)
            case NotJSON(status, text):
                asked.status = status
                return web.Response(status=status, text=text, content_type="text/html")
            case Drop(headers=False):
                return _hang_up(request)
            case Silence(headers=False):
                await asyncio.Event().wait()
        asked.status = 200
        taken = steps(behaviour, asked, response_id)
        if not asked.streams:
            return await _whole(request, taken)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream" if asked.sse else "application/json"}
        )
        await response.prepare(request)
        if not asked.sse:
            await _array(request, response, taken)
        elif isinstance(behaviour, Long):
            for block in long_blocks(behaviour.chunks, asked, response_id):
                await response.write(block)
        else:
            await _events(request, response, taken, one_byte=isinstance(behaviour, OneByteAtATime))
        return response

    def _state(self) -> Json:
        return {
            "connections": self.connections,
            "requests": len(self.requests),
            "running": self.running - 1,
            "most_running": self.most_running,
            "gone": len(self.gone),
        }


async def _events(
    request: web.BaseRequest, response: web.StreamResponse, taken: Iterator[Step], *, one_byte: bool = False
) -> None:
    """Send steps as server-sent events."""
    for step in taken:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.Event().wait()
            case Cut(event):
                await response.write(sse(event)[:40] if event else b"")
                _hang_up(request)
                return
            case Garbled(text):
                await response.write(f"data: {text}\r\n\r\n".encode())
            case _ if one_byte:
                for byte in sse(step):
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            case _:
                await response.write(sse(step))


async def _array(request: web.BaseRequest, response: web.StreamResponse, taken: Iterator[Step]) -> None:
    """Send steps as the elements of one JSON array, which is what a stream is without `alt=sse`."""
    before = "["
    for step in taken:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
                continue
            case Hold():
                await asyncio.Event().wait()
            case Cut():
                _hang_up(request)
                return
            case Garbled(text):
                await response.write((before + text).encode())
            case _:
                await response.write((before + json.dumps(step, ensure_ascii=False, indent=2)).encode())
        before = "\r\n,\r\n"
    await response.write(b"\r\n]")


async def _whole(request: web.BaseRequest, taken: Iterator[Step]) -> web.Response:
    """Send steps as the one response that they amount to."""
    events: list[Json] = []
    for step in taken:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.Event().wait()
            case Cut():
                return _hang_up(request)
            case Garbled(text):
                return web.Response(text=text, content_type="application/json")
            case {"error": {"code": code, "message": message}}:
                raise ApiError(code, message)
            case _:
                events.append(step)
    return web.Response(**_json(merged(events)))


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection, whatever is still to be said."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _parse(data: bytes) -> Any:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received. {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON payload received. Root element must be a message.")
    return body


def _json(value: Any) -> dict[str, Any]:
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    return {"body": text.encode(), "content_type": "application/json", "charset": "UTF-8"}


def main() -> None:
    parser = port_arguments("Serve a fake of the Gemini service.")
    parser.add_argument("--key", action="append", help="a key that is good (test-key)")
    given = parser.parse_args()
    fake = FakeGemini(keys=given.key or ["test-key"], port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
