"""How many input tokens a request will be counted as, guessed before a provider has said."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, assert_never

from boticelli_cli.messages import CachePoint, Media, Part, Request, Text, Thought, ToolCall, ToolResult

__all__ = ["estimate_tokens", "text_tokens"]

_CHARACTERS_A_TOKEN = 4
"""Of Latin text; Gemini's documented "about 4 characters" (ai.google.dev/gemini-api/docs/tokens)."""

_TOKENS_A_WIDE_CHARACTER = 1.25
_WIDE = re.compile("[\u0900-\u1fff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]+")
"""Chinese, Japanese, Korean, the scripts of India and South-East Asia, and emoji."""

_CHARACTERS_A_TOKEN_ELSEWHERE = 2
_ELSEWHERE = re.compile("[\u0370-\u08ff]+")
"""Greek, Cyrillic, Armenian, Hebrew, Arabic."""

_IMAGE = 258
"""Gemini's for a picture, and for each tile of a large one; how many tiles there are, its bytes do not tell."""

_PAGE = 258
"""Gemini's for a page of a document."""

_AUDIO_SECOND = 32
_VIDEO_SECOND = 263
"""Gemini's for a second of sound, and of film (ai.google.dev/gemini-api/docs/tokens)."""

_AUDIO_BYTES = 8_000
_PLAIN_AUDIO_BYTES = 32_000
_VIDEO_BYTES = 125_000
_PAGE_BYTES = 50_000
"""What a second or a page is taken to weigh: 64 kbit/s, 16-bit mono at 16 kHz, 1 Mbit/s. Low, so as to guess high."""

_PLAIN_AUDIO = ("wav", "l16", "pcm", "aiff")

_UNSEEN = {"image": _IMAGE, "audio": 60 * _AUDIO_SECOND, "video": 60 * _VIDEO_SECOND, "document": 10 * _PAGE}
"""For media that the provider fetches itself: a picture, a minute, ten pages."""

_TURN = 4
"""What marks the beginning and end of a turn."""


def estimate_tokens(request: Request) -> int:
    """The input tokens of a request: right to about a third for text, a guess by kind and size for media.

    Options in a provider's own words are not counted.
    """
    pieces = [text_tokens(request.system_text or "")]
    pieces += [_TURN + sum(map(_part, message.parts)) for message in request.messages]
    pieces += [text_tokens(text) for text in _declarations(request)]
    return max(1, math.ceil(sum(pieces)))


def text_tokens(text: str) -> float:
    """About how many tokens a text is counted as, in fractions too: of pieces, the sum counts."""
    if text.isascii():
        return len(text) / _CHARACTERS_A_TOKEN
    wide = sum(map(len, _WIDE.findall(text)))
    elsewhere = sum(map(len, _ELSEWHERE.findall(text)))
    latin = len(text) - wide - elsewhere
    return latin / _CHARACTERS_A_TOKEN + elsewhere / _CHARACTERS_A_TOKEN_ELSEWHERE + wide * _TOKENS_A_WIDE_CHARACTER


def _declarations(request: Request) -> Iterator[str]:
    if request.schema is not None:
        yield _json(request.schema)
    for tool in request.declared_tools:
        yield _json({"name": tool.name, "description": tool.description, "parameters": tool.parameters})


def _part(part: Part) -> float:
    match part:
        case Text():
            return text_tokens(part.text)
        case Media():
            return _media(part)
        case Thought():
            return text_tokens(part.text) + text_tokens(part.signature or "")
        case ToolCall():
            return text_tokens(part.name) + text_tokens(_json(part.arguments)) + text_tokens(part.signature or "")
        case ToolResult():
            return text_tokens(part.name) + _output(part.output)
        case CachePoint():
            return 0.0
        case _:
            assert_never(part)


def _output(output: Any) -> float:
    match output:
        case str():  # mostly; and it may be long
            return text_tokens(output)
        case tuple():
            return sum(map(_part, output))
        case _:
            return text_tokens(_json(output))


def _media(media: Media) -> float:
    if media.data is None:
        return _UNSEEN[media.kind]
    size = len(media.data)
    match media.kind:
        case "image":
            return _IMAGE
        case "audio":
            plain = any(word in media.mime.lower() for word in _PLAIN_AUDIO)
            return _AUDIO_SECOND * math.ceil(size / (_PLAIN_AUDIO_BYTES if plain else _AUDIO_BYTES))
        case "video":
            return _VIDEO_SECOND * math.ceil(size / _VIDEO_BYTES)
        case "document" if media.mime.startswith("text/"):
            return size / _CHARACTERS_A_TOKEN
        case "document":
            return _PAGE * math.ceil(size / _PAGE_BYTES)
        case _:
            assert_never(media.kind)


_encoder = json.JSONEncoder(ensure_ascii=False, default=str)


def _json(value: Any) -> str:
    return _encoder.encode(value)
