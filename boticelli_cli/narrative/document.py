"""The shape of a narrative file: which keys there are, what they take, and how editors are told of it.

This is the file as it is written, short forms and all. `model` holds what the rest of the program sees.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from boticelli_cli import messages
from boticelli_cli.errors import did_you_mean
from boticelli_cli.narrative.shape import Shape

__all__ = [
    "ActDocument",
    "Document",
    "InputDocument",
    "SettingsDocument",
    "VariableDocument",
    "Words",
    "json_schema",
]


EFFORTS: tuple[str, ...] = get_args(messages.Effort)


def _context(value: Any) -> Any:
    if value in ("conversation", "fresh") or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    hint = did_you_mean(value, ("conversation", "fresh")) if isinstance(value, str) else ""
    raise PydanticCustomError("context", "'context' is 'conversation', 'fresh' or a list of acts{hint}", {"hint": hint})


def _thinking(value: Any) -> Any:
    if isinstance(value, bool) or value in EFFORTS or (isinstance(value, int) and value >= 0):
        return value
    hint = did_you_mean(value, EFFORTS) if isinstance(value, str) else ""
    message = "'thinking' is true, false, one of {efforts} or a budget in tokens{hint}"
    raise PydanticCustomError("thinking", message, {"efforts": ", ".join(EFFORTS), "hint": hint})


def _one_alone(value: Any) -> Any:
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
    list[Words], Field(min_length=1), BeforeValidator(_one_alone, json_schema_input_type=Words | list[Words])
]
Models = Annotated[list[Words], BeforeValidator(_one_alone, json_schema_input_type=Words | list[Words])]
Thinking = Annotated[
    Any, PlainValidator(_thinking, json_schema_input_type=bool | Annotated[int, Field(ge=0)] | messages.Effort)
]
Context = Annotated[Any, PlainValidator(_context, json_schema_input_type=Literal["conversation", "fresh"] | list[str])]


class SettingsDocument(Shape):
    """How an act is put to its model. May stand in an act, in `narrative` and in the configuration."""

    model: Words | None = Field(None, description="The model, as provider/model or a bare name.")
    fallback: Models | None = Field(
        None, description="The models to ask, one after the other, when the model does not answer."
    )
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
    thinking: Thinking = Field(
        None,
        description="Have the model think, and show it: true or false, an effort, or a budget in tokens.",
    )
    timeout: float | None = Field(
        None, gt=0, le=86_400, allow_inf_nan=False, description="The seconds that one attempt may take; 600 by default."
    )
    retries: int | None = Field(
        None, ge=0, le=100, description="How often to ask again when the provider fails before its first word."
    )
    options: dict[str, Any] | None = Field(
        None, description="Handed to the provider as they are, in the words of its own interface, over all the rest."
    )
    context: Context = Field(
        None,
        description="What an act sees of the acts before it: the whole 'conversation' (the default), nothing "
        "('fresh'), or the turns of the acts in a list.",
    )


class InputDocument(Shape):
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


class VariableDocument(Shape):
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


class Document(Shape):
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
