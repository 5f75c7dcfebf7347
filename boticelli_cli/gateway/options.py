"""What can be said of a gateway when it is started, and what a gateway is once its parts are joined."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from boticelli_cli.gateway.bounds import BodyBounds
from boticelli_cli.gateway.listening import Listening

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["GatewayOptions", "GatewayParts", "LogFormat"]

LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How a gateway is to be run.

    `redis` is the URL of what several gateways share, with its password. With `log_prompts` the log holds what was
    asked. With `rehearse` the embedded model answers everything.
    """

    listening: Listening = field(default_factory=Listening)
    bodies: BodyBounds = field(default_factory=BodyBounds)
    redis: str | None = field(default=None, repr=False)
    workers: int = 1
    log_format: LogFormat = "json"
    log_prompts: bool = False
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """A gateway that could start now. `opened` is entered around serving `app`: what it holds is owned there.

    `has_keys` tells whether it knows of any key. Without, it is open to whoever reaches it.
    """

    app: "ASGIApp"
    opened: Callable[[], AbstractAsyncContextManager[object]]
    has_keys: bool = False
    notices: tuple[str, ...] = ()
