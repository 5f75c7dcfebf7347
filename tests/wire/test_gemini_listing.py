"""What Gemini counts and lists."""

import json

import pytest

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.gemini import decode_count, decode_models, encode_count_response
from boticelli_cli.wire.listing import ListedModel


def test_reads_the_count_it_writes() -> None:
    assert decode_count(encode_count_response(31)) == 31
    assert decode_count(b'{"totalTokens":31,"promptTokensDetails":[{"modality":"TEXT","tokenCount":31}]}') == 31


def test_reads_a_page_of_models() -> None:
    page = {
        "models": [
            {
                "name": "models/gemini-2.5-flash",
                "version": "001",
                "displayName": "Gemini 2.5 Flash",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/aqa"},
        ],
        "nextPageToken": "abc",
    }
    flash = ListedModel("gemini-2.5-flash", "Gemini 2.5 Flash", 1048576, 65536, ("generateContent", "countTokens"))
    assert decode_models(json.dumps(page).encode()) == ([flash, ListedModel("aqa")], "abc")
    assert decode_models(b"{}") == ([], None)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"models":[{}]}', b'{"models":5,"totalTokens":"many"}', b"[" * 10**5]
)
def test_refuses_what_is_neither(body: bytes) -> None:
    for decode in (decode_count, decode_models):
        with pytest.raises(ProviderError, match="cannot be read"):
            decode(body)
