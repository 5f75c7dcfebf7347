"""Gemini's REST dialect, v1 and v1beta: all that drivers and the gateway need of it."""

from boticelli_cli.wire.gemini_answer import StreamReader, decode_response
from boticelli_cli.wire.gemini_errors import decode_error, encode_error
from boticelli_cli.wire.gemini_forward import FORWARDING
from boticelli_cli.wire.gemini_listing import decode_count, decode_models, encode_count_response
from boticelli_cli.wire.gemini_request import (
    decode_count_request,
    decode_request,
    encode_count,
    encode_request,
    may_be_forwarded,
    thinking_config,
)
from boticelli_cli.wire.gemini_writer import KEEP_ALIVE, StreamWriter, encode_response

__all__ = [
    "FORWARDING",
    "KEEP_ALIVE",
    "StreamReader",
    "StreamWriter",
    "decode_count",
    "decode_count_request",
    "decode_error",
    "decode_models",
    "decode_request",
    "decode_response",
    "encode_count",
    "encode_count_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "may_be_forwarded",
    "thinking_config",
]
