"""`boticelli stream`: one prompt, streamed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import telling_errors
from boticelli_cli.cli.options import FormatName, Model, OutputFormat, Quiet, Verbose, global_options

if TYPE_CHECKING:
    from boticelli_cli.cli.given import Stdin
    from boticelli_cli.narrative.model import InputPart, Settings

__all__ = ["stream"]


def stream(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help="What to ask. What is piped in comes before it.")] = None,
    model: Model = None,
    system: Annotated[
        str | None,
        typer.Option("-s", "--system", metavar="TEXT", help="The system instruction.", envvar="BOTICELLI_SYSTEM"),
    ] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--attach",
            metavar="FILE|URL|-",
            help="Attach a picture, sound, film or document; - attaches stdin. Repeatable.",
            envvar="BOTICELLI_ATTACH",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--option",
            metavar="NAME=VALUE",
            help="Set temperature, top_p, max_tokens or stop. Repeatable.",
            envvar="BOTICELLI_OPTION",
        ),
    ] = None,
    shown_as: OutputFormat = FormatName.auto,
    no_stream: Annotated[
        bool,
        typer.Option("--no-stream", help="Ask for the whole answer.", envvar="BOTICELLI_NO_STREAM"),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Ask one thing, and see the answer as it grows; in a pipe, get the answer alone.

    \b
    Examples:
      boticelli stream "Name three lighthouses."
      git diff | boticelli stream "Write a commit message for this."
      boticelli stream -a lighthouse.png "What is this?"
      boticelli stream -m rehearsal/slow -o max_tokens=40 "Tell me a story." > story.txt
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli import app
        from boticelli_cli.cli.given import Stdin
        from boticelli_cli.cli.play import play

        stdin = Stdin(sys.stdin)
        attachments = [_attachment(each, stdin) for each in attach or []]
        narrative = app.prompt_narrative(
            _texts(prompt, stdin, attachments),
            system=system,
            settings=_settings(option or []),
            attachments=attachments,
        )
        prepared = app.prepare(narrative, model=model)
        code = play(prepared, options=options, shown_as=shown_as, streaming=not no_stream, headings=False)
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


def _attachment(name: str, stdin: "Stdin") -> "InputPart":
    import base64

    from boticelli_cli.errors import UsageError
    from boticelli_cli.narrative.media import URL_SCHEMES, attachment, infer_mime, kind_of
    from boticelli_cli.narrative.model import Base64Content, InputPart, UrlContent
    from boticelli_cli.narrative.template import Template

    if name.partition("://")[0] in URL_SCHEMES and "://" in name:
        mime = infer_mime(name.partition("?")[0])
        return InputPart(kind_of(mime or "application/pdf"), UrlContent(Template(name, literal=True)), mime)
    if name == "-":
        data, label = stdin.take("the attachment"), None
    else:
        try:
            data, label = Path(name).read_bytes(), Path(name).name
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--attach: '{name}' cannot be read: {reason}") from None
    media = attachment(data, label)
    return InputPart(media.kind, Base64Content(base64.b64encode(data).decode()), media.mime, label)


def _settings(given: list[str]) -> "Settings":
    from boticelli_cli.errors import Problem, UsageError, did_you_mean
    from boticelli_cli.narrative.document import SettingsDocument, validate
    from boticelli_cli.narrative.load import settings_of
    from boticelli_cli.narrative.source import Source

    data: dict[str, Any] = {}
    problems: list[Problem] = []
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            problems.append(Problem(f"--option {item}: write NAME=VALUE"))
        elif name not in _OPTIONS:
            hint = did_you_mean(name, _OPTIONS) or f"; there are {', '.join(_OPTIONS)}"
            problems.append(Problem(f"--option {item}: unknown option '{name}'{hint}"))
        elif name == "stop":
            data.setdefault(name, []).append(value)
        else:
            data[name] = _number(value)
    document, found = validate(SettingsDocument, Source("--option", "", data, {}, {}))
    problems += [Problem(f"--option: {problem.message}") for problem in found]
    if problems:
        raise UsageError(problems)
    return settings_of(document, literal=True)


_OPTIONS = ("temperature", "top_p", "max_tokens", "stop")


def _number(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
