"""Amazon Bedrock: what its two ways of asking have in common. They are `bedrock_converse` and `bedrock_invoke`."""

from boticelli_cli.wire.bedrock_count import decode_count, encode_count, encode_count_response
from boticelli_cli.wire.bedrock_errors import (
    PROVIDER,
    decode_error,
    decode_failure,
    encode_error,
    error_name,
    not_installed,
)
from boticelli_cli.wire.bedrock_invoke import is_claude
from boticelli_cli.wire.bedrock_listing import decode_models, encode_models, models_path

__all__ = [
    "PROVIDER",
    "decode_count",
    "decode_error",
    "decode_failure",
    "decode_models",
    "encode_count",
    "encode_count_response",
    "encode_error",
    "encode_models",
    "error_name",
    "is_claude",
    "models_path",
    "not_installed",
]
