"""How large a picture is: read from the first bytes of a PNG, GIF, JPEG or WebP, without decoding it."""

import struct

__all__ = ["PNG", "image_size"]

PNG = b"\x89PNG\r\n\x1a\n"
"""What every PNG begins with."""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the bytes are no such picture, or it has no room."""
    try:
        size = _size(data)
    except (struct.error, IndexError):  # it ends too soon
        return None
    return size if size is not None and all(size) else None


def _size(data: bytes) -> tuple[int, int] | None:
    if data.startswith(PNG) and data[12:16] == b"IHDR":
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    return None


_STANDALONE = {0x01, *range(0xD0, 0xD8)}
"""JPEG's markers without a length: TEM and RST0 to RST7 (ITU-T T.81, table B.1)."""

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Those that begin a frame and tell its size: SOF0 to SOF15, of which DHT, JPG and DAC are none."""


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """The canvas of a WebP, by the form it has (RFC 9649, section 2)."""
    match data[12:16]:
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L" if data[20:21] == b"\x2f":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            wide, high = data[24:27], data[27:30]
            if len(high) == 3:
                return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    return None
