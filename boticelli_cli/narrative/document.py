"""The shape of a narrative file: which keys there are, what they take, and how editors are told of it.

This is the file as it is written, short forms and all. `model` holds what the rest of the program sees.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from boticelli_cli.errors import Problem, did_you_mean
from boticelli_cli.narrative.source import DocumentPath, Source

__all__ = [
    "ActDocument",
    "Document",
    "InputDocument",
    "SettingsDocument",
    "VariableDocument",
    "json_schema",
    "validate",
]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _context(value: Any) -> Any:
    if value in ("conversation", "fresh") or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    hint = did_you_mean(value, ("conversation", "fresh")) if isinstance(value, str) else ""
    raise PydanticCustomError("context", "'context' is 'conversation', 'fresh' or a list of acts{hint}", {"hint": hint})


def _stop(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _prompt_alone(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


def _text_alone(value: Any) -> Any:
    return {"type": "text", "content": value} if isinstance(value, str) else value


def _default_alone(value: Any) -> Any:
    if value is None:
        return {}
    return {"default": value} if not isinstance(value, dict) else value


Words = Annotated[str, Field(min_length=1)]
StopSequences = Annotated[
    list[Words], Field(min_length=1), BeforeValidator(_stop, json_schema_input_type=Words | list[Words])
]
Context = Annotated[Any, PlainValidator(_context, json_schema_input_type=Literal["conversation", "fresh"] | list[str])]


class SettingsDocument(_Shape):
    """How an act is put to its model. May stand in an act, in `narrative` and in the configuration."""

    model: Words | None = Field(None, description="The model, as provider/model or a bare name.")
    system: str | None = Field(None, description="The system instruction; a template.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, description="How freely the model chooses its words."
    )
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Choose from the most likely words up to this share.",
    )
    max_tokens: int | None = Field(None, ge=1, description="The most tokens that the answer may have.")
    stop: StopSequences | None = Field(None, description="Texts at which the answer ends.")
    context: Context = Field(
        None,
        description="What an act sees of the acts before it: the whole 'conversation' (the default), nothing "
        "('fresh'), or the turns of the acts in a list.",
    )


class InputDocument(_Shape):
    """One part of an act's turn. Its content comes from exactly one of content, file, url and base64."""

    type: Literal["text", "image", "audio", "video", "document"] = Field(description="What the part is.")
    content: str | None = Field(None, description="The text itself, for text and documents; a template.")
    file: Words | None = Field(None, description="A path, relative to this file.")
    url: Words | None = Field(None, description="Where the provider finds it: http, https or gs.")
    base64: Words | None = Field(None, description="The bytes, as base64 or as a data: URL.")
    mime: Words | None = Field(None, description="The media type; without it, it is inferred.")
    filename: Words | None = Field(None, description="The name that the model is told.")


class ActDocument(SettingsDocument):
    """One act: a prompt, or several parts of one turn, put to a model."""

    prompt: str | None = Field(None, description="What the model is asked; a template.")
    input: list[Annotated[InputDocument, BeforeValidator(_text_alone, json_schema_input_type=str | InputDocument)]] = (
        Field(default_factory=list, description="More parts of the same turn, in order.")
    )
    needs: list[str] = Field(default_factory=list, description="Acts that must finish first.")
    save: Words | None = Field(None, description="The file that the answer is written to, relative to this file.")


class VariableDocument(_Shape):
    """A value that is given when the narrative is run."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] | None = Field(
        None, description="What the value is; without it, what the default is, or else a string."
    )
    default: Any = Field(None, description="The value when none is given; without it, one must be given.")
    description: str | None = Field(None, description="What it is for.")
    env: Words | None = Field(None, description="The environment variable that it is taken from.")
    stdin: bool = Field(False, description="Whether it is what is piped in.")


class NarrativeDocument(SettingsDocument):
    """What the narrative is, and the defaults of every act."""

    name: Words | None = Field(None, description="The narrative's name.")
    description: str | None = Field(None, description="What it is about.")


class Document(_Shape):
    """A narrative: acts, each a prompt run against a model, that unfold one after another or side by side."""

    narrative: NarrativeDocument | None = Field(None, description="The narrative, and defaults for its acts.")
    variables: dict[
        str,
        Annotated[
            VariableDocument,
            BeforeValidator(
                _default_alone,
                json_schema_input_type=str | int | float | bool | list[Any] | VariableDocument | None,
            ),
        ],
    ] = Field(default_factory=dict, description="Values for templates, given with --var.")
    toc: list[str] | None = Field(None, description="Which acts run, in which order; by default the file's own.")
    acts: dict[
        str, Annotated[ActDocument, BeforeValidator(_prompt_alone, json_schema_input_type=str | ActDocument)]
    ] = Field(default_factory=dict, description="The acts, by name: a prompt, or the full form.")
    output: str | None = Field(None, description="What the run answers; a template. By default the last act's text.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of narrative files (draft 2020-12), for editors."""
    schema = Document.model_json_schema(schema_generator=_EditorSchema)
    schema["$schema"] = _EditorSchema.schema_dialect
    schema["required"] = ["narrative", "acts"]
    schema["$defs"]["NarrativeDocument"]["required"] = ["name"]
    # A variable without a default may be written as nothing at all; nothing else may.
    schema["properties"]["variables"]["additionalProperties"]["anyOf"].append({"type": "null"})
    return schema


class _EditorSchema(GenerateJsonSchema):
    """A schema in which a key that nobody has to give does not for that reason take `null`."""

    def nullable_schema(self, schema: Any) -> Any:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> Any:
        generated = super().default_schema(schema)
        if generated.get("default", 0) is None:
            generated.pop("default")
        return generated

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


Shape = TypeVar("Shape", bound=BaseModel)


def validate(shape: type[Shape], source: Source) -> tuple[Shape, list[Problem]]:
    """Fit a document into its shape: what fits, and a problem for everything that does not.

    What is wrong is left out, so that the rest can still be judged.
    """
    problems: list[Problem] = []
    data = source.data
    if not isinstance(data, dict):
        message = f"a document here is a mapping of keys to values, not {_kind(data)}"
        return shape.model_validate({}), [source.problem((), message)]
    data = deepcopy(data)
    for path in list(_blanks(data, ())):
        problems.append(
            source.problem(path, f"{_where(path)}{_label(path)} has no value; give it one, or leave it out")
        )
        _take_out(data, path)
    for _ in range(_MOST_ROUNDS):
        try:
            return shape.model_validate(data), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            path = detail["loc"]
            problems.append(source.problem(path, f"{_where(path)}{_sentence(shape, path, detail)}"))
            _take_out(data, path, whole_part=detail["type"] != "extra_forbidden")
    return shape.model_validate({}), problems


_MOST_ROUNDS = 20
"""Taking out what is wrong can only bring to light what it hid; a few rounds are enough for any document."""


def _blanks(value: Any, path: DocumentPath) -> Iterator[DocumentPath]:
    """The paths of all nulls, but for those among the variables, whose values are their own affair."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if path == () and key == "variables":
            continue
        if item is None:
            yield (*path, key)
        else:
            yield from _blanks(item, (*path, key))


def _take_out(data: Any, path: DocumentPath, *, whole_part: bool = False) -> None:
    """Take out the value at `path`, or the nearest thing around it that is there.

    An item of a list gives way to a stand-in, so that those after it keep their numbers; of an input part with
    something wrong in it, the whole part does, unless it is only a key too many.
    """
    if whole_part and "input" in path:
        path = path[: path.index("input") + 2]
    for index, part in enumerate(path[:-1]):
        inner = data[part] if _has(data, part) else None
        if not isinstance(inner, (dict, list)):
            path = path[: index + 1]
            break
        data = inner
    if isinstance(data, dict):
        data.pop(path[-1], None)
    elif _has(data, path[-1]):
        data[path[-1]] = "?"


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _where(path: DocumentPath) -> str:
    """The act or variable that a path leads into, as the start of a sentence."""
    match path:
        case ("acts", name, _, *_):
            return f"act '{name}': "
        case ("variables", name, _, *_):
            return f"variable '{name}': "
    return ""


def _sentence(shape: type[BaseModel], path: DocumentPath, detail: ErrorDetails) -> str:
    key = _label(path)
    value = detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key '{path[-1]}'{did_you_mean(str(path[-1]), _known_keys(shape, path))}"
        case "missing":
            return f"'{path[-1]}' is missing"
        case "string_type":
            remedy = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
            return f"{key} must be text, not {_kind(value)}{remedy}"
        case "int_type" | "int_from_float":
            return f"{key} must be a whole number, not {_kind(value)}"
        case "float_type" | "finite_number":
            return f"{key} must be a number, not {_kind(value)}"
        case "bool_type":
            return f"{key} must be true or false, not {_kind(value)}"
        case "list_type":
            return f"{key} must be a list, not {_kind(value)}"
        case "model_type" if path[:1] == ("acts",) and len(path) == 2:
            return f"{key} must be a prompt, or a mapping of keys to values, not {_kind(value)}"
        case "dict_type" | "model_type":
            return f"{key} must be a mapping of keys to values, not {_kind(value)}"
        case "literal_error":
            expected = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            hint = did_you_mean(value, expected) if isinstance(value, str) else ""
            return f"{key} is {_shown(value)}; it must be one of {', '.join(expected)}{hint}"
        case "string_too_short" | "too_short":
            return f"{key} must not be empty"
        case "greater_than_equal" | "less_than_equal":
            return f"{key} is {_shown(value)}; it must be {_range(shape, path)}"
    return detail["msg"]


def _label(path: DocumentPath) -> str:
    names = [part for part in path if isinstance(part, str)]
    if len(path) == 2 and path[0] in ("acts", "variables"):
        return f"{path[0][:-1]} '{path[1]}'"
    if isinstance(path[-1], int):
        return f"'{names[-1]}' item {path[-1] + 1}"
    return f"'{path[-1]}'"


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}" if len(str(value)) < 40 else "one so large"
        case str():
            return f"the text {_shown(value)}"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return type(value).__name__


def _shown(value: Any) -> str:
    if isinstance(value, str):
        line = " ".join(value.split())
        return f"'{line if len(line) <= 40 else line[:39] + '…'}'"
    return str(value) if len(str(value)) <= 40 else "too large"


def _shape_at(shape: type[BaseModel], path: DocumentPath) -> type[BaseModel] | None:
    match path:
        case ():
            return shape
        case ("narrative",):
            return NarrativeDocument
        case ("variables", _):
            return VariableDocument
        case ("acts", _):
            return ActDocument
        case ("acts", _, "input", _):
            return InputDocument
    return None


def _known_keys(shape: type[BaseModel], path: DocumentPath) -> list[str]:
    found = _shape_at(shape, path[:-1])
    return list(found.model_fields) if found else []


def _range(shape: type[BaseModel], path: DocumentPath) -> str:
    found = _shape_at(shape, path[:-1])
    limits: dict[str, Any] = {}
    if found is not None:
        for limit in found.model_fields[str(path[-1])].metadata:
            limits |= {name: getattr(limit, name) for name in ("ge", "le") if hasattr(limit, name)}
    if len(limits) == 2:
        return f"between {limits['ge']} and {limits['le']}"
    return f"at least {limits['ge']}" if "ge" in limits else f"at most {limits.get('le')}"
