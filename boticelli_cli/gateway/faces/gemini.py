"""Gemini's face: https://ai.google.dev/api/generate-content."""

from dataclasses import replace
from typing import Any, Final

from boticelli_cli.errors import BoticelliError, ProviderError
from boticelli_cli.gateway.faces.base import Asked, Call, ServedModel
from boticelli_cli.messages import Delta, Finish, Original, Request, Response
from boticelli_cli.wire import gemini
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.sse import EventReader
from boticelli_cli.wire.stream import Writer

__all__ = ["GeminiFace"]


class GeminiFace:
    """What google-genai and Gemini's other clients speak."""

    name: Final = "gemini"
    permission: Final = "gemini"

    def read(self, call: Call) -> Asked:
        request = gemini.decode_request(call.body, call.target.model)
        streamed = call.target.action == "stream"
        is_array = streamed and call.query.get("alt") != "sse"
        original = None if is_array else Original(self.name, call.body)  # upstream it is events that are asked for
        return Asked(replace(request, dialect=self.name, original=original), streamed=streamed, is_array=is_array)

    def read_count(self, call: Call) -> Request:
        return replace(gemini.decode_count_request(call.body, call.target.model), dialect=self.name)

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream" if asked.streamed and not asked.is_array else "application/json; charset=UTF-8"

    def writer(self, asked: Asked, model: str, losses: Losses, expected: int) -> Writer:
        writer = gemini.StreamWriter(model, losses=losses)
        return ArrayWriter(writer) if asked.is_array else writer

    def whole(self, response: Response, model: str, losses: Losses) -> bytes:
        return gemini.encode_response(response, model=model, losses=losses)

    def error(self, error: BoticelliError) -> tuple[int, bytes]:
        return gemini.encode_error(error)

    def count(self, tokens: int) -> bytes:
        return gemini.encode_count_response(tokens)

    def models(self, models: list[ServedModel]) -> bytes:
        return encode_json({"models": [_told(each) for each in models]})

    def model(self, model: ServedModel) -> bytes:
        return encode_json(_told(model))


class ArrayWriter:
    """Writes a streamed answer as one JSON array: what Gemini streams where nobody asks for events."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._events = EventReader()
        self._has_begun = False

    def write(self, delta: Delta) -> bytes:
        told = self._elements(self._writer.write(delta))
        return told + self._end() if isinstance(delta, Finish) else told

    def keep_alive(self) -> bytes:
        return b"\n"

    def error(self, error: ProviderError) -> bytes:
        return self._elements(self._writer.error(error)) + self._end()

    def _elements(self, events: bytes) -> bytes:
        told = b""
        for event in self._events.feed(events):
            told += (b",\r\n" if self._has_begun else b"[") + event.data
            self._has_begun = True
        return told

    def _end(self) -> bytes:
        return b"]" if self._has_begun else b"[]"


def _told(model: ServedModel) -> dict[str, Any]:
    name = model.id
    told: dict[str, Any] = {"name": f"models/{name}", "displayName": name, "version": "1"}
    limits = {"inputTokenLimit": model.input_limit, "outputTokenLimit": model.output_limit}
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    known = {key: limit for key, limit in limits.items() if limit is not None}
    return told | known | {"supportedGenerationMethods": methods}
