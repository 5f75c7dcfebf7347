"""A fake of generativelanguage.googleapis.com that speaks its real wire: REST, streams, files and Live sessions.

    async with FakeGemini(answers=["Hello"]) as fake:      # in the test's own loop
    with serving(FakeGemini()) as fake:                    # in a thread, beside real processes
    python -m tests.fakes.gemini --port 8080               # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.behaviours import Behaviour, Fail
from tests.fakes.gemini_answers import GeminiSaying
from tests.fakes.gemini_checks import check_count, check_request
from tests.fakes.gemini_files import Files
from tests.fakes.gemini_live import LiveService
from tests.fakes.gemini_models import table
from tests.fakes.gemini_wire import ApiError, Asked, Json, bad_key, bad_token, failure, no_key, unknown_model
from tests.fakes.playing import Playing, ServiceError, json_object
from tests.fakes.serving import port_arguments, serve_until_stopped

_VERSION = r"/(?P<version>v1|v1beta|v1alpha|v1beta1)"
_VERTEX = r"(?P<vertex>/(?:projects/[^/]+/locations/[^/]+/)?publishers/google)"
_ASK = re.compile(rf"{_VERSION}{_VERTEX}?/models/(?P<model>.+):(?P<action>\w+)")
_MODEL = re.compile(rf"{_VERSION}{_VERTEX}?/models(?:/(?P<model>.+))?")
_FILE = re.compile(rf"{_VERSION}/(?P<name>files(?:/[^/]+)?)")
_UPLOAD = re.compile(r"/upload/(?P<version>v1|v1beta|v1alpha)/files")


class FakeGemini(Playing):
    """The service. `keys` and `tokens` are the good ones, `models` more model names."""

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        keys: Iterable[str] = ("test-key",),
        tokens: Iterable[str] = ("test-token",),
        models: Iterable[str] = (),
        **served: Any,
    ) -> None:
        super().__init__(answers, **served)
        self.keys = set(keys)
        self.tokens = set(tokens)
        self.models = table(*models)
        self.files = Files()
        self.live = LiveService(self.script, self.models, self.keys, self.tokens)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/ws/"):
            return await self.live.handle(request, ending=lambda: self._ending)
        return await super().handle(request)

    def asked(self, request: web.BaseRequest) -> Asked:
        return Asked(request.method, request.path, dict(request.query), request.headers)

    def refusal(self, behaviour: Behaviour, asked: Asked) -> ApiError | None:
        return failure(behaviour, asked.model) if isinstance(behaviour, Fail) else None

    def refuse(self, asked: Asked, error: ServiceError) -> web.Response:
        told: Any = [error.json] if asked.streams and not asked.sse else error.json
        return self.respond(told, status=error.status, headers=error.headers)

    def respond(self, value: Any, **options: Any) -> web.Response:
        text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
        return web.Response(text=text, content_type="application/json", charset="UTF-8", **options)

    async def answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
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
        return self.respond(self._look_up(asked))

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
            return self.respond({"totalTokens": count, "promptTokensDetails": details})
        check_request(asked, size)
        self.files.check_used(asked.content["contents"])
        return await self.play(request, asked, lambda: GeminiSaying(asked))


def _parse(data: bytes) -> Json:
    try:
        return json_object(data, "Root element must be a message.")
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received. {error}") from None


def main() -> None:
    parser = port_arguments("Serve a fake of the Gemini service.")
    parser.add_argument("--key", action="append", help="a key that is good (test-key)")
    given = parser.parse_args()
    fake = FakeGemini(keys=given.key or ["test-key"], port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
