"""Options that several commands share. Each can be given as an environment variable too."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from boticelli_cli.views.format import Format

__all__ = [
    "Format",
    "GlobalOptions",
    "Model",
    "NarrativeFile",
    "NoStream",
    "OutputFormat",
    "Quiet",
    "SaveAudio",
    "SaveMedia",
    "TextOrJson",
    "Verbose",
    "complete_act",
    "global_options",
]


class TextOrJson(StrEnum):
    """How something is shown that is no run."""

    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What was said before the command's name."""

    quiet: bool = False
    verbose: bool = False


def global_options(context: typer.Context, quiet: bool, verbose: bool) -> GlobalOptions:
    """The global options, wherever they were given."""
    before = context.obj if isinstance(context.obj, GlobalOptions) else GlobalOptions()
    return GlobalOptions(quiet or before.quiet, verbose or before.verbose)


def complete_act(context: typer.Context, incomplete: str) -> list[str]:
    """The acts of the narrative on the command line whose names begin like this."""
    from boticelli_cli import app
    from boticelli_cli.errors import BoticelliError

    named = context.params.get("narrative") or next(iter(context.args), None)
    if named is None:
        return []
    try:
        narrative = app.load(named)
    except BoticelliError:
        return []
    return [act.name for act in narrative.acts if act.name.startswith(incomplete)]


def _complete_model(incomplete: str) -> list[str]:
    from boticelli_cli import inventory

    return [model for model in inventory.known_models() if model.startswith(incomplete)]


NarrativeFile = Annotated[str, typer.Argument(metavar="NARRATIVE", help="A YAML or TOML file; - reads stdin.")]

Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Say nothing on stderr but errors.", envvar="BOTICELLI_QUIET")
]

Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", help="Say more on stderr: files read, the plan.", envvar="BOTICELLI_VERBOSE"),
]

Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="The model to ask, over what a file says.",
        envvar="BOTICELLI_MODEL",
        autocompletion=_complete_model,
    ),
]

OutputFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        help="How to show it. auto: live on a terminal, text in a pipe.",
        envvar="BOTICELLI_FORMAT",
        metavar="FORMAT",
    ),
]

SaveAudio = Annotated[
    Path | None,
    typer.Option(
        "--save-audio",
        metavar="FILE",
        help="Write what a model has said aloud to a WAV file.",
        envvar="BOTICELLI_SAVE_AUDIO",
    ),
]

SaveMedia = Annotated[
    Path | None,
    typer.Option(
        "--save-media",
        metavar="DIR",
        help="Write what models make, pictures and all else, into this folder rather than our own.",
        envvar="BOTICELLI_SAVE_MEDIA",
    ),
]

NoStream = Annotated[bool, typer.Option("--no-stream", help="Ask for whole answers.", envvar="BOTICELLI_NO_STREAM")]
