"""A fake of api.anthropic.com that speaks its real wire: messages, streams, counts and models.

    async with FakeAnthropic(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeAnthropic()) as fake:                    # in a thread, beside real processes
    python -m tests.fakes.anthropic --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.anthropic_answers import AnthropicSaying
from tests.fakes.anthropic_checks import check_request, check_version
from tests.fakes.anthropic_models import Model, table
from tests.fakes.anthropic_wire import ApiError, Asked, Json, failure, tokens_of
from tests.fakes.behaviours import Behaviour, Fail
from tests.fakes.playing import Playing, json_object
from tests.fakes.serving import port_arguments, serve_until_stopped

_LARGEST = 32 * 1024 * 1024


class FakeAnthropic(Playing):
    """The service. `keys` are the good ones, `models` more model names."""

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        keys: Iterable[str] = ("test-key",),
        models: Iterable[str] = (),
        **served: Any,
    ) -> None:
        super().__init__(answers, **served)
        self.keys = set(keys)
        self.models = table(*models)
        self._cache: set[str] = set()

    def asked(self, request: web.BaseRequest) -> Asked:
        return Asked(request.method, request.path, dict(request.query), request.headers)

    def refusal(self, behaviour: Behaviour, asked: Asked) -> ApiError | None:
        return failure(behaviour) if isinstance(behaviour, Fail) else None

    async def answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        data = await request.read()
        if len(data) > _LARGEST:
            raise ApiError(413, "Request exceeds the maximum size")
        self._admit(asked)
        check_version(asked)
        if asked.method == "GET":
            return self.respond(self._look_up(asked))
        if asked.method != "POST" or asked.path not in ("/v1/messages", "/v1/messages/count_tokens"):
            raise ApiError(404, "Not found")
        asked.body = _parse(data)
        model = self._model(asked)
        if asked.path == "/v1/messages/count_tokens":
            check_request(asked, model, counts=True)
            return self.respond({"input_tokens": asked.tokens})
        check_request(asked, model)
        return await self.play(request, asked, lambda: AnthropicSaying(asked, model, self._cached(asked)))

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


def _parse(data: bytes) -> Json:
    try:
        return json_object(data, "Input should be a valid dictionary or object to extract fields from")
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None


def main() -> None:
    parser = port_arguments("Serve a fake of the Anthropic service.")
    parser.add_argument("--key", action="append", help="a key that is good (test-key)")
    given = parser.parse_args()
    fake = FakeAnthropic(keys=given.key or ["test-key"], port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
