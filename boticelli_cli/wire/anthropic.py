"""Anthropic's Messages dialect, and its bodies on Bedrock: all that drivers and the gateway need of it."""

from boticelli_cli.wire.anthropic_answer import StreamReader, decode_response
from boticelli_cli.wire.anthropic_errors import PROVIDER, decode_error, encode_error
from boticelli_cli.wire.anthropic_forward import FORWARDING
from boticelli_cli.wire.anthropic_listing import decode_count, decode_models, encode_count_response
from boticelli_cli.wire.anthropic_request import (
    BEDROCK_VERSION,
    decode_count_request,
    decode_request,
    encode_count,
    encode_request,
    is_streamed,
    may_be_forwarded,
)
from boticelli_cli.wire.anthropic_writer import StreamWriter, encode_response

__all__ = [
    "BEDROCK_VERSION",
    "FORWARDING",
    "PROVIDER",
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
    "is_streamed",
    "may_be_forwarded",
]
