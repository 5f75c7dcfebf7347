"""OpenAI over HTTP, and every server that speaks its dialect: OpenRouter, Ollama, vLLM, llama.cpp, DeepSeek…"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.dialect import Dialect, HttpDriver
from boticelli_cli.drivers.http import Endpoint, Outgoing
from boticelli_cli.drivers.sound import Sound
from boticelli_cli.messages import Delta, Media, MediaDelta, Part, Request, Response
from boticelli_cli.wire.body import Encoded
from boticelli_cli.wire.forward import Forwarding
from boticelli_cli.wire.openai import (
    PROVIDER,
    SideReader,
    StreamReader,
    decode_error,
    decode_models,
    decode_response,
    encode_request,
    forwarded_body,
)
from boticelli_cli.wire.stream import EventBody

__all__ = ["BASE_URL", "openai_driver"]

BASE_URL = "https://api.openai.com/v1"


def openai_driver(
    access: Access,
    *,
    max_tokens_name: Callable[[str], str] | None = None,
    renames: Callable[[str], bool] = lambda model: False,
    cache_marks: bool = False,
    thoughts: bool = False,
    headers: Mapping[str, str] | None = None,
    unknown_hint: Callable[[str], str | None] = lambda model: None,
    wide: bool = False,
) -> HttpDriver:
    """The driver of one account. Without a key none is sent, which is what servers on one's own machine want.

    `max_tokens_name` says what a model's limit of tokens is called; without it, that is `max_completion_tokens` for
    OpenAI's own, and `max_tokens` for everybody else's. `renames` says of a model whether it is known to refuse the
    older name, so that it is changed in what is otherwise passed on as it came. With `cache_marks` those are sent,
    which OpenRouter and LiteLLM understand, and with `thoughts` those that led to calls, which DeepSeek wants back.
    `headers` go along with every request. With `wide`, it carries hundreds of streams at once.
    """
    own = access.provider == PROVIDER
    name_of = max_tokens_name or (lambda model: "max_completion_tokens" if own else "max_tokens")

    def encode(request: Request, streamed: bool) -> Encoded:
        name = name_of(request.model)
        return encode_request(
            request, streamed=streamed, max_tokens_name=name, cache_marks=cache_marks, thoughts=thoughts
        )

    def as_it_came(body: bytes, model: str, streamed: bool) -> bytes | None:
        return forwarded_body(body, model, streamed, max_tokens_name=name_of(model), renames=renames(model))

    async def authorize(_: Outgoing) -> Mapping[str, str]:
        key = {"authorization": f"Bearer {access.api_key}"} if access.api_key else {}
        return {**(headers or {}), **key}

    endpoint = Endpoint(
        access.provider,
        access.url(BASE_URL),
        authorize=authorize,
        read_error=decode_error,
        named_by="OPENAI_BASE_URL" if own else f"'base_url' of '{access.provider}'",
        wide=wide,
    )
    key_hint = access.key_hint or (None if own else f"set the key of '{access.provider}' in the configuration")
    dialect = _dialect(encode, Forwarding(PROVIDER, as_it_came, SideReader))
    return HttpDriver(access.provider, dialect, endpoint, key_hint=key_hint, unknown_hint=unknown_hint)


def _dialect(encode: Callable[[Request, bool], Encoded], forwarding: Forwarding) -> Dialect:
    return Dialect(
        encode,
        path=lambda request, streamed: "/chat/completions",
        reader=lambda request: _Playable(StreamReader()),
        decode=lambda request, body: _with_playable_sound(decode_response(body)),
        models_path=lambda page: "/models",
        decode_models=decode_models,
        forwarding=forwarding,
    )


class _Playable(EventBody):
    """A body whose sound, which comes as raw samples, is a file that can be played."""

    def read(self, piece: bytes) -> Iterator[Delta]:
        for delta in super().read(piece):
            yield MediaDelta(_playable(delta.media)) if isinstance(delta, MediaDelta) else delta


def _with_playable_sound(response: Response) -> Response:
    parts: tuple[Part, ...] = tuple(_playable(part) if isinstance(part, Media) else part for part in response.parts)
    return replace(response, parts=parts)


def _playable(media: Media) -> Media:
    if media.data is None or not Sound.is_raw(media.mime):
        return media
    sound = Sound()
    sound.add(media.mime, media.data)
    return next((delta.media for delta in sound.take()), media)
