"""What Gemini counts and lists: https://ai.google.dev/api/tokens and https://ai.google.dev/api/models."""

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.gemini_errors import PROVIDER
from boticelli_cli.wire.gemini_parts import Struct
from boticelli_cli.wire.listing import ListedModel

__all__ = ["decode_count", "decode_models", "encode_count_response"]


def decode_count(body: bytes) -> int:
    """How many tokens a request has."""
    try:
        return msgspec.json.decode(body, type=_Count, strict=False).total_tokens
    except ValueError as exc:
        raise ProviderError(f"the count of tokens cannot be read ({exc})", provider=PROVIDER) from exc


def encode_count_response(tokens: int) -> bytes:
    return msgspec.json.encode({"totalTokens": tokens})


def decode_models(body: bytes) -> tuple[list[ListedModel], str | None]:
    """One page of the list of models, and the token of the next page, unless it is the last."""
    try:
        page = msgspec.json.decode(body, type=_Page, strict=False)
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the list of models cannot be read ({exc})", provider=PROVIDER) from exc
    models = [
        ListedModel(
            each.name.removeprefix("models/"),
            each.display_name,
            each.input_token_limit,
            each.output_token_limit,
            tuple(each.supported_generation_methods or ()),
        )
        for each in page.models or ()
    ]
    return models, page.next_page_token or None


class _Count(Struct):
    total_tokens: int


class _Model(Struct):
    name: str
    display_name: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None


class _Page(Struct):
    models: list[_Model] | None = None
    next_page_token: str | None = None
