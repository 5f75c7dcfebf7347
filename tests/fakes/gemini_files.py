"""The fake Gemini service's Files API: resumable uploads that are processed before they can be used."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.gemini_wire import ApiError, Asked, Json

_ORIGIN = "https://generativelanguage.googleapis.com/v1beta"
_TIME = "2026-11-21T08:00:00.000000Z"


@dataclass
class StoredFile:
    name: str
    mime_type: str
    display_name: str
    size: int
    data: bytearray = field(default_factory=bytearray)
    polls_left: int = 1
    failed: bool = False

    @property
    def state(self) -> str:
        if self.polls_left > 0:
            return "PROCESSING"
        return "FAILED" if self.failed else "ACTIVE"

    @property
    def json(self) -> Json:
        return {
            "name": self.name,
            **({"displayName": self.display_name} if self.display_name else {}),
            "mimeType": self.mime_type,
            "sizeBytes": str(len(self.data)),
            "createTime": _TIME,
            "updateTime": _TIME,
            "expirationTime": "2026-11-23T08:00:00.000000Z",
            "sha256Hash": base64.b64encode(hashlib.sha256(self.data).hexdigest().encode()).decode(),
            "uri": f"{_ORIGIN}/{self.name}",
            "state": self.state,
            "source": "UPLOADED",
            **({"error": {"code": 3, "message": "The file could not be processed."}} if self.state == "FAILED" else {}),
        }


class Files:
    """What was uploaded, by name. `polls`: how often a file is seen PROCESSING before it is ACTIVE (or FAILED).

    `refusal` is the status with which uploads are refused.
    """

    def __init__(self) -> None:
        self.stored: dict[str, StoredFile] = {}
        self.polls = 1
        self.fails = False
        self.refusal: int | None = None
        self._uploads: dict[str, StoredFile] = {}

    def start(self, asked: Asked, origin: str) -> web.Response:
        """Begin an upload, and say where to send its bytes."""
        if self.refusal is not None:
            raise ApiError(self.refusal, "It is too full.")
        if asked.headers.get("X-Goog-Upload-Command") != "start":
            raise ApiError(400, "Invalid upload command: expected start.")
        about = asked.content.get("file", {})
        number = len(self._uploads) + 1
        stored = StoredFile(
            about.get("name") or f"files/fake{number:08}",
            asked.headers.get("X-Goog-Upload-Header-Content-Type", "application/octet-stream"),
            about.get("displayName", ""),
            int(asked.headers.get("X-Goog-Upload-Header-Content-Length", 0)),
            polls_left=self.polls,
            failed=self.fails,
        )
        if stored.name in self.stored:
            raise ApiError(409, f"Requested entity already exists: {stored.name}", status="ALREADY_EXISTS")
        self._uploads[str(number)] = stored
        where = f"{origin}/upload/{asked.version}/files?upload_id={number}&upload_protocol=resumable"
        headers = {"X-Goog-Upload-URL": where, "X-Goog-Upload-Status": "active", **_GRANULARITY}
        return web.json_response({}, headers=headers)

    def take(self, asked: Asked, data: bytes) -> web.Response:
        """Take the next bytes of an upload, and keep the file when they are the last."""
        stored = self._uploads.get(asked.query["upload_id"])
        if stored is None:
            raise ApiError(404, "Upload not found.")
        commands = {command.strip() for command in asked.headers.get("X-Goog-Upload-Command", "").split(",")}
        if int(asked.headers.get("X-Goog-Upload-Offset", -1)) != len(stored.data):
            raise ApiError(400, f"Upload offset is not {len(stored.data)}.")
        stored.data += data
        if "finalize" not in commands:
            return web.Response(headers={"X-Goog-Upload-Status": "active"})
        if len(stored.data) != stored.size:
            raise ApiError(400, f"The upload has {len(stored.data)} bytes instead of {stored.size}.")
        self.stored[stored.name] = stored
        return web.json_response({"file": stored.json}, headers={"X-Goog-Upload-Status": "final"})

    def every(self) -> Json:
        return {"files": [stored.json for stored in self.stored.values()]} if self.stored else {}

    def get(self, name: str) -> Json:
        stored = self._find(name)
        told = stored.json
        stored.polls_left -= 1
        return told

    def delete(self, name: str) -> Json:
        del self.stored[self._find(name).name]
        return {}

    def check_used(self, contents: list[Json]) -> None:
        """A request may name files that are there and ready."""
        for turn in contents:
            for part in turn.get("parts", []):
                uri: Any = part.get("fileData", {}).get("fileUri", "")
                if "/files/" in uri and self._find("files/" + uri.rpartition("/files/")[2]).state != "ACTIVE":
                    name = uri.rpartition("/")[2]
                    message = f"The File {name} is not in an ACTIVE state and usage is not allowed."
                    raise ApiError(400, message, status="FAILED_PRECONDITION")

    def _find(self, name: str) -> StoredFile:
        if name not in self.stored:
            raise ApiError(
                403,
                f"You do not have permission to access the File {name.removeprefix('files/')} or it may not exist.",
            )
        return self.stored[name]


_GRANULARITY = {"X-Goog-Upload-Chunk-Granularity": "8388608"}
