"""Converse's whole answers, both ways, and how they end.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from typing import Final

import msgspec

from boticelli_cli.messages import Finish, FinishReason, Response, ToolCall
from boticelli_cli.wire.bedrock_converse_media import Struct
from boticelli_cli.wire.bedrock_converse_parts import BlockWriter, WireBlock, part_of
from boticelli_cli.wire.bedrock_converse_usage import encode_usage, usage_of
from boticelli_cli.wire.bedrock_errors import PROVIDER
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.failure import malformed

__all__ = ["WireTrace", "decode_response", "encode_end", "encode_response", "finish_of", "word_of"]


class WireRouter(Struct):
    invoked_model_id: str | None = None


class WireTrace(Struct):
    prompt_router: WireRouter | None = None


class _Message(Struct):
    content: tuple[WireBlock, ...] = ()


class _Output(Struct):
    message: _Message = msgspec.field(default_factory=_Message)


class _Answer(Struct):
    output: _Output
    stop_reason: str | None = None
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    trace: WireTrace | None = None


_read_answer: Final = msgspec.json.Decoder(_Answer).decode


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises ProviderError for what is none."""
    try:
        said = _read_answer(body)
        parts = tuple(part for block in said.output.message.content if (part := part_of(block)) is not None)
    except (ValueError, RecursionError) as exc:
        raise malformed(body, exc, PROVIDER) from exc
    called = any(isinstance(part, ToolCall) for part in parts)
    return Response(parts, finish_of(said.stop_reason, said.usage, said.trace, called=called))


def encode_response(response: Response) -> bytes:
    """A whole answer. How long it took, which Bedrock says as well, is not known here, and said to be 0."""
    content = BlockWriter(Losses()).blocks(response.parts)
    return encode_json(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": word_of(response.finish),
            **encode_end(response.finish),
        }
    )


def encode_end(finish: Finish) -> dict[str, object]:
    """What is told of an answer beside its content, at its end."""
    told: dict[str, object] = {"usage": encode_usage(finish.usage), "metrics": {"latencyMs": 0}}
    if finish.served_model is not None:
        told["trace"] = {"promptRouter": {"invokedModelId": finish.served_model}}
    return told


def finish_of(
    word: str | None, usage: msgspec.Raw | msgspec.UnsetType, trace: WireTrace | None, *, called: bool
) -> Finish:
    """The end of an answer, in which tools may have been `called`. Who served it, only prompt routers tell."""
    reason = _REASONS.get(word or "", "other")
    if reason == "stop" and called:
        reason = "tool_call"
    served = trace.prompt_router.invoked_model_id if trace is not None and trace.prompt_router is not None else None
    return Finish(reason, usage_of(usage), served, word)


def word_of(finish: Finish) -> str:
    """The provider's own word, where it is one of this dialect's."""
    word = finish.provider_reason
    reason = _REASONS.get(word or "")
    if word is not None and (reason == finish.reason or (reason == "stop" and finish.reason == "tool_call")):
        return word
    return _WORDS[finish.reason]


_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "other",
    "malformed_tool_use": "other",
}

_WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "tool_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filtered",
    "other": "malformed_model_output",
}
