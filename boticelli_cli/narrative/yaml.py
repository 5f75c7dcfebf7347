"""YAML as a `Source`: PyYAML reads it, by the rules of YAML 1.2, with duplicate keys and alias bombs refused.

YAML 1.1, which PyYAML follows by default, turns `yes` into true and `12:30` into 750. Here, as in YAML 1.2,
only `true` and `false` are booleans and only plain decimals, `0x…`, `0o…` and floats are numbers; everything
else is the text that it looks like.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from boticelli_cli.errors import Problem
from boticelli_cli.narrative.source import DocumentPath, Place, Source, UnreadableError, line_starts, problem_at

__all__ = ["read_yaml"]

MAX_DEPTH = 100
MAX_ALIASED = 100_000
"""How many values aliases may add to a document before it is refused as a bomb."""

_MAX_DIGITS = 100

_QUOTES = "; a text with '{{ … }}' in it may need quotes"

_STANDARD = "tag:yaml.org,2002:"


if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:  # libyaml's is ten times as fast, and not in every build of PyYAML
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core schema instead of YAML 1.1's guesses."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own registry, by its own name)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_STANDARD + _tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str, name: str, *, allow_empty: bool = False) -> Source:
    """Read a YAML document. Raises UnreadableError when it is no YAML at all."""
    try:
        _refuse_depth(text, name)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_syntax_problem(error, text, name)) from None
    except yaml.reader.ReaderError as error:
        message = f"character U+{_ordinal(error.character):04X} is not allowed in YAML"
        raise UnreadableError(problem_at(name, text, _character_offset(text, error), message)) from None
    if allow_empty and (root is None or root.tag == f"{_STANDARD}null"):
        return Source(name, text, {}, {}, {})
    if root is None:
        raise UnreadableError(Problem("the file is empty; 'boticelli new NAME' writes a narrative to start from", name))
    reader = _Reader(text, name)
    reader.refuse_bombs(root)
    data = reader.read(root, ())
    return Source(name, text, data, reader.keys, reader.values, tuple(reader.problems))


def _refuse_depth(text: str, name: str) -> None:
    """Refuse what is nested too deeply, before a parser recurses into it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            if depth > MAX_DEPTH:
                message = f"nested more than {MAX_DEPTH} levels deep"
                raise UnreadableError(problem_at(name, text, _start(event), message))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1


class _Reader:
    """Turns PyYAML's nodes into plain data, and notes where everything stands."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.keys: dict[DocumentPath, Place] = {}
        self.values: dict[DocumentPath, Place] = {}
        self.problems: list[Problem] = []

    def refuse_bombs(self, root: yaml.Node) -> None:
        """Refuse aliases that contain themselves, and those that multiply beyond measure."""
        measured: dict[int, tuple[int, int]] = {}
        unfinished: set[int] = set()

        def measure(node: yaml.Node) -> tuple[int, int]:
            """How many values a node unfolds to, and how deep they are nested."""
            if id(node) in unfinished:
                raise UnreadableError(self._problem(node, "an alias stands inside the value that it names"))
            if id(node) not in measured:
                unfinished.add(id(node))
                inside = [measure(child) for child in _children(node)]
                unfinished.discard(id(node))
                depth = 1 + max((depth for _, depth in inside), default=0)
                measured[id(node)] = 1 + sum(size for size, _ in inside), depth
            return measured[id(node)]

        size, depth = measure(root)
        if depth > MAX_DEPTH:
            raise UnreadableError(self._problem(root, f"its aliases unfold more than {MAX_DEPTH} levels deep"))
        if size > len(measured) + MAX_ALIASED:
            raise UnreadableError(self._problem(root, f"its aliases unfold to more than {MAX_ALIASED} values"))

    def read(self, node: yaml.Node, path: DocumentPath) -> Any:
        self.values[path] = Place(node.start_mark.index, node.end_mark.index)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in (f"{_STANDARD}map", f"{_STANDARD}seq"):
            self.problems.append(self._unknown_tag(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: DocumentPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == f"{_STANDARD}merge":
                merged.extend(self._merged(value_node))
            elif not isinstance(key_node, yaml.ScalarNode):
                message = "a key must be text, not a list or a mapping"
                self.problems.append(self._problem(key_node, message + self._brace_hint(key_node)))
            else:
                self._entry(data, key_node, value_node, path)
        for other in merged:
            self._merge(data, other, path)
        return data

    def _brace_hint(self, node: yaml.Node) -> str:
        return _QUOTES if self.text.startswith("{{", node.start_mark.index - 1) else ""

    def _entry(self, data: dict[str, Any], key_node: yaml.Node, value_node: yaml.Node, path: DocumentPath) -> None:
        key = str(key_node.value)
        key_path = (*path, key)
        if key in data:
            first = bisect_right(line_starts(self.text), self.keys[key_path].start)
            message = f"'{key}' is given twice; it stands in line {first} already"
            self.problems.append(self._problem(key_node, message))
            return
        self.keys[key_path] = Place(key_node.start_mark.index, key_node.end_mark.index)
        data[key] = self.read(value_node, key_path)

    def _merged(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in nodes:
            if isinstance(each, yaml.MappingNode):
                yield each
            else:
                self.problems.append(self._problem(each, "'<<' merges mappings; this is none"))

    def _merge(self, data: dict[str, Any], node: yaml.MappingNode, path: DocumentPath) -> None:
        """Add what `node` has and `data` has not: what is written out wins, then the earlier merge."""
        for key, value in self._mapping_elsewhere(node, path).items():
            data.setdefault(key, value)

    def _mapping_elsewhere(self, node: yaml.MappingNode, path: DocumentPath) -> dict[str, Any]:
        """Read a mapping as if it stood at `path`, without moving what is known to stand there."""
        reader = _Reader(self.text, self.name)
        data = reader.read(node, path)
        for known, found in ((self.keys, reader.keys), (self.values, reader.values)):
            for found_path, place in found.items():
                known.setdefault(found_path, place)
        return dict(data)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.removeprefix(_STANDARD)
        value: str = node.value
        try:
            match kind:
                case "str":
                    return value
                case "null":
                    return None
                case "bool" if value.lower() in ("true", "false"):
                    return value.lower() == "true"
                case "int" if len(value) <= _MAX_DIGITS:
                    return int(value, 0) if value.startswith(("0o", "0x")) else int(value)
                case "float" if len(value) <= _MAX_DIGITS:
                    return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            pass
        if kind in ("int", "float"):
            self.problems.append(self._problem(node, "this number cannot be read; put it in quotes if it is a text"))
            return 1  # a stand-in, so that this is told once
        self.problems.append(self._unknown_tag(node))
        return value

    def _unknown_tag(self, node: yaml.Node) -> Problem:
        return self._problem(node, f"the tag '{node.tag.replace(_STANDARD, '!!')}' is not supported; leave it out")

    def _problem(self, node: yaml.Node, message: str) -> Problem:
        return problem_at(self.name, self.text, node.start_mark.index, message)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(error.problem or "this is not YAML", name)
    offset = min(mark.index, len(text))
    starts = line_starts(text)
    line = text[starts[bisect_right(starts, offset) - 1] :].partition("\n")[0]
    return problem_at(name, text, offset, _syntax_message(error, line))


def _syntax_message(error: yaml.MarkedYAMLError, line: str) -> str:
    """What PyYAML says, or where that is riddling, what a person would say."""
    message = error.problem or "this is not YAML"
    context = error.context or ""
    if line.startswith("\t") and "cannot start any token" in message:
        return "a tab cannot indent YAML; use spaces"
    if "cannot start any token" in message:
        return "no text can begin with this character; put the text in quotes"
    if "block scalar" in context and "line break" in message:
        return "a text cannot begin beside its '|' or '>'; begin it in the next line, indented"
    if message == "did not find expected key":
        return "a key cannot stand here; is it indented as those above, and are quotes in a text inside other quotes?"
    if message == "could not find expected ':'":
        return "a key needs a ':' after it; a text over several lines is indented under its '|'"
    if "single document" in context:
        return "a second document starts here; a file holds one"
    if message.startswith("mapping values are not allowed"):
        return "a key cannot stand here; a text with ': ' in it needs quotes"
    if "undefined alias" in message or "scanning an alias" in context:
        return "this alias names no anchor before it; a text that begins with '*' needs quotes"
    if "unexpected end of stream" in message and "quoted scalar" in context and error.context_mark:
        return f"the quotes opened in line {error.context_mark.line + 1} are not closed"
    if context and error.context_mark:
        message = f"{message}, {context} in line {error.context_mark.line + 1}"
    return message + (_QUOTES if "{{" in line else "")


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _character_offset(text: str, error: yaml.reader.ReaderError) -> int:
    """Where a reader stumbled. libyaml counts bytes."""
    if isinstance(error.character, int):
        return len(text.encode()[: error.position].decode(errors="ignore"))
    return int(error.position)


def _ordinal(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)
