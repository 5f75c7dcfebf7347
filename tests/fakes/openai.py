"""A fake of api.openai.com that speaks its real wire, chat completions; or of a server that speaks it in its own manner.

    async with FakeOpenAI(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeOpenAI(flavour="ollama")) as fake:    # in a thread, beside real processes
    python -m tests.fakes.openai --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`. The base URL for clients is `base_url`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Blocked, Fail
from tests.fakes.openai_answers import OpenAISaying
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
    told,
    unknown_model,
)
from tests.fakes.playing import Playing, ServiceError, json_object
from tests.fakes.serving import port_arguments, serve_until_stopped


class FakeOpenAI(Playing):
    """The service. `keys` are the good ones, `models` more model names.

    As `ollama` it wants no key, tells thoughts as `reasoning` and counts no tokens of a stream; as `openrouter` it
    comments, tells thoughts twice and its usage always.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        flavour: Flavour = "openai",
        keys: Iterable[str] = ("test-key",),
        models: Iterable[str] = (),
        **served: Any,
    ) -> None:
        super().__init__(answers, **served)
        self.flavour = flavour
        self.keys = set(keys)
        self.models = [*MODELS[flavour], *models]

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def asked(self, request: web.BaseRequest) -> Asked:
        return Asked(request.method, request.path, request.headers, self.flavour)

    def refusal(self, behaviour: Behaviour, asked: Asked) -> ApiError | None:
        match behaviour:
            case Fail():
                return failure(behaviour, asked.model)
            case Blocked():
                return blocked()
        return None

    def refuse(self, asked: Asked, error: ServiceError) -> web.Response:
        return self.respond(told(error, self.flavour), status=error.status, headers=error.headers)

    async def answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        data = await request.read()
        if self.flavour != "ollama":
            self._admit(asked)
        match asked.method, asked.path:
            case "POST", "/v1/chat/completions":
                asked.body = _parse(data)
                return await self._ask(request, asked)
            case "GET", "/v1/models":
                return self.respond(self._models())
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
        return await self.play(request, asked, lambda: OpenAISaying(asked))


def _parse(data: bytes) -> Json:
    try:
        return json_object(data)
    except ValueError:
        message = "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload."
        raise ApiError(400, message) from None


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
