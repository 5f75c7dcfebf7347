"""OpenAI's counts of tokens, both ways, and those of servers that speak its dialect.

https://platform.openai.com/docs/api-reference/chat/object#chat-object-usage. Cached tokens are DeepSeek's
`prompt_cache_hit_tokens` too, and LiteLLM's `cache_read_input_tokens` and `cache_creation_input_tokens`.
"""

from typing import Any, Final

import msgspec

from boticelli_cli.messages import Usage

__all__ = ["encode_usage", "usage_of"]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


_read: Final = msgspec.json.Decoder(_Usage | None, strict=False).decode
_NOTHING: Final = _Details()


def usage_of(said: msgspec.Raw | None) -> Usage:
    """What a `usage` says. One that cannot be read says nothing: no answer is thrown away for its bill."""
    try:
        usage = None if said is None else _read(said)
    except (ValueError, RecursionError):
        usage = None
    if usage is None:
        return Usage()
    given, made = usage.prompt_tokens_details or _NOTHING, usage.completion_tokens_details or _NOTHING
    return Usage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        thinking=made.reasoning_tokens,
        cached_input=_first(given.cached_tokens, usage.prompt_cache_hit_tokens, usage.cache_read_input_tokens),
        cache_write=_first(given.cache_write_tokens, usage.cache_creation_input_tokens),
        total=usage.total_tokens,
        input_audio=given.audio_tokens,
        output_audio=made.audio_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """A `usage` that `usage_of` reads back, with the total that clients expect where both of its parts are known."""
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    return _known(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=total,
        prompt_tokens_details=_known(
            cached_tokens=usage.cached_input,
            cache_write_tokens=usage.cache_write,
            audio_tokens=usage.input_audio,
        )
        or None,
        completion_tokens_details=_known(reasoning_tokens=usage.thinking, audio_tokens=usage.output_audio) or None,
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _known(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
