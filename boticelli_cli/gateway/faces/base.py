"""What a face is: the words of one dialect, as a server uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from boticelli_cli.errors import BoticelliError
from boticelli_cli.gateway.base import FaceName
from boticelli_cli.gateway.paths import Target
from boticelli_cli.grants import Permission
from boticelli_cli.messages import Request, Response
from boticelli_cli.wire.body import Losses
from boticelli_cli.wire.stream import Writer

__all__ = ["Asked", "Call", "Face", "ServedModel"]


@dataclass(frozen=True, slots=True)
class Call:
    """A client's request as it came: what its address says, its headers (lower-case names), its query and its body."""

    target: Target
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks, and how it wants to be answered.

    `is_array` is Gemini's way of streaming one JSON array; `include_usage` OpenAI's wish for the counts of tokens.
    """

    request: Request
    streamed: bool = False
    is_array: bool = False
    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that can be asked here, as lists tell of it. Limits are in tokens."""

    id: str
    provider: str
    input_limit: int | None = None
    output_limit: int | None = None


class Face(Protocol):
    """One dialect's words."""

    @property
    def name(self) -> FaceName: ...

    @property
    def permission(self) -> Permission: ...

    def read(self, call: Call) -> Asked:
        """What a client asks. Raises UsageError for a body that is not of this dialect."""
        ...

    def read_count(self, call: Call) -> Request:
        """What a client wants counted. Raises UsageError."""
        ...

    def content_type(self, asked: Asked) -> str: ...

    def writer(self, asked: Asked, model: str, losses: Losses, expected: int) -> Writer:
        """Writes a streamed answer that `model` gives, to a request of about `expected` tokens."""
        ...

    def whole(self, response: Response, model: str, losses: Losses) -> bytes:
        """A whole answer."""
        ...

    def error(self, error: BoticelliError) -> tuple[int, bytes]:
        """An error before the first byte: the status, and the body."""
        ...

    def count(self, tokens: int) -> bytes: ...

    def models(self, models: list[ServedModel]) -> bytes: ...

    def model(self, model: ServedModel) -> bytes: ...
