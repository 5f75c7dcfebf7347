"""A fake of api.anthropic.com that speaks its real wire: messages, streams, counts and models.

    async with FakeAnthropic(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeAnthropic()) as fake:                    # in a thread, beside real processes
    python -m tests.fakes.anthropic --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from tests.fakes.anthropic_answers import long_blocks, merged, sse, steps
from tests.fakes.anthropic_checks import check_request, check_version
from tests.fakes.anthropic_models import Model, table
from tests.fakes.anthropic_wire import ApiError, Asked, Json, failure, tokens_of
from tests.fakes.behaviours import Behaviour, Drop, Fail, Long, NotJSON, OneByteAtATime, Script, Silence
from tests.fakes.gemini_answers import Cut, Garbled, Hold, Pause, Step
from tests.fakes.serving import Served, port_arguments, serve_until_stopped

_LARGEST = 32 * 1024 * 1024


class FakeAnthropic(Served):
    """The service. `requests` are those that came in, `gone` those whose client left before the answer was whole.

    `answers` go first; `script` takes more. `keys` are the good ones, `models` more model names.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        keys: Iterable[str] = ("test-key",),
        models: Iterable[str] = (),
        keep_requests: bool = True,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(port=port, tls_port=tls_port)
        self.script = Script()
        self.script.extend(answers)
        self.keys = set(keys)
        self.models = table(*models)
        self.requests: list[Asked] = []
        self.gone: list[Asked] = []
        self._keep = keep_requests
        self._cache: set[str] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/-/state":
            return web.json_response(self._state())
        asked = Asked(request.method, request.path, dict(request.query), request.headers)
        if self._keep:
            self.requests.append(asked)
        try:
            return await self._answer(request, asked)
        except ApiError as error:
            asked.status = error.status
            return web.Response(status=error.status, headers=error.headers, **_json(error.json))
        except (asyncio.CancelledError, ConnectionError):
            if not self._ending:
                self.gone.append(asked)
            raise

    async def _answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        data = await request.read()
        if len(data) > _LARGEST:
            raise ApiError(413, "Request exceeds the maximum size")
        self._admit(asked)
        check_version(asked)
        if asked.method == "GET":
            return web.Response(**_json(self._look_up(asked)))
        if asked.method != "POST" or asked.path not in ("/v1/messages", "/v1/messages/count_tokens"):
            raise ApiError(404, "Not found")
        asked.body = _parse(data)
        model = self._model(asked)
        if asked.path == "/v1/messages/count_tokens":
            check_request(asked, model, counts=True)
            return web.Response(**_json({"input_tokens": asked.tokens}))
        check_request(asked, model)
        return await self._behave(self.script.choose(asked.model, asked.prompt, asked.key), request, asked, model)

    def _admit(self, asked: Asked) -> None:
        if asked.key is None:
            raise ApiError(401, "x-api-key header is required")
        if asked.key not in self.keys:
            raise ApiError(401, "invalid x-api-key" if "x-api-key" in asked.headers else "Invalid bearer token")

    def _model(self, asked: Asked) -> Model:
        if "model" not in asked.content:
            raise ApiError(400, "model: Field required")
        if asked.model.startswith("fake-"):
            return Model(asked.model, sampling=True, budget=True, tells=True, prefill=True)
        if asked.model not in self.models:
            raise ApiError(404, f"model: {asked.model}")
        return self.models[asked.model]

    def _look_up(self, asked: Asked) -> Json:
        if asked.path == "/v1/models":
            names = list(self.models)
            start = names.index(asked.query["after_id"]) + 1 if "after_id" in asked.query else 0
            page = names[start : start + int(asked.query.get("limit", 20))]
            ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
            more = start + len(page) < len(names)
            return {"data": [self.models[name].json for name in page], "has_more": more, **ends}
        name = asked.path.removeprefix("/v1/models/")
        if name in self.models:
            return self.models[name].json
        raise ApiError(404, "Not found" if name == asked.path else f"model: {name}")

    def _cached(self, asked: Asked) -> Json:
        """The counts of the cache: what stands before the last mark is written the first time, and then read."""
        blocks = list(asked.blocks())
        marked = [at for at, block in enumerate(blocks) if "cache_control" in block]
        if not marked:
            return {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        before = blocks[: marked[-1] + 1]
        said = json.dumps([asked.model, before])
        count, is_there = sum(map(tokens_of, before)), said in self._cache
        self._cache.add(said)
        return {
            "cache_creation_input_tokens": 0 if is_there else count,
            "cache_read_input_tokens": count if is_there else 0,
        }

    async def _behave(
        self, behaviour: Behaviour, request: web.BaseRequest, asked: Asked, model: Model
    ) -> web.StreamResponse:
        match behaviour:
            case Fail():
                raise failure(behaviour)
            case NotJSON(status, text):
                asked.status = status
                return web.Response(status=status, text=text, content_type="text/html")
            case Drop(headers=False):
                return _hang_up(request)
            case Silence(headers=False):
                await asyncio.Event().wait()
        asked.status = 200
        message_id = f"msg_01{secrets.token_hex(11)}"
        taken = steps(behaviour, asked, model, message_id, self._cached(asked))
        if not asked.streams:
            return await _whole(request, taken)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "request-id": f"req_01{secrets.token_hex(11)}"}
        )
        await response.prepare(request)
        if isinstance(behaviour, Long):
            for block in long_blocks(behaviour.chunks, asked, model, message_id):
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
                await response.write(sse(event)[:90] if event else b"")
                _hang_up(request)
                return
            case Garbled(text):
                await response.write(f"event: content_block_delta\ndata: {text}\n\n".encode())
            case _ if one_byte:
                for byte in sse(step):
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            case _:
                await response.write(sse(step))


async def _whole(request: web.BaseRequest, taken: Iterator[Step]) -> web.Response:
    """Send steps as the one message that they amount to."""
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
            case {"type": "error", "error": {"type": kind, "message": message}}:
                raise ApiError({"overloaded_error": 529, "rate_limit_error": 429}.get(kind, 500), message, kind=kind)
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
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Input should be a valid dictionary or object to extract fields from")
    return body


def _json(value: Any) -> dict[str, Any]:
    return {"body": json.dumps(value, ensure_ascii=False).encode(), "content_type": "application/json"}


def main() -> None:
    parser = port_arguments("Serve a fake of the Anthropic service.")
    parser.add_argument("--key", action="append", help="a key that is good (test-key)")
    given = parser.parse_args()
    fake = FakeAnthropic(keys=given.key or ["test-key"], port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
