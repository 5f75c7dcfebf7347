"""Tool calls as they come in pieces, put together again, from servers that cut and number them as they like.

OpenAI sends a call's `index` with every piece, its id and name with the first, and its arguments as pieces of JSON.
Others send whole calls, number all of them 0 (ollama/ollama#15457) or none (ollama/ollama#7881), repeat the id or leave
it out, or send the arguments as an object.
"""

from typing import Any

import msgspec

from boticelli_cli.messages import ToolCall

__all__ = ["Calls", "WireCall", "arguments_of"]


class WireFunction(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireCall(msgspec.Struct, gc=False):
    """A call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None


class Calls:
    """Gathers pieces of calls, and gives them out whole, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, piece: WireCall) -> None:
        function = piece.function
        if function is None:  # a tool of another type than function, whose input is no arguments
            return
        call = self._begun(piece, function)
        if call is None:
            call = _Call(piece.index)
            self._calls.append(call)
        call.id = call.id or piece.id or None
        call.name = call.name or function.name or ""
        if isinstance(function.arguments, dict):
            call.whole = function.arguments
        elif function.arguments:
            call.pieces.append(function.arguments)

    def take(self, *, cut: bool = False) -> list[ToolCall]:
        """The calls; none are kept. Of an answer that was `cut`, one that was not told to its end is left out.

        Raises ValueError for one whose arguments are no JSON object, or which has no name.
        """
        calls, self._calls = self._calls, []
        whole: list[ToolCall] = []
        for call in calls:
            if cut and not call.is_whole:
                continue
            if not call.name:
                raise ValueError("a tool call without a name")
            whole.append(ToolCall(call.name, call.arguments(), call.id))
        return whole

    def _begun(self, piece: WireCall, function: WireFunction) -> "_Call | None":
        """The call that a piece continues, if it does."""
        if piece.index is not None:
            last = next((call for call in reversed(self._calls) if call.index == piece.index), None)
        elif piece.id:
            last = next((call for call in reversed(self._calls) if call.id == piece.id), None)
        else:
            last = self._calls[-1] if self._calls else None
        if last is None or (piece.id and last.id and piece.id != last.id):
            return None
        repeats = bool(piece.id and piece.id == last.id)
        if function.name and last.name and not repeats and last.is_whole:
            return None
        return last


class _Call:
    __slots__ = ("id", "index", "name", "pieces", "whole")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id: str | None = None
        self.name = ""
        self.pieces: list[str] = []
        self.whole: dict[str, Any] | None = None

    @property
    def is_whole(self) -> bool:
        try:
            self.arguments()
        except ValueError:
            return False
        return bool(self.whole is not None or self.pieces)

    def arguments(self) -> dict[str, Any]:
        return self.whole if self.whole is not None else arguments_of("".join(self.pieces))


def arguments_of(text: str) -> dict[str, Any]:
    """Arguments from the JSON that says them; of nothing, none. Raises ValueError for what is no JSON object."""
    if not text.strip():
        return {}
    try:
        said = msgspec.json.decode(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"arguments of a tool call that are not JSON: {exc}") from exc
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise ValueError("arguments of a tool call that are not a JSON object")
    return said
