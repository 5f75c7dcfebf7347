"""Thoughts between `<think>` and `</think>` at the start of an answer, told apart from the answer as it streams in."""

from typing import Literal

from boticelli_cli.messages import Delta, TextDelta, ThinkingDelta

__all__ = ["ThinkTags"]

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Reads the deltas of one answer. `feed` takes one and gives what it comes to; `rest` is what is still held back.

    Only what an answer begins with is a thought: the tag may come later in the talk of a model about such tags. Blanks
    at a thought's ends and between it and the answer are left out, as they are when a server tells thoughts apart.
    What cannot be told yet is held back, a few characters at most and blanks.
    """

    def __init__(self) -> None:
        self._place: Literal["before", "opened", "thought", "between", "answer"] = "before"
        self._held = ""

    def feed(self, delta: Delta) -> list[Delta]:
        if isinstance(delta, TextDelta):
            if self._place == "answer":
                return [delta]
            self._held += delta.text
            return list(self._read())
        told = self.rest()
        if told or self._place != "before" or not isinstance(delta, ThinkingDelta):
            self._place = "answer"
        return [*told, delta]

    def rest(self) -> list[Delta]:
        held, self._held = self._held, ""
        match self._place:
            case "thought":
                return _thought(held.rstrip())
            case "opened" | "between":
                return []
            case _:
                return [TextDelta(held)] if held else []

    def _read(self) -> list[Delta]:
        if self._place == "before":
            self._read_begin()
        if self._place == "opened" and (text := self._held.lstrip()):
            self._place, self._held = "thought", text
        told = self._read_thought() if self._place == "thought" else []
        if self._place == "between" and (text := self._held.lstrip()):
            self._place, self._held = "answer", text
        if self._place == "answer":
            told += self.rest()
        return told

    def _read_begin(self) -> None:
        begin = self._held.lstrip()
        if begin.startswith(_OPEN):
            self._place, self._held = "opened", begin.removeprefix(_OPEN)
        elif begin and not _OPEN.startswith(begin):
            self._place = "answer"

    def _read_thought(self) -> list[Delta]:
        thought, tag, after = self._held.partition(_CLOSE)
        if tag:
            self._place, self._held = "between", after
            return _thought(thought.rstrip())
        told = thought[: len(thought) - _begun(thought)].rstrip()
        self._held = thought[len(told) :]
        return _thought(told)


def _begun(text: str) -> int:
    """How many characters at the end of a text may be the beginning of the closing tag."""
    return next((size for size in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:size])), 0)


def _thought(text: str) -> list[Delta]:
    return [ThinkingDelta(text)] if text else []
