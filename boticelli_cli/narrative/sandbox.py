"""What templates can do: Jinja2 in a sandbox that reaches nothing but its scope and makes no much of little.

Strict, so that unknown names are errors; immutable, so that a template changes nothing; without anything
random, so that the same run gives the same requests. Filters and methods are those named here; those that
could make a long text of a short one are bounded or left out, and nothing is computed before it is asked for.
A loop that somebody writes runs as long as it is written to.
"""

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from boticelli_cli.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["METHODS", "TEXT_METHODS", "compiled", "environment"]

MAX_LENGTH = 10_000_000
"""The most characters, or items, that one step of a template may make."""

TEXT_METHODS = frozenset(
    "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle "
    "isupper lower lstrip partition removeprefix removesuffix rfind rindex rpartition rsplit rstrip split splitlines "
    "startswith strip swapcase title upper".split()
)

METHODS = TEXT_METHODS | {"get", "items", "keys", "values", "cycle", "changed"}
"""The methods that templates may call: of texts, of lists and objects, and of `loop`."""

_FILTERS = (
    "abs capitalize count d default dictsort filesizeformat first float groupby int items join last length list lower "
    "map max min reject rejectattr reverse select selectattr sort string striptags title trim truncate unique upper "
    "urlencode wordcount"
).split()


@lru_cache(maxsize=4096)
def compiled(source: str) -> "Template":
    """A template, ready to be filled in. Raises jinja2.TemplateSyntaxError."""
    return environment().from_string(source)


@cache
def environment() -> "SandboxedEnvironment":
    """The one environment of all templates."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if _grows_too_much(operator, left, right):
                raise TemplateError(f"'{operator}' is not for this in a template: it could make too much of it")
            return super().call_binop(context, operator, left, right)

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, dict) and attribute in obj:  # an object's key, also where a dict has a method
                return obj[attribute]
            return super().getattr(obj, attribute)

        def wrap_str_format(self, value: Any) -> None:
            """Leave `format` to the rule for all methods: its widths are without bounds."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if callable(value) and isinstance(obj, (str, int, float, list, tuple, dict)) and attr not in METHODS:
                return False
            return super().is_safe_attribute(obj, attr, value)

    made = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, optimized=False, finalize=_finished
    )
    made.globals = {name: made.globals[name] for name in ("range", "dict", "namespace")}
    own = {"indent": _indent, "replace": _replace, "round": _round, "sum": _sum, "tojson": _tojson}
    made.filters = {name: made.filters[name] for name in _FILTERS} | own
    made.filters["join"] = _bounded_join(made.filters["join"])
    return made


def _finished(value: Any) -> Any:
    """A value on its way into the text: one that is no text, and would only show its address, is a mistake."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple, dict)):
        text = json.dumps(value, ensure_ascii=False, default=str) if _measure(value) <= MAX_LENGTH else None
        if text is None:
            raise TemplateError("this list is too long to be written out")
        return text
    raise TemplateError(f"this is no text but a {type(value).__name__}; name what it holds, or use a filter")


def _measure(value: Any) -> int:
    """How long a value is, written out, at least. Stops counting when it is too long."""
    size = 0
    open_values = [value]
    while open_values and size <= MAX_LENGTH:
        each = open_values.pop()
        if isinstance(each, dict):
            open_values += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple)):
            size += len(each)
            open_values += each if size <= MAX_LENGTH else ()
        else:
            size += len(each) if isinstance(each, str) else 1
    return size


def _grows_too_much(operator: str, left: Any, right: Any) -> bool:
    if operator == "%":
        return isinstance(left, str)  # a format, which may ask for any width
    if operator == "+":
        return isinstance(left, (str, list, tuple)) and len(left) + len(right) > MAX_LENGTH
    if operator == "**":
        return not (_is_number(left) and _is_number(right) and abs(right) <= 64 >= abs(left))
    for thing, times in ((left, right), (right, left)):
        if isinstance(thing, (str, list, tuple)) and isinstance(times, int):
            return len(thing) * times > MAX_LENGTH
        if isinstance(thing, int) and thing.bit_length() > 1000:
            return True
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _indent(text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """Jinja2's `indent`, by a number of spaces that a line can have."""
    from jinja2.filters import do_indent

    if not isinstance(width, int) or not 0 <= width <= 100:
        raise TemplateError("'indent' takes a number of spaces up to 100")
    return do_indent(str(text), width, first, blank)


def _replace(text: str, old: str, new: str) -> str:
    """Jinja2's `replace`, within measure."""
    text, old, new = str(text), str(old), str(new)
    if text.count(old) * len(new) > MAX_LENGTH:
        raise TemplateError("'replace' makes too much of it here")
    return text.replace(old, new)


def _round(value: Any, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common") -> Any:
    """Jinja2's `round`, to places that a number has."""
    from jinja2.filters import do_round

    if not isinstance(precision, int) or abs(precision) > 20 or method not in ("common", "ceil", "floor"):
        raise TemplateError("'round' takes up to 20 places, and 'common', 'ceil' or 'floor'")
    return do_round(value, precision, method)


def _sum(values: Any, start: float = 0) -> Any:
    """The sum of numbers."""
    numbers = list(values)
    if not all(_is_number(each) for each in (*numbers, start)):
        raise TemplateError("'sum' adds numbers; 'join' joins texts")
    return sum(numbers, start)


def _tojson(value: Any) -> str:
    """A value as JSON, on one line and as it is: what is filled in here is no web page."""
    return str(_finished(value)) if isinstance(value, (list, tuple, dict)) else json.dumps(value, ensure_ascii=False)


def _bounded_join(join: Any) -> Any:
    from jinja2 import pass_eval_context

    @pass_eval_context
    def bounded(context: Any, values: Any, d: str = "", attribute: Any = None) -> Any:
        items = list(values)
        if _measure(items) + len(str(d)) * len(items) > MAX_LENGTH:
            raise TemplateError("'join' makes too much of it here")
        return join(context, items, d, attribute)

    return bounded
