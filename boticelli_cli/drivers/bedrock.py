"""Amazon Bedrock over HTTP: Claude in Anthropic's words, by InvokeModel, and every other model in Converse's."""

import re
from collections.abc import Callable
from typing import Final

from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.drivers.dialect import Dialect, HttpDriver
from boticelli_cli.drivers.http import Endpoint
from boticelli_cli.drivers.model_path import in_path
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.messages import Request, Response
from boticelli_cli.wire import bedrock_converse as converse
from boticelli_cli.wire import bedrock_invoke as invoke
from boticelli_cli.wire.bedrock import (
    PROVIDER,
    decode_count,
    decode_error,
    decode_failure,
    decode_models,
    encode_count,
    is_claude,
    models_path,
)
from boticelli_cli.wire.body import Encoded
from boticelli_cli.wire.stream import BodyReader

__all__ = ["BedrockDriver", "bedrock_driver"]


def bedrock_driver(
    access: BedrockAccess, *, unknown_hint: Callable[[str], str | None] = lambda model: None, wide: bool = False
) -> "BedrockDriver":
    """The driver of one account's models at Bedrock. Raises CredentialsError where no region is known.

    With `wide`, it carries hundreds of streams at once. `unknown_hint` says what to do about a model that is not there.
    """

    def endpoint(url: str) -> Endpoint:
        return Endpoint(
            PROVIDER,
            url,
            authorize=access.headers,
            read_error=decode_error,
            read_failure=decode_failure,
            named_by="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            wide=wide,
        )

    at, listing = endpoint(access.url), endpoint(access.listing_url)
    return BedrockDriver(PROVIDER, _DIALECT, at, key_hint=access.key_hint, unknown_hint=unknown_hint, listing=listing)


class BedrockDriver(HttpDriver):
    """The `Driver` of one account at Bedrock, which also counts tokens."""

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request's input has, as the provider counts them. Raises ProviderError.

        Models themselves are asked for it, not the profiles by which they are asked for answers.
        """
        patience = Patience(PROVIDER, request.timeout)
        path = _model_path(_REGIONAL.sub("", request.model), "count-tokens")
        with self._naming(request.model):
            answer = await self._endpoint.post(path, encode_count(request, invoked=_is_invoked(request)), patience)
            return decode_count(answer.body)


def _is_invoked(request: Request) -> bool:
    """Whether a request goes by InvokeModel: to Claude, unless its options are in the words of Converse."""
    return is_claude(request.model) and request.dialect != PROVIDER


def _encode(request: Request, streamed: bool) -> Encoded:
    if _is_invoked(request):
        return invoke.encode_request(request, streamed=streamed)
    return converse.encode_request(request, streamed=streamed)


def _path(request: Request, streamed: bool) -> str:
    if _is_invoked(request):
        action = "invoke-with-response-stream" if streamed else "invoke"
    else:
        action = "converse-stream" if streamed else "converse"
    return _model_path(request.model, action)


def _model_path(model: str, action: str) -> str:
    return f"/model/{in_path(model, safe=_PLAIN)}/{action}"


def _reader(request: Request) -> BodyReader:
    return invoke.InvokeBody() if _is_invoked(request) else converse.ConverseBody()


def _decode(request: Request, body: bytes) -> Response:
    return invoke.decode_response(body) if _is_invoked(request) else converse.decode_response(body)


_PLAIN: Final = "!$&'()*+,;=:@~"
"""What may stand in a path as it is (RFC 3986): aiohttp would undo its encoding, and the signature be another's."""

_REGIONAL: Final = re.compile(r"^(?:us|us-gov|eu|apac|global|jp|au|ca)\.")
"""What a profile of several regions puts before a model's id."""

_DIALECT: Final = Dialect(
    encode=_encode,
    path=_path,
    reader=_reader,
    decode=_decode,
    models_path=models_path,
    decode_models=decode_models,
)
