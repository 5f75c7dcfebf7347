"""Bedrock's Converse dialect: all that drivers and the gateway need of it. Every model there but Claude is asked so."""

from boticelli_cli.wire.bedrock_converse_answer import decode_response, encode_response
from boticelli_cli.wire.bedrock_converse_request import decode_request, encode_request
from boticelli_cli.wire.bedrock_converse_stream import ConverseBody, StreamReader, StreamWriter

__all__ = [
    "ConverseBody",
    "StreamReader",
    "StreamWriter",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
]
