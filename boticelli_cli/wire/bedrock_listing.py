"""Bedrock's list of models: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html."""

from typing import Any

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.bedrock_converse_media import Struct
from boticelli_cli.wire.bedrock_errors import PROVIDER
from boticelli_cli.wire.listing import ListedModel

__all__ = ["decode_models", "encode_models"]


def decode_models(body: bytes) -> tuple[list[ListedModel], str | None]:
    """The models of a region that answer in words, in one page. How much each takes, Bedrock does not say."""
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the list of models cannot be read ({exc})", provider=PROVIDER) from exc
    said = [each for each in page.model_summaries or () if "TEXT" in (each.output_modalities or ("TEXT",))]
    return [ListedModel(each.model_id, each.model_name) for each in said], None


def encode_models(models: list[ListedModel]) -> bytes:
    """The list, as a server of this dialect gives it."""
    told: list[dict[str, Any]] = [
        {"modelId": each.name, "modelName": each.display_name or each.name, "outputModalities": ["TEXT"]}
        for each in models
    ]
    return msgspec.json.encode({"modelSummaries": told})


class _Model(Struct):
    model_id: str
    model_name: str | None = None
    output_modalities: list[str] | None = None


class _Page(Struct):
    model_summaries: list[_Model] | None = None
