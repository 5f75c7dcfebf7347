"""What answers of fakes are made of, in whatever dialect: texts in pieces, values that fit a schema, a picture, a tone."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from math import pi, sin
from typing import Any

from tests.fakes.behaviours import Answer

LONG_PERIOD = 1000


def pieces(answer: Answer, unsaid: str) -> list[str]:
    """The text of an answer as it is cut into chunks; `unsaid` is for one that has none."""
    if isinstance(answer.chunks, tuple):
        return list(answer.chunks)
    if answer.text is None and answer.chunks is not None:
        return [f"{number} " for number in range(1, answer.chunks + 1)]
    return split(unsaid if answer.text is None else answer.text, answer.chunks)


def split(text: str, chunks: int | None) -> list[str]:
    """Cut a text between words: into so many pieces, or every three words."""
    words = words_of(text) or ([text] if text else [])
    size = 3 if chunks is None else max(1, -(-len(words) // chunks))
    return ["".join(words[at : at + size]) for at in range(0, len(words), size)]


def words_of(text: str) -> list[str]:
    """The words of a text, each with the blanks around it."""
    return re.findall(r"\s*\S+\s*", text)


def long_piece(number: int) -> str:
    return f"w{number % LONG_PERIOD:04} "


def long_text(chunks: int) -> str:
    """What a Long answer says."""
    return "".join(long_piece(number) for number in range(chunks))


def long_blocks(chunks: int, encode: Callable[[str], bytes]) -> Iterator[bytes]:
    """The pieces of a Long answer in blocks of a thousand, prepared once."""
    events = [encode(long_piece(number)) for number in range(min(chunks, LONG_PERIOD))]
    block = b"".join(events)
    yield from (block for _ in range(chunks // LONG_PERIOD))
    yield b"".join(events[: chunks % LONG_PERIOD])


def sample(schema: dict[str, Any], text: str) -> Any:
    """A value that fits a schema, as small as it can be."""
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("anyOf"):
        return sample(choices[0], text)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind.lower() if isinstance(kind, str) else kind[0].lower():
        case "object":
            return {name: sample(inner, text) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema.get("items", {}), text)] * max(1, int(schema.get("minItems", 1)))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return text


@cache
def dot() -> bytes:
    """A PNG of one red pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@cache
def sine(seconds: float, *, rate: int = 24_000, hertz: int = 450) -> bytes:
    """A quiet tone: 16-bit mono PCM, little-endian."""
    count = round(seconds * rate)
    return struct.pack(f"<{count}h", *(round(300 * sin(2 * pi * hertz * at / rate)) for at in range(count)))
