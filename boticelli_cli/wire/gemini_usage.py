"""Gemini's counts of tokens, both ways: https://ai.google.dev/api/generate-content#UsageMetadata."""

from typing import Any, Final

import msgspec

from boticelli_cli.messages import Usage
from boticelli_cli.wire.gemini_parts import Struct

__all__ = ["encode_usage", "usage_of"]


class _Detail(Struct):
    modality: str = ""
    token_count: int = 0


class _Usage(Struct):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_Detail] | None = None
    candidates_tokens_details: list[_Detail] | None = None


_read: Final = msgspec.json.Decoder(_Usage | None, strict=False).decode


def usage_of(metadata: msgspec.Raw | None) -> Usage:
    """What a `usageMetadata` says. One that cannot be read says nothing: no answer is thrown away for its bill."""
    try:
        said = None if metadata is None else _read(metadata)
    except (ValueError, RecursionError):
        said = None
    if said is None:
        return Usage()
    prompt, tools = said.prompt_token_count, said.tool_use_prompt_token_count
    return Usage(
        input=tools if prompt is None else prompt + (tools or 0),
        output=_output(said),
        thinking=said.thoughts_token_count,
        cached_input=said.cached_content_token_count,
        total=said.total_token_count,
        input_audio=_audio(said.prompt_tokens_details),
        output_audio=_audio(said.candidates_tokens_details),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """A `usageMetadata` that `usage_of` reads back. Its candidates do not include thoughts.

    The total, which clients expect, is there where both of its parts are.
    """
    output, total = usage.output, usage.total
    if total is None and usage.input is not None and output is not None:
        total = usage.input + output
    said: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached_input,
        "candidatesTokenCount": None if output is None else max(0, output - (usage.thinking or 0)),
        "thoughtsTokenCount": usage.thinking,
        "totalTokenCount": total,
        "promptTokensDetails": _details(usage.input_audio),
        "candidatesTokensDetails": _details(usage.output_audio),
    }
    return {key: value for key, value in said.items() if value is not None}


def _output(said: _Usage) -> int | None:
    """Sources disagree whether candidates include thoughts; the total does, so what is left of it is the output."""
    candidates, thoughts = said.candidates_token_count, said.thoughts_token_count
    if said.total_token_count is not None and said.prompt_token_count is not None:
        rest = said.total_token_count - said.prompt_token_count - (said.tool_use_prompt_token_count or 0)
        if rest >= 0:
            return rest
    if candidates is None and thoughts is None:
        return None
    return (candidates or 0) + (thoughts or 0)


def _audio(details: list[_Detail] | None) -> int | None:
    counts = [each.token_count for each in details or () if each.modality == "AUDIO"]
    return sum(counts) if counts else None


def _details(audio: int | None) -> list[dict[str, Any]] | None:
    return None if audio is None else [{"modality": "AUDIO", "tokenCount": audio}]
