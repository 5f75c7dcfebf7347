"""A fake of api.openai.com that speaks its real wire, chat completions; or of a server that speaks it in its own manner.

    async with FakeOpenAI(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeOpenAI(flavour="ollama")) as fake:    # in a thread, beside real processes
    python -m tests.fakes.openai --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`. The base URL for clients is `base_url`.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Blocked, Drop, Fail, Long, NotJSON, OneByteAtATime, Script, Silence
from tests.fakes.gemini_answers import Cut, Garbled, Hold, Pause
from tests.fakes.openai_answers import Comment, Done, Step, long_blocks, merged, sse, steps
from tests.fakes.openai_checks import check_loosely, check_request
from tests.fakes.openai_wire import (
    MODELS,
    ApiError,
    Asked,
    Flavour,
    Json,
    bad_key,
    blocked,
    failure,
    no_key,
    unknown_model,
)
from tests.fakes.serving import Served, port_arguments, serve_until_stopped


class FakeOpenAI(Served):
    """The service. `requests` are those that came in, `gone` those whose client left before the answer was whole.

    `answers` go first; `script` takes more. `keys` are the good ones, `models` more model names. As `ollama` it wants no
    key, tells thoughts as `reasoning` and counts no tokens of a stream; as `openrouter` it comments, tells thoughts twice
    and its usage always.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        flavour: Flavour = "openai",
        keys: Iterable[str] = ("test-key",),
        models: Iterable[str] = (),
        keep_requests: bool = True,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(port=port, tls_port=tls_port)
        self.flavour = flavour
        self.script = Script()
        self.script.extend(answers)
        self.keys = set(keys)
        self.models = [*MODELS[flavour], *models]
        self.requests: list[Asked] = []
        self.gone: list[Asked] = []
        self._keep = keep_requests

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/-/state":
            return web.json_response(self._state())
        asked = Asked(request.method, request.path, request.headers, self.flavour)
        if self._keep:
            self.requests.append(asked)
        try:
            return await self._answer(request, asked)
        except ApiError as error:
            asked.status = error.status
            return web.json_response(error.json(self.flavour), status=error.status, headers=error.headers)
        except (asyncio.CancelledError, ConnectionError):
            if not self._ending:
                self.gone.append(asked)
            raise

    async def _answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        data = await request.read()
        if self.flavour != "ollama":
            self._admit(asked)
        match asked.method, asked.path:
            case "POST", "/v1/chat/completions":
                asked.body = _parse(data)
                return await self._ask(request, asked)
            case "GET", "/v1/models":
                return web.json_response(self._models())
        message = f"Invalid URL ({asked.method} {asked.path})"
        raise ApiError(404, message)

    def _admit(self, asked: Asked) -> None:
        if asked.key is None:
            raise no_key()
        if asked.key not in self.keys:
            raise bad_key(asked.key)

    def _models(self) -> Json:
        owner = {"openai": "system", "ollama": "library", "openrouter": "openrouter"}[self.flavour]
        more = {"context_length": 131_072, "name": "A Name"} if self.flavour == "openrouter" else {}
        models = [
            {"id": name, "object": "model", "created": 1_790_000_000, "owned_by": owner, **more} for name in self.models
        ]
        return {"object": "list", "data": models}

    async def _ask(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        if not asked.model:
            raise ApiError(400, "you must provide a model parameter")
        if asked.model not in self.models and not asked.model.startswith("fake-"):
            raise unknown_model(asked.model, self.flavour)
        (check_request if self.flavour == "openai" else check_loosely)(asked)
        return await self._behave(self.script.choose(asked.model, asked.prompt, asked.key), request, asked)

    async def _behave(self, behaviour: Behaviour, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        match behaviour:
            case Fail():
                raise failure(behaviour, asked.model)
            case Blocked():
                raise blocked()
            case NotJSON(status, text):
                asked.status = status
                return web.Response(status=status, text=text, content_type="text/html")
            case Drop(headers=False):
                return _hang_up(request)
            case Silence(headers=False):
                await asyncio.Event().wait()
        asked.status = 200
        if not asked.streams:
            return await _whole(request, asked, steps(behaviour, asked))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if isinstance(behaviour, Long):
            for block in long_blocks(behaviour.chunks, asked):
                await response.write(block)
        else:
            one_byte = isinstance(behaviour, OneByteAtATime)
            await _events(request, response, steps(behaviour, asked), one_byte=one_byte)
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
    request: web.BaseRequest, response: web.StreamResponse, taken: Iterator[Step], *, one_byte: bool
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
            case _ if one_byte:
                for byte in sse(step):
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            case _:
                await response.write(sse(step))


async def _whole(request: web.BaseRequest, asked: Asked, taken: Iterator[Step]) -> web.Response:
    """Send steps as the one response that they amount to."""
    chunks: list[Json] = []
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
            case Comment() | Done():
                pass
            case {"error": said}:
                return web.json_response({"error": said}, status=500)
            case _:
                chunks.append(step)
    return web.json_response(merged(chunks, asked))


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection, whatever is still to be said."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _parse(data: bytes) -> Any:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.")
    return body


def main() -> None:
    parser = port_arguments("Serve a fake of the OpenAI service.")
    parser.add_argument("--key", action="append", help="a key that is good (test-key)")
    parser.add_argument("--flavour", choices=list(MODELS), default="openai")
    given = parser.parse_args()
    fake = FakeOpenAI(
        flavour=given.flavour,
        keys=given.key or ["test-key"],
        port=given.port,
        tls_port=given.tls_port,
        keep_requests=False,
    )
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
