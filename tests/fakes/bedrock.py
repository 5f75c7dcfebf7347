"""A fake of bedrock-runtime, and of Bedrock's list of models, that speaks the real wire and verifies signatures.

    async with FakeBedrock(answers=["Hello"]) as fake:     # in the test's own loop
    with serving(FakeBedrock()) as fake:                   # in a thread, beside real processes
    python -m tests.fakes.bedrock --port 8080              # by itself

What it can do is in `tests/fakes/behaviours.py`.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from boticelli_cli.wire.bedrock_frames import encode_exception_frame
from tests.fakes.bedrock_answers import (
    Cut,
    End,
    Exceptional,
    Garbled,
    Hold,
    Pause,
    Piece,
    Said,
    Step,
    steps,
)
from tests.fakes.bedrock_checks import check_converse, check_invoke, counted
from tests.fakes.bedrock_signature import admit
from tests.fakes.bedrock_voices import Anthropic, Converse, Voice, frames
from tests.fakes.bedrock_wire import ApiError, Asked, failure, invalid
from tests.fakes.behaviours import Behaviour, Drop, Fail, Long, NotJSON, OneByteAtATime, Script, Silence
from tests.fakes.gemini_answers import LONG_PERIOD, long_piece
from tests.fakes.serving import Served, port_arguments, serve_until_stopped

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


class FakeBedrock(Served):
    """The service. `requests` are those that came in, `gone` those whose client left before the answer was whole.

    `answers` go first; `script` takes more. `secrets` are, by access key, the secret key and the session token of those
    that have one; `tokens` the good bearer tokens.
    """

    def __init__(
        self,
        answers: Iterable[Behaviour | str] = (),
        *,
        region: str = "us-east-1",
        models: Iterable[str] = (),
        keep_requests: bool = True,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(port=port, tls_port=tls_port)
        self.script = Script()
        self.script.extend(answers)
        self.secrets: dict[str, tuple[str, str | None]] = {ACCESS_KEY: (SECRET_KEY, None)}
        self.tokens = {TOKEN}
        self.region = region
        self.models = {*MODELS, *models}
        self.requests: list[Asked] = []
        self.gone: list[Asked] = []
        self._keep = keep_requests

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, request.raw_path, request.headers)
        if self._keep:
            self.requests.append(asked)
        try:
            asked.data = await request.read()
            return await self._answer(request, asked)
        except ApiError as error:
            asked.status = error.status
            return web.Response(
                status=error.status, headers=error.headers, body=error.body, content_type="application/json"
            )
        except (asyncio.CancelledError, ConnectionError):
            if not self._ending:
                self.gone.append(asked)
            raise

    async def _answer(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        admit(asked, self.secrets, self.tokens, self.region)
        if asked.method == "GET":
            return web.json_response(self._list(asked.path))
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
            return web.json_response({"inputTokens": counted(asked).tokens})
        if asked.is_invoke:
            check_invoke(asked)
        else:
            check_converse(asked)
        return await self._behave(self.script.choose(asked.model, asked.prompt, asked.key), request, asked)

    def _list(self, path: str) -> dict[str, Any]:
        profiles = [name for name in sorted(self.models) if name.startswith(("us.", "arn:"))]
        match path.partition("?")[0]:
            case "/foundation-models":
                models = [*sorted(self.models.difference(profiles)), *PROFILES_ONLY]
                return {"modelSummaries": [_summary(name) for name in models]}
            case "/inference-profiles":
                return {"inferenceProfileSummaries": [_profile(name) for name in profiles]}
        raise ApiError(404, "UnknownOperationException", "")

    async def _behave(self, behaviour: Behaviour, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        response_id = secrets.token_hex(8)
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
        taken = steps(behaviour, asked, response_id)
        voice: Voice = Anthropic(asked, response_id) if asked.is_invoke else Converse()
        if not asked.streams:
            return await _whole(request, taken, voice)
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.amazon.eventstream"})
        await response.prepare(request)
        if isinstance(behaviour, Long):
            for block in _long(behaviour.chunks, voice, asked):
                await response.write(block)
        else:
            await _stream(request, response, taken, voice, one_byte=isinstance(behaviour, OneByteAtATime))
        return response


async def _stream(
    request: web.BaseRequest, response: web.StreamResponse, taken: Iterator[Step], voice: Voice, *, one_byte: bool
) -> None:
    """Send steps as frames."""
    begun = False
    for step in taken:
        if not begun and not isinstance(step, Pause):
            begun = True
            await response.write(b"".join(voice.begin()))
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.Event().wait()
            case Cut(inside):
                await response.write(b"".join(voice.say(Piece("never seen whole")))[:40] if inside else b"")
                _hang_up(request)
                return
            case Garbled():
                await response.write(voice.garbled())
            case Exceptional(status):
                await response.write(_exception(status))
            case _ if one_byte:
                for byte in b"".join(voice.say(step)):
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            case _:
                await response.write(b"".join(voice.say(step)))


async def _whole(request: web.BaseRequest, taken: Iterator[Step], voice: Voice) -> web.Response:
    """Send steps as the one response that they amount to."""
    said: list[Said] = []
    for step in taken:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.Event().wait()
            case Cut():
                return _hang_up(request)
            case Garbled():
                return web.Response(text='{"output": {"half a', content_type="application/json")
            case Exceptional(status):
                raise failure(Fail(status))
            case _:
                said.append(step)
    if not any(isinstance(each, End) for each in said):
        return _hang_up(request)
    return web.json_response(voice.whole(said))


def _long(chunks: int, voice: Voice, asked: Asked) -> Iterator[bytes]:
    """The frames of a Long answer in blocks of a thousand, prepared once. Only the last tell the usage."""
    *opening, first = voice.say(Piece(long_piece(0)))
    yield b"".join([*voice.begin(), *opening])
    told = [first, *frames(voice, (Piece(long_piece(number)) for number in range(1, min(chunks, LONG_PERIOD))))]
    block = b"".join(told)
    yield from (block for _ in range(chunks // LONG_PERIOD))
    yield b"".join(told[: chunks % LONG_PERIOD])
    yield b"".join(voice.say(End("end_turn", (asked.tokens, chunks))))


def _exception(status: int) -> bytes:
    error = failure(Fail(status))
    name = {424: "ModelStreamErrorException"}.get(status, error.name)
    return encode_exception_frame(name[0].lower() + name[1:], error.body)


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


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection, whatever is still to be said."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _parse(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ApiError(400, "SerializationException", f"Unable to parse the body: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "SerializationException", "The body is no object.")
    return body


def main() -> None:
    parser = port_arguments("Serve a fake of Bedrock.")
    parser.add_argument("--region", default="us-east-1")
    given = parser.parse_args()
    fake = FakeBedrock(region=given.region, port=given.port, tls_port=given.tls_port, keep_requests=False)
    asyncio.run(serve_until_stopped(fake))


if __name__ == "__main__":
    main()
