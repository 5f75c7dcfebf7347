"""Bedrock's lists of models: those that are asked by their own id, and the profiles by which others are asked.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html.
"""

from typing import Any, Final
from urllib.parse import quote

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.bedrock_converse_media import Struct
from boticelli_cli.wire.bedrock_errors import PROVIDER
from boticelli_cli.wire.listing import ListedModel

__all__ = ["decode_models", "encode_models", "models_path"]


def models_path(page: str | None) -> str:
    """Where a page is: the first holds models, those that follow it hold profiles."""
    if page is None:
        return "/foundation-models"
    return _PROFILES if page == _FIRST_PROFILES else f"{_PROFILES}&nextToken={quote(page, safe='')}"


def decode_models(body: bytes) -> tuple[list[ListedModel], str | None]:
    """The models of a page that answer in words, and the token of the next page, unless it is the last.

    How much each takes, Bedrock does not say.
    """
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the list of models cannot be read ({exc})", provider=PROVIDER) from exc
    if page.inference_profile_summaries is not None:
        profiles = [each for each in page.inference_profile_summaries if each.status in (None, "ACTIVE")]
        return [ListedModel(each.name, each.inference_profile_name) for each in profiles], page.next_token or None
    models = [each for each in page.model_summaries or () if each.is_asked_by_its_id]
    return [ListedModel(each.model_id, each.model_name) for each in models], _FIRST_PROFILES


def encode_models(models: list[ListedModel]) -> bytes:
    """The first page, as a server of this dialect gives it."""
    told: list[dict[str, Any]] = [
        {
            "modelId": each.name,
            "modelName": each.display_name or each.name,
            "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"],
        }
        for each in models
    ]
    return msgspec.json.encode({"modelSummaries": told})


_PROFILES: Final = "/inference-profiles?maxResults=1000"
_FIRST_PROFILES: Final = ""


class _Model(Struct):
    model_id: str
    model_name: str | None = None
    output_modalities: list[str] | None = None
    inference_types_supported: list[str] | None = None

    @property
    def is_asked_by_its_id(self) -> bool:
        types = self.inference_types_supported
        return "TEXT" in (self.output_modalities or ("TEXT",)) and (types is None or "ON_DEMAND" in types)


class _Profile(Struct):
    inference_profile_id: str
    inference_profile_name: str | None = None
    inference_profile_arn: str | None = None
    status: str | None = None
    type: str | None = None

    @property
    def name(self) -> str:
        """Those that somebody made are asked by their ARN only."""
        made = self.type == "APPLICATION" and self.inference_profile_arn
        return made or self.inference_profile_id


class _Page(Struct):
    model_summaries: list[_Model] | None = None
    inference_profile_summaries: list[_Profile] | None = None
    next_token: str | None = None
