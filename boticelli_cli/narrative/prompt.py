"""One prompt as a narrative of one act: what is asked, what is attached, how it is put to the model."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from boticelli_cli.errors import Problem, UsageError, did_you_mean
from boticelli_cli.messages import kind_of
from boticelli_cli.narrative.files import read_bounded, reason_of
from boticelli_cli.narrative.media import URL_SCHEMES, attachment, infer_mime
from boticelli_cli.narrative.model import (
    Act,
    BytesContent,
    InputPart,
    Narrative,
    Settings,
    TextContent,
    UrlContent,
)
from boticelli_cli.narrative.template import Template

__all__ = ["OPTIONS", "attach", "prompt_narrative", "read_options"]

OPTIONS = ("temperature", "top_p", "max_tokens", "stop", "thinking", "timeout", "retries", "fallback", "options")
"""The settings that a single prompt takes by name."""


def prompt_narrative(
    texts: Iterable[str], *, system: str | None, settings: Settings, attachments: Iterable[InputPart]
) -> Narrative:
    """A narrative of the one act `answer`. Its texts are sent as they are: they are no templates."""
    if system is not None:
        settings = replace(settings, system=Template(system, literal=True))
    parts = [InputPart("text", TextContent(Template(text, literal=True))) for text in texts]
    act = Act("answer", (*attachments, *parts), replace(settings, context="fresh"))
    return Narrative("stream", (act,), model=settings.model)


def attach(name: str, data: bytes | None = None) -> InputPart:
    """Something to look at or listen to: a file, a URL, or `data` from somewhere else. Raises UsageError."""
    scheme, separator, _ = name.partition("://")
    if data is None and separator and scheme in URL_SCHEMES:
        mime = infer_mime(name.partition("?")[0])
        return InputPart(kind_of(mime or "application/pdf"), UrlContent(Template(name, literal=True)), mime)
    label = None if data is not None else Path(name).name
    if data is None:
        try:
            data = read_bounded(Path(name))
        except (OSError, ValueError) as error:
            raise UsageError(f"--attach: '{name}' cannot be read: {reason_of(error)}") from None
    media = attachment(data, label)
    return InputPart(media.kind, BytesContent(data), media.mime, label)


def read_options(given: Mapping[str, list[str]]) -> Settings:
    """Settings from text, each by its name. Raises UsageError with all that is wrong."""
    if not given:
        return Settings()
    from boticelli_cli.narrative.document import SettingsDocument
    from boticelli_cli.narrative.load import settings_of
    from boticelli_cli.narrative.shape import validate
    from boticelli_cli.narrative.source import Source

    problems = [
        Problem(f"--option {name}: there is no such option{did_you_mean(name, OPTIONS) or '; there are ' + _listed()}")
        for name in given
        if name not in OPTIONS
    ]
    data = {
        name: values if name in ("stop", "fallback") else _value(values[-1])
        for name, values in given.items()
        if name in OPTIONS
    }
    document, found = validate(SettingsDocument, Source("--option", "", data, {}, {}))
    problems += [Problem(f"--option: {problem.message}") for problem in found]
    if problems:
        raise UsageError(problems)
    return settings_of(document, literal=True)


def _listed() -> str:
    return ", ".join(OPTIONS)


def _value(text: str) -> Any:
    """What a text says: a number, true or false, a JSON object; else the text itself."""
    for read in (int, float, _truth, _object):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _object(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        raise ValueError(text)
    return json.loads(text)
