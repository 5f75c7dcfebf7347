"""Bedrock's lists of models."""

import json
from typing import Any

import pytest

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.bedrock import decode_models, encode_models, models_path
from boticelli_cli.wire.listing import ListedModel


def page(**said: Any) -> tuple[list[ListedModel], str | None]:
    return decode_models(json.dumps(said).encode())


def test_lists_models_that_answer_in_words_by_the_id_that_they_are_asked_by() -> None:
    models, following = page(
        modelSummaries=[
            {"modelId": "a", "modelName": "A", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]},
            {"modelId": "b", "outputModalities": ["EMBEDDING"], "inferenceTypesSupported": ["ON_DEMAND"]},
            {"modelId": "c", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
            {"modelId": "d", "new": [1]},
        ]
    )
    assert models == [ListedModel("a", "A"), ListedModel("d")]
    assert following is not None
    profiles, last = page(
        inferenceProfileSummaries=[
            {"inferenceProfileId": "us.c", "inferenceProfileName": "C", "status": "ACTIVE", "type": "SYSTEM_DEFINED"},
            {"inferenceProfileId": "x1", "inferenceProfileArn": "arn:x1", "type": "APPLICATION"},
            {"inferenceProfileId": "x2", "status": "FAILED"},
        ],
        nextToken="a/b=",
    )
    assert profiles == [ListedModel("us.c", "C"), ListedModel("arn:x1")]
    assert last == "a/b="
    assert page(inferenceProfileSummaries=[]) == ([], None)
    assert [models_path(token) for token in (None, following, last)] == [
        "/foundation-models",
        "/inference-profiles?maxResults=1000",
        "/inference-profiles?maxResults=1000&nextToken=a%2Fb%3D",
    ]


def test_reads_the_list_it_writes() -> None:
    models = [ListedModel("amazon.nova-pro-v1:0", "Nova Pro"), ListedModel("x", "x")]
    assert decode_models(encode_models(models))[0] == models


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"modelSummaries":[{}]}', b"[" * 100_000], ids=range(5))
def test_what_is_no_list_is_an_error_of_the_provider(body: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        decode_models(body)
