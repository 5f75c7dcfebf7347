"""Converse's counts of tokens, both ways.

https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html: `inputTokens` are those that were neither read
from the cache nor written to it. Thinking is among `outputTokens`, and is not told apart.
"""

from typing import Any, Final

import msgspec

from boticelli_cli.messages import Usage
from boticelli_cli.wire.bedrock_converse_media import Struct

__all__ = ["encode_usage", "usage_of"]


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


_read: Final = msgspec.json.Decoder(_Usage | None, strict=False).decode


def usage_of(said: msgspec.Raw | msgspec.UnsetType) -> Usage:
    """What a `usage` says. One that cannot be read says nothing: no answer is thrown away for its bill."""
    try:
        usage = None if said is msgspec.UNSET else _read(said)
    except (ValueError, RecursionError):
        usage = None
    if usage is None:
        return Usage()
    cached, write = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    plain = usage.input_tokens
    return Usage(
        input=None if plain is None else plain + (cached or 0) + (write or 0),
        output=usage.output_tokens,
        cached_input=cached,
        cache_write=write,
        total=usage.total_tokens,
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """A `usage` that `usage_of` reads back. Its first three counts have to be there: what is not known is 0."""
    cached, write = usage.cached_input, usage.cache_write
    output, total = usage.output or 0, usage.total
    said: dict[str, Any] = {
        "inputTokens": max(0, (usage.input or 0) - (cached or 0) - (write or 0)),
        "outputTokens": output,
        "totalTokens": (usage.input or 0) + output if total is None else total,
    }
    if cached is not None:
        said["cacheReadInputTokens"] = cached
    if write is not None:
        said["cacheWriteInputTokens"] = write
    return said
