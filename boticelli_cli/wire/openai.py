"""OpenAI's dialect, chat completions, which many others speak too: all that drivers and the gateway need of it."""

from boticelli_cli.wire.openai_answer import StreamReader, decode_response
from boticelli_cli.wire.openai_errors import KEY_HINT, PROVIDER, decode_error, encode_error
from boticelli_cli.wire.openai_forward import SideReader, forwarded_body
from boticelli_cli.wire.openai_listing import decode_models
from boticelli_cli.wire.openai_request import Manner, decode_manner, decode_request, encode_request
from boticelli_cli.wire.openai_writer import KEEP_ALIVE, StreamWriter, encode_response

__all__ = [
    "KEEP_ALIVE",
    "KEY_HINT",
    "PROVIDER",
    "Manner",
    "SideReader",
    "StreamReader",
    "StreamWriter",
    "decode_error",
    "decode_manner",
    "decode_models",
    "decode_request",
    "decode_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "forwarded_body",
]
