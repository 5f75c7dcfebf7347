"""Anthropic's counts of tokens, both ways: https://platform.claude.com/docs/en/api/messages.

Its `input_tokens` are those that were neither read from the cache nor written to it; ours are all of them.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from boticelli_cli.messages import Usage
from boticelli_cli.wire.anthropic_blocks import Struct

__all__ = ["encode_usage", "usage_of"]


class _Details(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None


_read: Final = msgspec.json.Decoder(_Usage | None, strict=False).decode


def usage_of(said: Iterable[msgspec.Raw]) -> Usage:
    """What a stream's counts come to, told again and again: of each count the last word holds.

    Counts that cannot be read say nothing: no answer is thrown away for its bill.
    """
    told = _Usage()
    for raw in said:
        try:
            usage = _read(raw)
        except (ValueError, RecursionError):
            continue
        for name in _Usage.__struct_fields__:
            if (value := getattr(usage, name, None)) is not None:
                setattr(told, name, value)
    read, wrote = told.cache_read_input_tokens, told.cache_creation_input_tokens
    details = told.output_tokens_details
    return Usage(
        input=None if told.input_tokens is None else told.input_tokens + (read or 0) + (wrote or 0),
        output=told.output_tokens,
        thinking=None if details is None else details.thinking_tokens,
        cached_input=read,
        cache_write=wrote,
    )


def encode_usage(usage: Usage, *, ended: bool = False) -> dict[str, Any]:
    """Counts that `usage_of` reads back.

    Both totals have to be there, so what nobody knows is 0; but when a stream has `ended` it need not tell its input
    again.
    """
    read, wrote = usage.cached_input, usage.cache_write
    given = None if ended and usage.input is None else max(0, (usage.input or 0) - (read or 0) - (wrote or 0))
    said: dict[str, Any] = {
        "input_tokens": given,
        "cache_creation_input_tokens": wrote,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output or 0,
        "output_tokens_details": None if usage.thinking is None else {"thinking_tokens": usage.thinking},
    }
    return {key: value for key, value in said.items() if value is not None}
