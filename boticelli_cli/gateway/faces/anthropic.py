"""Anthropic's face: https://platform.claude.com/docs/en/api/messages/create."""

from dataclasses import replace
from typing import Any, Final

import msgspec

from boticelli_cli.errors import BoticelliError
from boticelli_cli.gateway.faces.base import Asked, Call, ServedModel
from boticelli_cli.gateway.faces.picking import picked
from boticelli_cli.messages import Original, Request, Response, Usage
from boticelli_cli.wire import anthropic
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.stream import Writer

__all__ = ["AnthropicFace"]

_ALONG: Final = ("anthropic-beta", "anthropic-version")
"""Headers that mean something to Anthropic itself."""

_EPOCH: Final = "1970-01-01T00:00:00Z"
"""When a model was made of which nobody says it, as Anthropic writes it."""


class AnthropicFace:
    """What Claude Code and Anthropic's clients speak."""

    name: Final = "anthropic"
    permission: Final = "claude"

    def read(self, call: Call) -> Asked:
        return Asked(self._request(call, call.body), streamed=anthropic.is_streamed(call.body))

    def read_count(self, call: Call) -> Request:
        return replace(self._request(call, call.body), original=None)

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream; charset=utf-8" if asked.streamed else "application/json"

    def writer(self, asked: Asked, model: str, losses: Losses, expected: int) -> Writer:
        return anthropic.StreamWriter(model, usage=Usage(input=expected), losses=losses)

    def whole(self, response: Response, model: str, losses: Losses) -> bytes:
        return anthropic.encode_response(response, model=model, losses=losses)

    def error(self, error: BoticelliError) -> tuple[int, bytes]:
        return anthropic.encode_error(error)

    def count(self, tokens: int) -> bytes:
        return anthropic.encode_count_response(tokens)

    def models(self, models: list[ServedModel]) -> bytes:
        told = [_told(each) for each in models]
        ends = {"first_id": told[0]["id"], "last_id": told[-1]["id"]} if told else {"first_id": None, "last_id": None}
        return encode_json({"data": told, "has_more": False, **ends})

    def model(self, model: ServedModel) -> bytes:
        return encode_json(_told(model))

    def _request(self, call: Call, body: bytes) -> Request:
        model = None if _names_a_model(body) else "auto"
        request = anthropic.decode_request(body, model)
        return replace(request, dialect=self.name, original=Original("anthropic", body, picked(call.headers, _ALONG)))


class _Peek(msgspec.Struct):
    model: Any = None


def _names_a_model(body: bytes) -> bool:
    """Whether a body says whom to ask. One that cannot be read is for the codec to refuse."""
    try:
        return bool(msgspec.json.decode(body, type=_Peek).model)
    except (ValueError, RecursionError):
        return True


def _told(model: ServedModel) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "model", "id": model.id, "display_name": model.id, "created_at": _EPOCH}
    limits = {"max_input_tokens": model.input_limit, "max_tokens": model.output_limit}
    return told | {name: limit for name, limit in limits.items() if limit is not None}
