"""`boticelli stream`: one prompt, streamed."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from boticelli_cli.cli.failures import telling_errors
from boticelli_cli.cli.options import (
    Format,
    Model,
    NoStream,
    OutputFormat,
    Quiet,
    SaveAudio,
    SaveMedia,
    Verbose,
    global_options,
)

if TYPE_CHECKING:
    from boticelli_cli.app import InputPart
    from boticelli_cli.cli.given import Stdin

__all__ = ["stream"]


Prompt = Annotated[str | None, typer.Argument(metavar="PROMPT", help="What to ask. What is piped in comes before it.")]

System = Annotated[
    str | None,
    typer.Option("-s", "--system", metavar="TEXT", help="The system instruction.", envvar="BOTICELLI_SYSTEM"),
]

Attachments = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--attach",
        metavar="FILE|URL|-",
        help="Attach a picture, sound, film or document; - attaches stdin. Repeatable.",
        envvar="BOTICELLI_ATTACH",
    ),
]

Options = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        help="Set temperature, top_p, max_tokens, stop, thinking, timeout, retries, fallback or options. Repeatable.",
        envvar="BOTICELLI_OPTION",
    ),
]


def stream(
    context: typer.Context,
    prompt: Prompt = None,
    model: Model = None,
    system: System = None,
    attach: Attachments = None,
    option: Options = None,
    shown_as: OutputFormat = Format.auto,
    save_audio: SaveAudio = None,
    save_media: SaveMedia = None,
    no_stream: NoStream = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Ask one thing, and see the answer as it grows; in a pipe, get the answer alone.

    \b
    Examples:
      boticelli stream "Name three lighthouses."
      git diff | boticelli stream "Write a commit message for this."
      boticelli stream -a lighthouse.png "What is this?"
      boticelli stream -m gemini-3.8-live --save-audio hello.wav "Say hello."
      boticelli stream -m rehearsal/slow -o max_tokens=40 "Tell me a story." > story.txt
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli import app
        from boticelli_cli.cli.given import Stdin
        from boticelli_cli.cli.outputs import refuse_folder, refuse_output
        from boticelli_cli.cli.play import play

        stdin = Stdin(sys.stdin)
        attachments = [_attach(each, stdin) for each in attach or []]
        prepared = app.prepare_prompt(
            _texts(prompt, stdin, attachments),
            model=model,
            system=system,
            options=_options(option or []),
            attachments=attachments,
        )
        refuse_output(save_audio, option="--save-audio")
        refuse_folder(save_media)
        code = play(
            prepared,
            options=options,
            shown_as=shown_as,
            save_audio=save_audio,
            save_media=save_media,
            streaming=not no_stream,
            headings=False,
        )
        raise typer.Exit(code)


def _texts(prompt: str | None, stdin: "Stdin", attachments: list["InputPart"]) -> list[str]:
    from boticelli_cli.cli.given import without_surrogates
    from boticelli_cli.errors import UsageError

    texts = [stdin.take_text("the prompt")] if stdin.is_piped and not stdin.is_taken else []
    if prompt is not None and prompt != "-":
        texts.append(without_surrogates(prompt))
    texts = [text.strip("\n") for text in texts if text.strip()]
    if not texts and not attachments:
        raise UsageError('there is no prompt; give one: boticelli stream "Say hello."')
    return texts


def _attach(name: str, stdin: "Stdin") -> "InputPart":
    from boticelli_cli import app

    return app.attach(name, stdin.take("the attachment") if name == "-" else None)


def _options(given: list[str]) -> dict[str, list[str]]:
    from boticelli_cli.cli.given import without_surrogates
    from boticelli_cli.errors import Problem, UsageError

    if wrong := [item for item in given if "=" not in item]:
        raise UsageError([Problem(f"--option {item}: write NAME=VALUE") for item in wrong])
    options: dict[str, list[str]] = {}
    for item in map(without_surrogates, given):
        name, _, value = item.partition("=")
        options.setdefault(name, []).append(value)
    return options
