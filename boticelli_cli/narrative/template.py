"""Templates: Jinja2, sandboxed and strict, looked through before anything is sent and filled in when an act starts."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from boticelli_cli.errors import TemplateError, did_you_mean
from boticelli_cli.messages import Usage
from boticelli_cli.narrative.sandbox import METHODS, compiled, environment

__all__ = ["RESERVED", "ActText", "Held", "Mistake", "Names", "Template", "look_through"]

RESERVED = frozenset(
    "acts env previous self loop caller varargs kwargs true false none True False None and or not in is if else".split()
)
"""Names that templates give a meaning of their own; no act and no variable may be called so."""

_MARKUP = ("{{", "{%", "{#")


class ActText(str):
    """What an act answered, as templates see it: its text, and beside it `.json`, `.model` and `.usage`."""

    __slots__ = ("model", "usage")
    model: str
    usage: Usage

    def __new__(cls, text: str, *, model: str = "", usage: Usage | None = None) -> "ActText":
        self = super().__new__(cls, text)
        self.model = model
        self.usage = usage or Usage()
        return self

    @property
    def text(self) -> str:
        return str(self)

    @property
    def json(self) -> Any:
        try:
            return json.loads(self)
        except ValueError as error:
            raise TemplateError(f"this answer is not JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Template:
    """A text with holes. `acts` and `variables` name what fills them, `repeats` says whether it has loops, `only_act`
    names the act whose text, as it stands, is all there is to it.

    A literal one has no holes, whatever its text looks like.
    """

    source: str
    acts: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    literal: bool = False
    repeats: bool = False
    only_act: str | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the text is the same whatever it is filled in with."""
        return self.literal or not any(mark in self.source for mark in _MARKUP)

    def render(self, scope: Mapping[str, Any]) -> str:
        """Fill the holes. Raises TemplateError for what only the values can get wrong."""
        if self.is_constant:
            return self.source
        try:
            return str(compiled(self.source).render(scope))
        except TemplateError:
            raise
        except MemoryError:
            raise TemplateError("the template cannot be filled in: it takes too much memory") from None
        except Exception as error:
            raise TemplateError(f"the template cannot be filled in: {error}") from error


@dataclass(frozen=True, slots=True)
class Names:
    """What a template may name. `env` holds the environment variables that the narrative declares."""

    variables: Collection[str]
    acts: Collection[str]
    env: Collection[str]
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in a template: at `word` where one is to blame, else in its line (from 1)."""

    message: str
    word: str | None = None
    line: int | None = None


@dataclass(slots=True)
class _Findings:
    acts: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)


def look_through(source: str, names: Names) -> tuple[Template, list[Mistake]]:
    """A text as a template, with everything that is wrong in it."""
    if not any(mark in source for mark in _MARKUP):
        return Template(source), []
    import jinja2

    findings = _Findings()
    repeats, only_act = False, None
    try:
        tree = environment().parse(source)
        repeats = any(tree.find(node) for node in (jinja2.nodes.For, jinja2.nodes.Macro, jinja2.nodes.CallBlock))
        only_act = _only_act(tree, names)
        _find_functions(tree, findings)
        _find_statements(tree, findings)
        _find_names(tree, names, findings)
        _find_attributes(tree, names, findings)
        if not findings.mistakes and len(source) > _SURELY_COMPILES:
            compiled(source)
    except jinja2.TemplateSyntaxError as error:
        findings.mistakes.append(Mistake(f"the template is not valid: {error.message}", line=error.lineno))
    except RecursionError:
        findings.mistakes.append(Mistake("the template is not valid: it is nested too deeply", line=1))
    except (SyntaxError, MemoryError, OverflowError, ValueError) as error:
        findings.mistakes.append(Mistake(f"the template is not valid: {error}", line=1))
    template = Template(
        source, frozenset(findings.acts), frozenset(findings.variables), repeats=repeats, only_act=only_act
    )
    return template, findings.mistakes


_SURELY_COMPILES = 400
"""Characters up to which no template nests deeper than Python compiles: 20 blocks, 200 brackets."""


def _only_act(tree: Any, names: Names) -> str | None:
    """The act that a template is nothing but: `{{ draft }}`, `{{ draft.text }}`, `{{ acts['draft'] }}`."""
    from jinja2 import nodes

    match tree.body:
        case [nodes.Output(nodes=[node])]:
            pass
        case _:
            return None
    if isinstance(node, nodes.Getattr) and node.attr == "text":
        node = node.node
    match node:
        case nodes.Name(name=str(name)) if name in names.acts:
            return name
        case nodes.Getitem(node=nodes.Name(name="acts"), arg=nodes.Const(value=str(name))) if name in names.acts:
            return name
    return None


def _find_functions(tree: Any, findings: _Findings) -> None:
    from jinja2 import nodes

    for node in tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = (
            ("filter", environment().filters) if isinstance(node, nodes.Filter) else ("test", environment().tests)
        )
        if node.name not in known:
            message = f"unknown {kind} '{node.name}' in a template{did_you_mean(node.name, known)}"
            findings.mistakes.append(Mistake(message, node.name))
            node.name = "string"  # a filter and a test that there is: Jinja2 stops at what it does not know


def _find_statements(tree: Any, findings: _Findings) -> None:
    from jinja2 import nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        message = "a template cannot read other files; give an act an 'input' part with 'file'"
        findings.mistakes.append(Mistake(message, line=node.lineno))
    for node in tree.find_all(nodes.Block):
        findings.mistakes.append(Mistake("templates have no blocks: there are none to extend", line=node.lineno))
    for node in tree.find_all(nodes.Call):
        if isinstance(node.node, nodes.Getattr) and node.node.attr not in METHODS:
            method = node.node.attr
            hint = f"; use the filter: | {method}" if method in environment().filters else did_you_mean(method, METHODS)
            findings.mistakes.append(Mistake(f"templates have no method '{method}'{hint}", line=node.lineno))


def _find_names(tree: Any, names: Names, findings: _Findings) -> None:
    from jinja2 import meta

    for word in sorted(meta.find_undeclared_variables(tree)):
        if word in names.acts:
            findings.acts.add(word)
        elif word in names.variables:
            findings.variables.add(word)
        elif word == "previous":
            if names.previous is None:
                findings.mistakes.append(Mistake("'previous' names the act before; there is none here", word))
            else:
                findings.acts.add(names.previous)
        elif word == "env":
            findings.variables.add(word)
        elif word not in environment().globals and word != "acts":
            known = [*names.variables, *names.acts]
            hint = did_you_mean(word, known) or "; declare it under 'variables', or name an act"
            findings.mistakes.append(Mistake(f"unknown name '{word}' in a template{hint}", word))


def _find_attributes(tree: Any, names: Names, findings: _Findings) -> None:
    from jinja2 import nodes

    called = {id(node.node) for node in tree.find_all(nodes.Call)}
    local = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(node.node, nodes.Name) or node.node.name in local:
            continue
        name = node.node.name
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if name == "env" and key is None:
            continue
        if name == "env" and key not in names.env:
            remedy = f"declare it: variables: {{{str(key).lower()}: {{env: {key}}}}}"
            findings.mistakes.append(Mistake(f"the narrative does not declare env.{key}; {remedy}", "env"))
        elif name == "acts" and isinstance(key, str) and key in names.acts:
            findings.acts.add(key)
        elif name == "acts":
            hint = did_you_mean(str(key), names.acts)
            findings.mistakes.append(Mistake(f"unknown act '{key}' in a template{hint}", "acts"))
        elif id(node) in called:
            continue
        elif (
            isinstance(node, nodes.Getattr)
            and (name in names.acts or name == "previous")
            and node.attr not in _ACT_ATTRIBUTES
        ):
            known = ", ".join(_ACT_ATTRIBUTES)
            message = f"an act has no '{node.attr}'; it has {known}{did_you_mean(node.attr, _ACT_ATTRIBUTES)}"
            findings.mistakes.append(Mistake(message, name))
    _find_bare(tree, findings)


def _find_bare(tree: Any, findings: _Findings) -> None:
    """`env` and `acts` are only good for naming one of what they hold, so that it is known beforehand which."""
    from jinja2 import nodes

    named = {
        id(node.node)
        for node in tree.find_all((nodes.Getattr, nodes.Getitem))
        if isinstance(node, nodes.Getattr) or isinstance(node.arg, nodes.Const)
    }
    for node in tree.find_all(nodes.Name):
        if node.name in ("env", "acts") and node.ctx == "load" and id(node) not in named:
            example = "env.NAME" if node.name == "env" else "acts['name']"
            findings.mistakes.append(Mistake(f"'{node.name}' has to name what it gives, as {example}", node.name))


_ACT_ATTRIBUTES = ("text", "json", "model", "usage")


class Held:
    """Things by their names, for templates: `acts['name']`, `env.NAME`, and nothing of a dictionary beside."""

    __slots__ = ("_things",)

    def __init__(self, things: Mapping[str, Any]) -> None:
        self._things = things

    def __getitem__(self, name: str) -> Any:
        return self._things[name]
