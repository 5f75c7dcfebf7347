"""Anthropic's models, asked by HTTP: https://platform.claude.com/docs/en/api/overview."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.dialect import Dialect, HttpDriver
from boticelli_cli.drivers.http import Endpoint, Outgoing
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.messages import Request
from boticelli_cli.wire.anthropic import (
    FORWARDING,
    PROVIDER,
    StreamReader,
    decode_count,
    decode_error,
    decode_models,
    decode_response,
    encode_count,
    encode_request,
)
from boticelli_cli.wire.stream import EventBody

__all__ = ["DIALECT", "VERSION", "AnthropicDriver", "anthropic_driver"]

VERSION: Final = "2023-06-01"
"""The version of the API that is asked for.

Later ones refuse sampling parameters of every model; this one takes them where the model does, and still answers.
"""

BASE_URL: Final = "https://api.anthropic.com"


def anthropic_driver(
    access: Access, *, unknown_hint: Callable[[str], str | None] = lambda model: None, wide: bool = False
) -> "AnthropicDriver":
    """The driver of Anthropic's models, or of whoever speaks its dialect at the access's base URL.

    `unknown_hint` says what to do about a model that is not there; with `wide`, it carries hundreds of streams at once.
    """

    async def headers(_: Outgoing) -> Mapping[str, str]:
        key = {} if access.api_key is None else {"x-api-key": access.api_key}
        return {"anthropic-version": VERSION, **key}

    is_anthropic = access.provider == PROVIDER
    endpoint = Endpoint(
        access.provider,
        access.url(BASE_URL),
        authorize=headers,
        read_error=decode_error,
        named_by="ANTHROPIC_BASE_URL" if is_anthropic else f"'base_url' of '{access.provider}' in the configuration",
        wide=wide,
    )
    # Of Anthropic's own key, its errors themselves say what to do.
    key_hint = access.key_hint or (None if is_anthropic else f"give another: boticelli keys set {access.provider}")
    return AnthropicDriver(access.provider, DIALECT, endpoint, key_hint=key_hint, unknown_hint=unknown_hint)


class AnthropicDriver(HttpDriver):
    """The `Driver` of one account at Anthropic, which also counts tokens."""

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request's input has, as the provider counts them. Raises ProviderError."""
        patience = Patience(self._provider, request.timeout)
        with self._naming(request.model):
            answer = await self._endpoint.post("/v1/messages/count_tokens", encode_count(request), patience)
            return decode_count(answer.body)


def _models_path(after: str | None) -> str:
    return "/v1/models?limit=1000" + (f"&after_id={quote(after, safe='')}" if after else "")


DIALECT: Final = Dialect(
    encode=lambda request, streamed: encode_request(request, streamed=streamed),
    path=lambda request, streamed: "/v1/messages",
    reader=lambda request: EventBody(StreamReader()),
    decode=lambda request, body: decode_response(body),
    models_path=_models_path,
    decode_models=decode_models,
    forwarding=FORWARDING,
)
