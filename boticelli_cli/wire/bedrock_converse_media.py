"""Converse's pictures, films, sounds and documents, both ways.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html. They come as bytes, or from S3.
"""

import base64
import re
from typing import Any, Final

import msgspec

from boticelli_cli.messages import Media, MediaKind
from boticelli_cli.wire.body import Losses

__all__ = ["Struct", "WireMedia", "WireSource", "encode_media", "media_of"]


class Struct(msgspec.Struct, rename="camel", gc=False):
    """What all structs of this dialect are: camel case, and no matter what else is said."""


class WireLocation(Struct):
    uri: str


class WireSource(Struct):
    bytes: str | None = None
    s3_location: WireLocation | None = None
    text: str | None = None


class WireMedia(Struct):
    source: WireSource = msgspec.field(default_factory=WireSource)
    format: str | None = None
    name: str | None = None


def media_of(kind: MediaKind, said: WireMedia) -> Media | None:
    """A block as a value, or None for what no value says: one made of blocks. Raises ValueError for bad base64."""
    mime = _MIMES[kind].get(said.format or "", f"{_FAMILIES[kind]}/{said.format or 'octet-stream'}")
    name = said.name if kind == "document" else None
    source = said.source
    if source.bytes is not None:
        return Media(kind, mime, base64.b64decode(source.bytes, validate=True), name=name)
    if source.s3_location is not None:
        return Media(kind, mime, url=source.s3_location.uri, name=name)
    if source.text is not None:
        return Media(kind, "text/plain" if said.format is None else mime, source.text.encode(), name=name)
    return None


def encode_media(media: Media, losses: Losses, names: set[str]) -> dict[str, Any] | None:
    """A block, or None for what Converse does not take: other kinds of files, and addresses that are not in S3.

    Documents have to have names, each its own in a request and of few characters: `names` are those that are taken.
    """
    form = _FORMS[media.kind].get(media.mime.partition(";")[0].strip().lower())
    if form is None:
        losses.add(media.mime or media.kind)
        return None
    if media.data is not None:
        source: dict[str, Any] = {"bytes": media.data}
    elif media.url is not None and media.url.startswith("s3://"):
        source = {"s3Location": {"uri": media.url}}
    else:
        losses.add(f"{media.kind} addresses")
        return None
    if media.kind != "document":
        return {media.kind: {"format": form, "source": source}}
    return {"document": {"format": form, "name": _name(media.name, names, losses), "source": source}}


_FAMILIES: Final[dict[MediaKind, str]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "document": "application",
}

_OFFICE = "application/vnd.openxmlformats-officedocument"

_MIMES: Final[dict[MediaKind, dict[str, str]]] = {
    "image": {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
    "video": {
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp4": "video/mp4",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    "audio": {
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "aac": "audio/aac",
        "flac": "audio/flac",
        "ogg": "audio/ogg",
        "opus": "audio/opus",
        "m4a": "audio/mp4",
        "webm": "audio/webm",
        "mka": "audio/x-matroska",
    },
    "document": {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": f"{_OFFICE}.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
}

_FORMS: Final[dict[MediaKind, dict[str, str]]] = {
    kind: {mime: form for form, mime in forms.items()} for kind, forms in _MIMES.items()
}
_FORMS["image"]["image/jpg"] = "jpeg"
_FORMS["audio"] |= {"audio/mp3": "mp3", "audio/x-wav": "wav", "audio/x-m4a": "m4a"}
_FORMS["video"] |= {"video/mpg": "mpeg", "video/x-mkv": "mkv"}


def _name(name: str | None, taken: set[str], losses: Losses) -> str:
    plain = " ".join(re.sub(r"[^A-Za-z0-9\s()\[\]-]", "-", name or "document").split())[:_LONGEST] or "document"
    told, number = plain, 1
    while told in taken:
        number += 1
        told = f"{plain} ({number})"
    taken.add(told)
    if name is not None and told != name:
        losses.add("document names")
    return told


_LONGEST = 190
"""Characters of a document's name: 200 are allowed, and a number may follow."""
