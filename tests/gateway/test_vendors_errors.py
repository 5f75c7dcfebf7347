"""What goes wrong, as the vendors' own clients raise it: with each face, before each dialect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import errors
from google.genai.types import HttpOptions
from openai import AsyncOpenAI

from boticelli_cli.drivers.rehearsal import Rehearsal
from boticelli_cli.errors import CredentialsError
from boticelli_cli.gateway.base import FaceName
from boticelli_cli.grants import Grant
from tests.fakes.behaviours import Behaviour, Drop, Fail, InStreamError, Malformed, NotJSON, TruncatedClean
from tests.gateway.combining import combined
from tests.gateway.serving import OpenDoor, gateway
from tests.gateway.whole import DIALECTS, MODELS, Whole


@dataclass
class Told:
    """What a client has said of an error, and the text that it had got before."""

    kind: str
    status: int | None
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


@pytest.fixture(autouse=True)
def forgetful(whole: Whole) -> None:
    whole.forget()


def ask_as_anthropic(whole: Whole, model: str, prompt: str, *, streamed: bool) -> Told | None:
    asking: Any = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": prompt}]}
    text = ""
    try:
        if not streamed:
            whole.anthropic.messages.create(**asking)
            return None
        with whole.anthropic.messages.stream(**asking) as stream:
            for piece in stream.text_stream:
                text += piece
            stream.get_final_message()
    except anthropic.APIStatusError as error:
        return Told(type(error).__name__, error.status_code, error.message, error.response.headers, text)
    except anthropic.APIError as error:
        return Told(type(error).__name__, None, str(error), text=text)
    return None


def ask_as_openai(whole: Whole, model: str, prompt: str, *, streamed: bool) -> Told | None:
    asking: Any = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    text = ""
    try:
        if not streamed:
            whole.openai.chat.completions.create(**asking)
            return None
        with whole.openai.chat.completions.create(**asking, stream=True) as stream:
            for chunk in stream:
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    except openai.APIStatusError as error:
        return Told(type(error).__name__, error.status_code, error.message, error.response.headers, text)
    except openai.APIError as error:
        return Told(type(error).__name__, None, error.message, text=text)
    return None


def ask_as_gemini(whole: Whole, model: str, prompt: str, *, streamed: bool) -> Told | None:
    text = ""
    try:
        if not streamed:
            whole.gemini.models.generate_content(model=model, contents=prompt)
            return None
        for chunk in whole.gemini.models.generate_content_stream(model=model, contents=prompt):
            text += chunk.text or ""
    except errors.APIError as error:
        headers = getattr(error.response, "headers", {})
        return Told(type(error).__name__, error.code, str(error.message), headers, text)
    return None


Ask = Callable[..., Told | None]

CLIENTS: dict[str, Ask] = {"anthropic": ask_as_anthropic, "openai": ask_as_openai, "gemini": ask_as_gemini}

every_client = pytest.mark.parametrize("client", CLIENTS)
every_dialect = pytest.mark.parametrize("upstream", DIALECTS)
both_manners = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

KINDS = {
    400: ("BadRequestError", "BadRequestError", "ClientError"),
    404: ("NotFoundError", "NotFoundError", "ClientError"),
    429: ("RateLimitError", "RateLimitError", "ClientError"),
    500: ("InternalServerError", "InternalServerError", "ServerError"),
    503: ("ServiceUnavailableError", "InternalServerError", "ServerError"),
    529: ("OverloadedError", "InternalServerError", "ServerError"),
}


@combined(client=CLIENTS, upstream=DIALECTS, status=KINDS, streamed=(False, True))
def test_raises_the_clients_own_class(whole: Whole, client: str, upstream: str, status: int, streamed: bool) -> None:
    whole.plays(upstream, Fail(status, message="It is so.", retry_after=7))
    told = CLIENTS[client](whole, MODELS[upstream], "Hello", streamed=streamed)
    assert told is not None
    assert told.kind == dict(zip(CLIENTS, KINDS[status], strict=True))[client]
    assert told.status == status
    assert "It is so." in told.message
    assert told.headers.get("retry-after") == ("7" if status >= 429 else None)


@every_client
@every_dialect
def test_does_not_blame_the_client_for_a_key_of_ours(whole: Whole, client: str, upstream: str) -> None:
    whole.plays(upstream, Fail(401, message="Bad key."))
    told = CLIENTS[client](whole, MODELS[upstream], "Hello", streamed=True)
    assert told is not None
    assert (told.kind, told.status) == ("ServerError" if client == "gemini" else "InternalServerError", 502)


@every_client
@both_manners
def test_says_that_a_model_is_nobodys(whole: Whole, client: str, streamed: bool) -> None:
    told = CLIENTS[client](whole, "nobodys-model", "Hello", streamed=streamed)
    assert told is not None
    assert (told.kind, told.status) == ("ClientError" if client == "gemini" else "NotFoundError", 404)
    assert "nobodys-model" in told.message


@every_client
@every_dialect
def test_says_that_a_provider_has_not_got_a_model(whole: Whole, client: str, upstream: str) -> None:
    names = {"anthropic": "claude-none", "openai": "gpt-none", "gemini": "gemini-none"}
    told = CLIENTS[client](whole, names.get(upstream, "amazon.none-v1:0"), "Hello", streamed=False)
    assert told is not None
    assert told.status == 404


ELSEWHERE: dict[str, Callable[[Whole], Any]] = {
    "responses": lambda whole: whole.openai.responses.create(model="gpt-5.2", input="Hello"),
    "embeddings": lambda whole: whole.openai.embeddings.create(model="gpt-5.2", input="Hello"),
    "batches": lambda whole: whole.anthropic.messages.batches.list(),
    "Google's embeddings": lambda whole: whole.gemini.models.embed_content(model="gemini-3.8-flash", contents="Hello"),
    "files": lambda whole: whole.gemini.files.list(),
    "no model": lambda whole: whole.anthropic.models.retrieve("nobodys-model"),
    "none of OpenAI's": lambda whole: whole.openai.models.retrieve("nobodys-model"),
    "none of Google's": lambda whole: whole.gemini.models.get(model="nobodys-model"),
}


@pytest.mark.parametrize("place", ELSEWHERE)
def test_says_that_there_is_nothing_where_it_serves_nothing(whole: Whole, place: str) -> None:
    with pytest.raises(
        (anthropic.NotFoundError, openai.NotFoundError, errors.ClientError), match=r"there is no"
    ) as caught:
        ELSEWHERE[place](whole)
    assert getattr(caught.value, "status_code", None) == 404 or getattr(caught.value, "code", None) == 404


BREAKS: dict[str, Behaviour] = {
    "an error": InStreamError(503, after=2),
    "a closed connection": Drop(after=2),
    "half an event": Drop(after=2, inside=True),
    "a clean end": TruncatedClean(after=2),
    "no JSON": Malformed(after=2),
}


@combined(client=CLIENTS, upstream=DIALECTS, way=BREAKS)
def test_raises_where_a_stream_breaks_off(whole: Whole, client: str, upstream: str, way: str) -> None:
    whole.plays(upstream, BREAKS[way])
    told = CLIENTS[client](whole, MODELS[upstream], "Hello", streamed=True)
    assert told is not None, "it was taken for a success"
    assert told.text.startswith("piece 1")


# A whole body says by itself that it is.
@combined(client=CLIENTS, upstream=DIALECTS, way=[each for each in BREAKS if each != "a clean end"])
def test_raises_where_a_whole_answer_breaks_off(whole: Whole, client: str, upstream: str, way: str) -> None:
    whole.plays(upstream, BREAKS[way])
    told = CLIENTS[client](whole, MODELS[upstream], "Hello", streamed=False)
    assert told is not None, "it was taken for a success"
    assert told.status is not None
    assert told.status >= 500


@every_client
@every_dialect
def test_raises_for_the_page_of_some_proxy(whole: Whole, client: str, upstream: str) -> None:
    whole.plays(upstream, NotJSON(), times=2)
    for streamed in (False, True):
        told = CLIENTS[client](whole, MODELS[upstream], "Hello", streamed=streamed)
        assert told is not None
        assert told.status == 502
        assert "<html>" not in told.message


class ShutDoor(OpenDoor):
    """Lets nobody in without the right key, nor anybody ask for what is forbidden."""

    async def grant(self, scope: Mapping[str, Any]) -> Grant:
        values = [
            value for name, value in scope["headers"] if name in (b"x-api-key", b"authorization", b"x-goog-api-key")
        ]
        if not any(value.endswith(b"good") for value in values):
            raise CredentialsError("this key is not known", status=401)
        return await super().grant(scope)

    def check(self, grant: Grant, face: FaceName, model: str) -> None:
        if model == "rehearsal/forbidden":
            raise CredentialsError("this key may not ask for that", status=403)


async def test_raises_the_classes_for_keys_that_are_refused() -> None:
    async with gateway(Rehearsal(), door=ShutDoor()) as served:
        for key, model, status in (("bad", "rehearsal", 401), ("good", "rehearsal/forbidden", 403)):
            turns: Any = [{"role": "user", "content": "Hello"}]
            async with AsyncAnthropic(api_key=key, base_url=served.url, max_retries=0) as claude:
                with pytest.raises(anthropic.APIStatusError, match="this key") as of_claude:
                    await claude.messages.create(model=model, max_tokens=10, messages=turns)
            async with AsyncOpenAI(api_key=key, base_url=f"{served.url}/v1", max_retries=0) as gpt:
                with pytest.raises(openai.APIStatusError, match="this key") as of_gpt:
                    await gpt.chat.completions.create(model=model, messages=turns)
            assert [type(each.value).__name__ for each in (of_claude, of_gpt)] == [
                "AuthenticationError" if status == 401 else "PermissionDeniedError"
            ] * 2


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_raises_googles_classes_for_keys_that_are_refused() -> None:
    async with gateway(Rehearsal(), door=ShutDoor()) as served:
        for key, model, status in (("bad", "rehearsal", 401), ("good", "rehearsal/forbidden", 403)):
            async with genai.Client(api_key=key, http_options=HttpOptions(base_url=served.url)).aio as client:
                with pytest.raises(errors.ClientError, match="this key") as caught:
                    await client.models.generate_content(model=model, contents="Hello")
            assert caught.value.code == status
