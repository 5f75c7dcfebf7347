"""The parts of a turn: finding out what they are, and opening them when an act starts."""

import base64
import binascii
import codecs
import mimetypes
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from boticelli_cli.errors import InputError
from boticelli_cli.messages import Media, MediaKind, Part, Text, kind_of
from boticelli_cli.narrative.files import MAX_BYTES, is_folder, is_regular, read_bounded, reason_of
from boticelli_cli.narrative.model import Base64Content, BytesContent, FileContent, InputPart, TextContent, UrlContent

__all__ = ["attachment", "decode_base64", "infer_mime", "open_part", "part_problem"]

URL_SCHEMES = ("http", "https", "gs")

_MORE_TYPES = {
    ".md": "text/markdown",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".yaml": "text/plain",
    ".yml": "text/plain",
    ".toml": "text/plain",
    ".m4a": "audio/mp4",
    ".opus": "audio/opus",
    ".mkv": "video/x-matroska",
}


def infer_mime(name: str | None, data: bytes | None = None) -> str | None:
    """The media type of something, by its name's ending or by its first bytes; None if neither tells."""
    if name is not None:
        suffix = PurePosixPath(name.lower()).suffix
        mime = _MORE_TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}", strict=False)[0]
        if mime is not None:
            return mime
    return _sniff(data) if data else None


def decode_base64(text: str) -> tuple[bytes, str | None]:
    """The bytes of a base64 text or of a data: URL, and the media type that the URL names.

    Raises ValueError.
    """
    mime = None
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise ValueError("a data: URL has to be 'data:TYPE;base64,…'")
        mime = head.removeprefix("data:").removesuffix(";base64").partition(";")[0] or None
    compact = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True), mime
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None


def part_problem(part: InputPart, folder: Path, scope: Mapping[str, Any]) -> str | None:
    """What is wrong with a part, as far as can be told without reading all of it; None if nothing is."""
    try:
        match part.content:
            case FileContent(path):
                return _file_problem(part, folder / path.render(scope), path.render(scope))
            case UrlContent(url):
                return _url_problem(part, url.render(scope))
            case Base64Content():
                open_part(part, folder, scope)
            case TextContent() | BytesContent():
                pass
    except (InputError, ValueError) as error:
        return str(error)
    return None


def open_part(part: InputPart, folder: Path, scope: Mapping[str, Any]) -> Part:
    """A part as it is sent: its template filled in, its file read. Raises InputError."""
    match part.content:
        case TextContent(text):
            content = text.render(scope).rstrip("\n")
            if part.kind == "text":
                return Text(content)
            return _media(part, content.encode(errors="replace"), part.mime or "text/plain", part.filename)
        case FileContent(path):
            name = path.render(scope)
            data = _read(folder / name, name)
            if part.kind == "text":
                return Text(_as_text(data, name))
            return _media(part, data, None, Path(name).name)
        case UrlContent(url):
            address = url.render(scope)
            label = part.filename or _name_in_url(address)
            mime = part.mime or infer_mime(label) or _DEFAULT_TYPES[part.kind]
            return Media(kind_or_document(part.kind), mime, url=address, name=label)
        case Base64Content(encoded):
            decoded, named_mime = _decoded(encoded)
            if part.kind == "text":
                return Text(_as_text(decoded, "the base64 text"))
            return _media(part, decoded, named_mime)
        case BytesContent(data):
            return _media(part, data)


def attachment(data: bytes, name: str | None) -> Media:
    """Bytes that somebody attaches to a prompt, as the kind of media that they are. Raises InputError."""
    if not data:
        raise InputError(f"there is nothing in '{name}'" if name else "nothing was piped in to be attached")
    mime = infer_mime(name, data)
    if mime is None:
        mime = "text/plain" if _is_text(data) else None
    if mime is None:
        label = f"'{name}'" if name else "what is piped in"
        raise InputError(f"it cannot be told what {label} is; give the file the ending of its type")
    return Media(kind_of(mime), mime, data=data, name=name)


_DEFAULT_TYPES = {
    "text": "text/plain",
    "image": "image/*",
    "audio": "audio/*",
    "video": "video/*",
    "document": "application/octet-stream",
}


def kind_or_document(kind: Literal["text"] | MediaKind) -> MediaKind:
    return "document" if kind == "text" else kind


def _media(part: InputPart, data: bytes, mime: str | None = None, name: str | None = None) -> Media:
    name = part.filename or name
    if not data and part.kind != "document":
        raise InputError(f"there is nothing in {f'{name!r}' if name else 'it'}")
    mime = part.mime or mime or infer_mime(name, data)
    if mime is None and _is_text(data) and part.kind == "document":
        mime = "text/plain"
    if mime is None:
        raise InputError("its media type cannot be told; give it with 'mime'")
    mismatch = _mismatch(part, mime, name or "this")
    if mismatch:
        raise InputError(mismatch)
    return Media(kind_or_document(part.kind), mime, data=data, name=name)


def _mismatch(part: InputPart, mime: str, name: str) -> str | None:
    if part.kind in ("text", "document") or kind_of(mime) == part.kind:
        return None
    article = "an" if part.kind in ("image", "audio") else "a"
    return f"'{name}' is {mime}, not {article} {part.kind}; set 'type: {kind_of(mime)}' or another 'mime'"


def _file_problem(part: InputPart, path: Path, name: str) -> str | None:
    if is_folder(path):
        return f"'{name}' is a folder, not a file"
    if not is_regular(path):
        elsewhere = f" (looked for it at {path})" if str(path) != name else ""
        return f"there is no file '{name}'{elsewhere}"
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        return f"'{name}' cannot be read: {error.strerror}"
    if path.stat().st_size > MAX_BYTES:
        return f"'{name}' is larger than {MAX_BYTES // 1_000_000} MB"
    if part.kind == "text":
        return None if _is_text(head) else f"'{name}' is not UTF-8 text; send it as 'type: document'"
    _media(part, head, None, path.name)
    return None


def _url_problem(part: InputPart, url: str) -> str | None:
    if part.kind == "text":
        return "text cannot come from a url; download it and give it as 'file', or send it as a document"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "this is not a URL"
    if parts.scheme not in URL_SCHEMES or not parts.netloc:
        return f"a url starts with one of {', '.join(f'{scheme}://' for scheme in URL_SCHEMES)}"
    mime = part.mime or infer_mime(part.filename or _name_in_url(url))
    return _mismatch(part, mime, _name_in_url(url) or "this") if mime else None


def _decoded(encoded: str) -> tuple[bytes, str | None]:
    try:
        return decode_base64(encoded)
    except ValueError as error:
        raise InputError(f"'base64': {error}") from None


def _name_in_url(url: str) -> str | None:
    return PurePosixPath(unquote(urlsplit(url).path)).name or None


def _read(path: Path, name: str) -> bytes:
    try:
        return read_bounded(path)
    except (OSError, ValueError) as error:
        raise InputError(f"'{name}' cannot be read: {reason_of(error)}") from None


def _as_text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"'{name}' is not UTF-8 text; send it as 'type: document'") from None


def _is_text(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # a head may end within a character
    except UnicodeDecodeError:
        return False
    return b"\x00" not in data


def _sniff(data: bytes) -> str | None:
    import puremagic

    try:
        found = puremagic.magic_string(data[:4096])
    except (puremagic.PureError, ValueError):
        return None
    return next((match.mime_type for match in found if match.mime_type and match.confidence >= 0.3), None)
