"""OpenAI's face, chat completions: https://platform.openai.com/docs/api-reference/chat."""

from dataclasses import replace
from typing import Any, Final

from boticelli_cli.errors import BoticelliError, RefusedError
from boticelli_cli.gateway.faces.base import Asked, Call, ServedModel
from boticelli_cli.gateway.faces.picking import picked
from boticelli_cli.messages import Original, Request, Response
from boticelli_cli.wire import openai
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.stream import Writer

__all__ = ["OpenAIFace"]

_ALONG: Final = ("openai-beta",)


class OpenAIFace:
    """What OpenAI's clients and most others speak."""

    name: Final = "openai"
    permission: Final = "openai"

    def read(self, call: Call) -> Asked:
        manner = openai.decode_manner(call.body)
        request = openai.decode_request(call.body)
        along = picked(call.headers, _ALONG)
        original = Original("openai", call.body, along, include_usage=manner.include_usage)
        return Asked(
            replace(request, dialect=self.name, original=original),
            streamed=manner.streamed,
            include_usage=manner.include_usage,
        )

    def read_count(self, call: Call) -> Request:
        raise RefusedError("this dialect counts no tokens", status=404)

    def content_type(self, asked: Asked) -> str:
        return "text/event-stream; charset=utf-8" if asked.streamed else "application/json"

    def writer(self, asked: Asked, model: str, losses: Losses, expected: int) -> Writer:
        return openai.StreamWriter(model, include_usage=asked.include_usage, losses=losses)

    def whole(self, response: Response, model: str, losses: Losses) -> bytes:
        return openai.encode_response(response, model=model, losses=losses)

    def error(self, error: BoticelliError) -> tuple[int, bytes]:
        return openai.encode_error(error)

    def count(self, tokens: int) -> bytes:
        return encode_json({"input_tokens": tokens})

    def models(self, models: list[ServedModel]) -> bytes:
        return encode_json({"object": "list", "data": [_told(each) for each in models]})

    def model(self, model: ServedModel) -> bytes:
        return encode_json(_told(model))


def _told(model: ServedModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.provider}
