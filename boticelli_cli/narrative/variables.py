"""Variables: from what was given for them, or their defaults, to values of their types."""

import json
from collections.abc import Mapping
from typing import Any

from boticelli_cli.errors import Problem, UsageError, did_you_mean
from boticelli_cli.narrative.model import Narrative, Variable
from boticelli_cli.narrative.template import Held

__all__ = ["bind", "check_type", "default_scope"]


def bind(narrative: Narrative, given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The scope that a narrative's templates see: each variable's value, and `env`.

    A variable that nothing names, in the acts that are left of the narrative, may go without a value.

    A value that was given wins over the environment variable that a variable names, and that over the
    default. Text is read as the variable's type. Raises UsageError with every value that is missing,
    unknown or wrong; the value of an environment variable is never quoted, as it may be a secret.
    """
    problems = [
        Problem(f"the narrative has no variable '{name}'{_known(name, narrative.variables)}")
        for name in given
        if name not in narrative.variables
    ]
    named = _named(narrative)
    scope: dict[str, Any] = {}
    env: dict[str, Any] = {}
    for variable in narrative.variables.values():
        try:
            scope[variable.name] = _value(variable, given, environ)
        except _NoValueError as error:
            if variable.name in named or (variable.env and "env" in named):
                problems.append(Problem(f"variable '{variable.name}' {error}"))
        except ValueError as error:
            problems.append(Problem(f"variable '{variable.name}' {error}"))
        else:
            if variable.env:
                env[variable.env] = scope[variable.name]
    if problems:
        raise UsageError(problems)
    return {**scope, "env": Held(env)}


def default_scope(narrative: Narrative) -> dict[str, Any]:
    """The scope as far as it is known without anything given: the variables that have defaults."""
    return {each.name: each.default for each in narrative.variables.values() if each.default is not None}


def convert(variable: Variable, value: Any) -> Any:
    """A value as the variable's type; text is read as that type. Raises ValueError with the end of a sentence."""
    if isinstance(value, str) and variable.type != "string":
        value = _from_text(variable, value)
    check_type(variable, value)
    return value


def check_type(variable: Variable, value: Any) -> None:
    """Raises ValueError with the end of a sentence if a value is not of the variable's type."""
    fits = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, (list, tuple)),
        "object": isinstance(value, dict),
    }
    if not fits[variable.type]:
        raise ValueError(f"must be {_TYPES[variable.type]}, not {_shown(value)}")


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a JSON list",
    "object": "a JSON object",
}

_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _value(variable: Variable, given: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    if variable.name in given:
        return convert(variable, given[variable.name])
    if variable.env and variable.env in environ:
        try:
            return convert(variable, environ[variable.env])
        except ValueError:
            expected = _TYPES[variable.type]
            raise ValueError(
                f"must be {expected}; the environment variable {variable.env} holds something else"
            ) from None
    if variable.default is not None:
        return variable.default
    raise _NoValueError(f"has no value; {_remedy(variable)}")


class _NoValueError(ValueError):
    """Nothing gives a variable a value."""


def _named(narrative: Narrative) -> set[str]:
    """The names that a narrative's templates take from its scope."""
    templates = [template for act in narrative.acts for template in act.templates]
    if narrative.output is not None:
        templates.append(narrative.output)
    return {name for template in templates for name in template.variables}


def _remedy(variable: Variable) -> str:
    given = f"give it one with --var {variable.name}=…"
    if variable.env:
        given += f" or in the environment variable {variable.env}"
    if variable.stdin:
        given += ", or pipe it in"
    return f"{given} ({variable.description})" if variable.description else given


def _known(name: str, variables: Mapping[str, Variable]) -> str:
    if hint := did_you_mean(name, variables):
        return hint
    return f"; it has {', '.join(variables)}" if variables else "; it has none"


def _from_text(variable: Variable, text: str) -> Any:
    text = text.strip()
    try:
        match variable.type:
            case "integer":
                return int(text)
            case "number":
                return float(text) if text.lower().strip("+-") not in ("nan", "inf", "infinity") else text
            case "boolean":
                return _BOOLEANS.get(text.lower(), text)
            case _:
                return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _shown(value: Any) -> str:
    shown = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
