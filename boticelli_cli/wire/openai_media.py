"""Media in OpenAI's messages, both ways: pictures by address, sound and files as base64.

https://developers.openai.com/api/docs/guides/images-vision, …/audio and …/file-inputs: of files, only PDFs are taken in
chat completions, and a document of text is to be told as text.
"""

import base64
import mimetypes
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from boticelli_cli.messages import Media, kind_of
from boticelli_cli.wire.body import Losses, decode_base64

__all__ = [
    "Audio",
    "File",
    "ImageAddress",
    "InputAudio",
    "document_of",
    "encode_medium",
    "media_of",
    "sound_of",
    "spoken_of",
]


class ImageAddress(msgspec.Struct, gc=False):
    url: str


class Audio(msgspec.Struct, gc=False):
    """What a model says aloud, or a piece of it."""

    data: str | None = None
    transcript: str | None = None


class InputAudio(msgspec.Struct, gc=False):
    data: str
    format: str = "wav"


class File(msgspec.Struct, gc=False):
    file_data: str | None = None
    filename: str | None = None


def encode_medium(media: Media, losses: Losses) -> dict[str, Any] | None:
    """The part of a content that a medium is, or None for one that this dialect has no words for."""
    match media.kind:
        case "image":
            return {"type": "image_url", "image_url": {"url": _address(media)}}
        case "audio" if media.data is not None and media.mime.lower() in _FORMATS:
            data = base64.b64encode(media.data).decode()
            return {"type": "input_audio", "input_audio": {"data": data, "format": _FORMATS[media.mime.lower()]}}
        case "document" if media.data is None:
            losses.add("document addresses")
        case "document" if media.mime.lower() == _PDF:
            return {"type": "file", "file": {"file_data": _address(media), "filename": media.name or _PDF_NAME}}
        case "document" if (text := _text_of(media)) is not None:
            return {"type": "text", "text": text}
        case kind:
            losses.add(kind)
    return None


def media_of(address: str) -> Media:
    """A medium by its address, which may be a `data:` URL that holds it. Raises ValueError for bad base64."""
    if found := _DATA_URL.match(address):
        mime = found[1] or "application/octet-stream"
        return Media(kind_of(mime), mime, data=decode_base64(address[found.end() :]))
    return Media("image", _guessed(address) or _PICTURE, url=address)


def spoken_of(audio: InputAudio) -> Media:
    return Media("audio", _MIMES.get(audio.format, f"audio/{audio.format}"), data=decode_base64(audio.data))


def document_of(file: File) -> Media | None:
    """A file, or None for one that lies with OpenAI (`file_id`)."""
    if file.file_data is None:
        return None
    name = file.filename or None
    if found := _DATA_URL.match(file.file_data):
        mime, data = found[1] or "application/octet-stream", file.file_data[found.end() :]
    else:
        mime, data = (_guessed(name) if name else None) or _PDF, file.file_data
    return Media("document", mime, data=decode_base64(data), name=None if name == _PDF_NAME else name)


def sound_of(pieces: Sequence[Audio], *, streamed: bool) -> Media:
    """What a model said aloud. OpenAI streams raw samples only, 24 kHz, and does not say what it sends whole."""
    data = b"".join(decode_base64(piece.data or "") for piece in pieces)
    if streamed and not data.startswith(b"RIFF"):
        return Media("audio", _SAMPLES, data=data)
    return Media("audio", next((mime for magic, mime in _MAGIC if data.startswith(magic)), _SAMPLES), data=data)


_DATA_URL = re.compile(r"data:([\w.+-]{1,80}/[\w.+-]{1,80})?(?:;[^;,]{0,80}){0,4}?;base64,", re.IGNORECASE)
_FORMATS = {
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav"),
    **dict.fromkeys(("audio/mpeg", "audio/mp3"), "mp3"),
}
_MIMES = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_PDF = "application/pdf"
_PDF_NAME = "document.pdf"
"""The name of one that has none: OpenAI wants one."""

_PICTURE = "image/*"
"""What a picture is whose address does not tell."""

_TEXTS = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|toml|javascript|x-sh|sql)", re.IGNORECASE)

_SAMPLES = "audio/pcm;rate=24000"
_MAGIC = (
    (b"RIFF", "audio/wav"),
    (b"ID3", "audio/mpeg"),
    *((bytes((0xFF, second)), "audio/mpeg") for second in (0xFB, 0xF3, 0xF2)),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    *((bytes((0xFF, second)), "audio/aac") for second in (0xF1, 0xF9)),
)


def _address(media: Media) -> str:
    if media.data is None:
        return media.url or ""
    return f"data:{media.mime};base64,{base64.b64encode(media.data).decode()}"


def _text_of(document: Media) -> str | None:
    """What a document of text says, with its name around it where it has one; None for any other."""
    if document.data is None or not _TEXTS.fullmatch(document.mime.partition(";")[0]):
        return None
    try:
        text = document.data.decode()
    except UnicodeDecodeError:
        return None
    return text if document.name is None else f'<document name="{document.name}">\n{text}\n</document>'


def _guessed(name: str) -> str | None:
    try:
        return mimetypes.guess_type(name)[0]
    except ValueError:  # an address that is none
        return None
