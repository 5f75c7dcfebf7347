"""TOML as a `Source`: the values by Python's own `tomllib`, their places by tree-sitter."""

import re
import tomllib
from typing import Any

from boticelli_cli.errors import Problem
from boticelli_cli.narrative.source import DocumentPath, Place, Source, UnreadableError, line_starts, problem_at

__all__ = ["read_toml"]

_MAX_DEPTH = 100


def read_toml(text: str, name: str) -> Source:
    """Read a TOML document. Raises UnreadableError when it is no TOML at all."""
    try:
        data = _plain(tomllib.loads(text), 0)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(_syntax_problem(str(error), text, name)) from None
    except RecursionError:
        raise UnreadableError(Problem(f"nested more than {_MAX_DEPTH} levels deep", name)) from None
    except ValueError:
        raise UnreadableError(
            Problem("a number in it cannot be read; put it in quotes if it is a text", name)
        ) from None
    if not data:
        raise UnreadableError(Problem("the file is empty; 'boticelli new NAME' writes a narrative to start from", name))
    places = _Places(text)
    return Source(name, text, data, places.keys, places.values)


class _Places:
    """Walks tree-sitter's tree of a document for the places of its keys and values."""

    def __init__(self, text: str) -> None:
        import tree_sitter
        import tree_sitter_toml

        self.keys: dict[DocumentPath, Place] = {}
        self.values: dict[DocumentPath, Place] = {}
        self._lines = [line.encode() for line in text.split("\n")]
        self._plain = [line.isascii() for line in self._lines]
        self._starts = line_starts(text)
        self._counts: dict[DocumentPath, int] = {}
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
        root = parser.parse(text.encode()).root_node
        self.values[()] = self._place(root)
        for child in root.children:
            if child.type == "pair":
                self._pair(child, ())
            elif child.type in ("table", "table_array_element"):
                self._table(child)

    def _table(self, node: Any) -> None:
        header = next(child for child in node.children if child.type in _KEY_TYPES)
        path = self._key(header, ())
        if node.type == "table_array_element":
            index = self._counts.get(path, 0)
            self._counts[path] = index + 1
            path = (*path, index)
            self.values[path] = self._place(header)
        for child in node.children:
            if child.type == "pair":
                self._pair(child, path)

    def _pair(self, node: Any, path: DocumentPath) -> None:
        key, value = (child for child in node.children if child.type not in ("=", "comment"))
        self._value(value, self._key(key, path))

    def _value(self, node: Any, path: DocumentPath) -> None:
        self.values[path] = self._place(node)
        if node.type == "array":
            items = [child for child in node.children if child.type not in ("[", "]", ",", "comment")]
            for index, item in enumerate(items):
                self._value(item, (*path, index))
        elif node.type == "inline_table":
            for child in node.children:
                if child.type == "pair":
                    self._pair(child, path)

    def _key(self, node: Any, path: DocumentPath) -> DocumentPath:
        """Note the place of a key under `path`, part by part if it is dotted, and return where it leads."""
        if node.type == "dotted_key":
            for child in node.children:
                if child.type in _KEY_TYPES:
                    path = self._key(child, path)
            return path
        if path in self._counts:
            path = (*path, self._counts[path] - 1)
        text = node.text.decode()
        path = (*path, text if node.type == "bare_key" else next(iter(tomllib.loads(f"{text} = 0"))))
        self.keys.setdefault(path, self._place(node))
        return path

    def _place(self, node: Any) -> Place:
        return Place(self._offset(*node.start_point), self._offset(*node.end_point))

    def _offset(self, line: int, byte: int) -> int:
        if line >= len(self._lines):
            return self._starts[-1] + len(self._lines[-1].decode())
        if self._plain[line]:
            return self._starts[line] + byte
        return self._starts[line] + len(self._lines[line][:byte].decode())


_KEY_TYPES = ("bare_key", "quoted_key", "dotted_key")


def _plain(value: Any, depth: int) -> Any:
    """Dates and times as the text they were written as: no setting takes one."""
    if depth > _MAX_DEPTH:
        raise RecursionError
    match value:
        case dict():
            return {key: _plain(item, depth + 1) for key, item in value.items()}
        case list():
            return [_plain(item, depth + 1) for item in value]
        case str() | bool() | int() | float():
            return value
        case _:
            return value.isoformat()


def _syntax_problem(message: str, text: str, name: str) -> Problem:
    reason, _, place = message.partition(" (at ")
    if found := re.match(r"line (\d+), column (\d+)", place):
        line, column = int(found[1]), int(found[2])
        if reason.startswith(("Cannot overwrite", "Cannot declare")):  # told at the end of what stands twice
            written = text.split("\n")[line - 1]
            reason, column = "this is given twice", len(written) - len(written.lstrip()) + 1
        return Problem(_lower(reason), name, line, column)
    if "end of document" in place:
        return problem_at(name, text, len(text.rstrip("\n")), f"{_lower(reason)} at the end of the file")
    return Problem(_lower(message), name)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
