"""A fake of bedrock-runtime, and of Bedrock's list of models, that speaks the real wire and verifies signatures.

    async with FakeBedrock(answers=["Hello"]) as fake:     # in the test's own loop
    with serving(FakeBedrock()) as fake:                   # in a thread, beside real processes
    python -m tests.fakes.bedrock --port 8080              # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.bedrock_answers import BedrockSaying
from tests.fakes.bedrock_checks import check_converse, check_invoke, counted
from tests.fakes.bedrock_signature import admit
from tests.fakes.bedrock_wire import ApiError, Asked, failure, invalid
from tests.fakes.behaviours import Behaviour, Fail
from tests.fakes.playing import Playing, json_object
from tests.fakes.serving import port_arguments, serve_until_stopped

ACCESS_KEY = "AKIAFAKEFAKEFAKEFAKE"
SECRET_KEY = "fake/secret+key"
TOKEN = "ABSKfaketoken"

MODELS = (
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-5-v1:0",
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-lite-v1:0",
    "meta.llama4-scout-17b-instruct-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
)
PROFILES_ONLY = ("anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-premier-v1:0")


class FakeBedrock(Playing):
    """The service. `secrets` are, by access key, the secret key and the session token of those that have one.

    `tokens` are the good bearer tokens, `models` more names and ARNs.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        region: str = "us-east-1",
        models: Iterable[str] = (),
        **served: Any,
    ) -> None:
        super().__init__(answers, **served)
        self.secrets: dict[str, tuple[str, str | None]] = {ACCESS_KEY: (SECRET_KEY, None)}
        self.tokens = {TOKEN}
        self.region = region
        self.models = {*MODELS, *models}

    def asked(self, request: web.BaseRequest) -> Asked:
        return Asked(request.method, request.raw_path, request.headers)

    def refusal(self, behaviour: Behaviour, asked: Asked) -> ApiError | None:
        return failure(behaviour) if isinstance(behaviour, Fail) else None

    async def answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        asked.data = await request.read()
        admit(asked, self.secrets, self.tokens, self.region)
        if asked.method == "GET":
            return self.respond(self._list(asked.path))
        if not asked.action or asked.method != "POST":
            raise ApiError(404, "UnknownOperationException", "")
        asked.content = _parse(asked.data)
        if asked.model in PROFILES_ONLY and asked.action != "count-tokens":
            raise invalid(
                f"Invocation of model ID {asked.model} with on-demand throughput isn’t supported. Retry your request with "
                "the ID or ARN of an inference profile that contains this model."
            )
        if asked.model not in {*self.models, *PROFILES_ONLY}:
            raise invalid("The provided model identifier is invalid.")
        if asked.action == "count-tokens":
            return self.respond({"inputTokens": counted(asked).tokens})
        if asked.is_invoke:
            check_invoke(asked)
        else:
            check_converse(asked)
        return await self.play(request, asked, lambda: BedrockSaying(asked))

    def _list(self, path: str) -> dict[str, Any]:
        profiles = [name for name in sorted(self.models) if name.startswith(("us.", "arn:"))]
        match path.partition("?")[0]:
            case "/foundation-models":
                models = [*sorted(self.models.difference(profiles)), *PROFILES_ONLY]
                return {"modelSummaries": [_summary(name) for name in models]}
            case "/inference-profiles":
                return {"inferenceProfileSummaries": [_profile(name) for name in profiles]}
        raise ApiError(404, "UnknownOperationException", "")


def _summary(name: str) -> dict[str, Any]:
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{name}",
        "modelId": name,
        "modelName": name.partition(".")[2],
        "providerName": name.partition(".")[0],
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["INFERENCE_PROFILE" if name in PROFILES_ONLY else "ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _profile(name: str) -> dict[str, Any]:
    return {
        "inferenceProfileId": name.rpartition("/")[2],
        "inferenceProfileName": name.rpartition(".")[2],
        "inferenceProfileArn": name
        if name.startswith("arn:")
        else f"arn:aws:bedrock:us-east-1:1:inference-profile/{name}",
        "models": [],
        "status": "ACTIVE",
        "type": "APPLICATION" if name.startswith("arn:") else "SYSTEM_DEFINED",
    }


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return json_object(data)
    except ValueError as error:
        raise ApiError(400, "SerializationException", f"Unable to parse the body: {error}") from None


def main() -> None:
    parser = port_arguments("Serve a fake of Bedrock.")
    parser.add_argument("--region", default="us-east-1")
    given = parser.parse_args()
    fake = FakeBedrock(region=given.region, port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
