"""The gateway as an ASGI application: each request to its face, everything else to pages of our own."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError, RefusedError
from boticelli_cli.gateway.answer import Send, retry_after, send_whole
from boticelli_cli.gateway.base import FaceName
from boticelli_cli.gateway.bounds import BodyBounds
from boticelli_cli.gateway.exchange import Door, Exchanges, read_call, unhurried
from boticelli_cli.gateway.faces.anthropic import AnthropicFace
from boticelli_cli.gateway.faces.base import Face, ServedModel
from boticelli_cli.gateway.faces.gemini import GeminiFace
from boticelli_cli.gateway.faces.openai import OpenAIFace
from boticelli_cli.gateway.flow import ClientLeft, Receive, own_fault, unless_left
from boticelli_cli.gateway.paths import Target, face_of_caller, target_of
from boticelli_cli.messages import Request

__all__ = ["Gateway", "refusal"]

FACES: Final[dict[FaceName, Face]] = {"anthropic": AnthropicFace(), "gemini": GeminiFace(), "openai": OpenAIFace()}

Scope = Any


class Gateway:
    """The application. `models` are those that can be asked; `count` counts the tokens of a request's input.

    `routes` are pages that are no face's: health, metrics, the status page.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        *,
        door: Door,
        models: Callable[[], Sequence[ServedModel]],
        count: Callable[[Request], Awaitable[int]],
        bounds: BodyBounds | None = None,
        routes: Iterable[BaseRoute] = (),
    ) -> None:
        self._exchanges = exchanges
        self._door = door
        self._gatekeeper = exchanges.gatekeeper
        self._models = models
        self._count = count
        self._bounds = bounds or BodyBounds()
        self._pages = Starlette(routes=[*routes], exception_handlers={404: _not_found})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (target := target_of(scope["path"])) is None:
            await self._pages(scope, receive, send)
            return
        face = _face_of(scope, target)
        if scope["method"] != target.method:
            error = RefusedError(f"only {target.method} is taken here", status=405)
            await _refuse(face, error, send, allow=target.method)
        elif target.action in ("answer", "stream"):
            await self._exchanges.exchange(face, target, scope, receive, send)
        else:
            await self._tell(face, target, scope, receive, send)

    async def _tell(self, face: Face, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what costs nothing: lists of models, and counts of tokens."""
        try:
            grant = await self._door.grant(scope)
            if target.action == "count":
                call = await read_call(target, scope, receive, self._bounds)
                request = await unhurried(call, lambda: face.read_count(call))
                self._door.check(grant, face.name, request.model)
                async with self._gatekeeper.admitted(grant, f"count_{secrets.token_hex(12)}", 0):
                    body = face.count(await unless_left(receive, self._count(request)))
            else:
                self._door.check(grant, face.name)
                models = [model for model in self._models() if grant.permits_model(model.id)]
                body = face.models(models) if target.action == "models" else face.model(_found(models, target.model))
        except ClientLeft:
            return
        except BoticelliError as error:
            await _refuse(face, error, send)
        except Exception as error:
            await _refuse(face, own_fault(error), send)
        else:
            await send_whole(send, 200, body)


def refusal(scope: Scope, status: int, message: str) -> tuple[bytes, str]:
    """A refusal in the words of the client's dialect: the body, and its content type."""
    _, body = _face_of(scope, target_of(scope["path"])).error(_error(status, message))
    return body, "application/json"


def _face_of(scope: Scope, target: Target | None) -> Face:
    if target is not None and target.face is not None:
        return FACES[target.face]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return FACES[face_of_caller(headers, {"key": ""} if b"key=" in scope["query_string"] else {})]


def _found(models: Iterable[ServedModel], name: str) -> ServedModel:
    for model in models:
        if model.id == name:
            return model
    raise RefusedError(f"there is no model '{name}' here; GET /v1/models lists those that there are", status=404)


def _error(status: int, message: str) -> ProviderError:
    match status:
        case 401 | 403:
            return CredentialsError(message, status=status)
        case _ if status < 500 and status not in (408, 429):
            return RefusedError(message, status=status)
        case _:
            return ProviderError(message, status=status)


async def _refuse(face: Face, error: BoticelliError, send: Send, *, allow: str | None = None) -> None:
    status, body = face.error(error)
    headers = retry_after(error) + ([("allow", allow)] if allow else [])
    await send_whole(send, status, body, headers=headers)


async def _not_found(request: Any, _: Exception) -> Any:
    from starlette.responses import Response

    path = request.scope["path"]
    meant = next((each for each in (path.removeprefix("/v1"), f"/v1{path}") if target_of(each) is not None), None)
    hint = f"; did you mean {meant}?" if meant is not None else ""
    body, kind = refusal(request.scope, 404, f"there is nothing at {path[:200]}{hint}")
    return Response(body, 404, media_type=kind)
