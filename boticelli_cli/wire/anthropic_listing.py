"""What Anthropic counts and lists.

https://platform.claude.com/docs/en/api/messages/count_tokens and https://platform.claude.com/docs/en/api/models/list.
"""

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.anthropic_blocks import Struct
from boticelli_cli.wire.anthropic_errors import PROVIDER
from boticelli_cli.wire.listing import ListedModel

__all__ = ["decode_count", "decode_models", "encode_count_response"]


def decode_count(body: bytes) -> int:
    """How many tokens a request has."""
    try:
        return msgspec.json.decode(body, type=_Count, strict=False).input_tokens
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the count of tokens cannot be read ({exc})", provider=PROVIDER) from exc


def encode_count_response(tokens: int) -> bytes:
    return msgspec.json.encode({"input_tokens": tokens})


def decode_models(body: bytes) -> tuple[list[ListedModel], str | None]:
    """One page of the list of models, and after which the next page begins, unless it is the last.

    Models that are no longer served are left out, though they are listed.
    """
    try:
        page = msgspec.json.decode(body, type=_Page, strict=False)
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the list of models cannot be read ({exc})", provider=PROVIDER) from exc
    models = [
        ListedModel(each.id, each.display_name, each.max_input_tokens, each.max_tokens)
        for each in page.data
        if each.lifecycle != "retired"
    ]
    return models, (page.last_id or None) if page.has_more else None


class _Count(Struct):
    input_tokens: int


class _Model(Struct):
    id: str
    display_name: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    lifecycle: str | None = None


class _Page(Struct):
    data: list[_Model]
    has_more: bool = False
    last_id: str | None = None
