"""Pictures of any size, in the forms that models send."""

import struct
import zlib


def png(width: int, height: int, *, filler: bytes = b"") -> bytes:
    """A whole PNG, all black; `filler` makes it larger without changing what it shows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + bytes(width)) * height) if width * height < 1_000_000 else b""
    more = chunk(b"teXt", filler) if filler else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """The head of a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00"


def jpeg(width: int, height: int, *, frame: int = 0xC0) -> bytes:
    """A JPEG up to its frame: JFIF, a comment that looks like a frame, a fill byte, tables."""
    jfif = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    comment = b"\xff\xfe\x00\x0b\xff\xc0\x00\x11\x08\x00\x01\x00\x01"
    tables = b"\xff\xc4\x00\x05\x00\x00\x00"
    size = struct.pack(">HH", height, width)
    return b"\xff\xd8" + jfif + comment + b"\xff" + tables + bytes([0xFF, frame]) + b"\x00\x11\x08" + size + bytes(12)


def webp_lossy(width: int, height: int) -> bytes:
    """The head of a WebP in its simple form; the upper two bits of each number are a scale."""
    frame = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height)
    return b"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00" + frame


def webp_lossless(width: int, height: int) -> bytes:
    bits = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + bits


def webp_extended(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00" + size
