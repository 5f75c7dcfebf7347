"""`boticelli doctor`: what is wrong with this setup."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from boticelli_cli.cli.failures import FAILED, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options

if TYPE_CHECKING:
    from boticelli_cli.doctor.finding import Finding, State

__all__ = ["doctor"]

_MARKS: Mapping["State", str] = {"fine": "✓", "unused": "·", "doubtful": "!", "wrong": "✗"}

_TERMINAL = "Terminal"

_WIDEST = 100
"""Columns of a line, on a terminal that has more."""


def doctor(
    context: typer.Context,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask every provider for its models too, with each account; that is free.",
            envvar="BOTICELLI_DOCTOR_ONLINE",
        ),
    ] = False,
    shown_as: Annotated[
        TextOrJson,
        typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_DOCTOR_FORMAT"),
    ] = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Tell what is wrong with this setup, and where each value of it came from. No key is shown.

    Each line has a mark: ✓ it is fine, · it is not there and need not be, ! look at it, ✗ something does not work.
    With -q only the last two are shown. The exit code is 1 when there is a ✗.

    \b
    Examples:
      boticelli doctor
      boticelli doctor --online
      boticelli doctor --online --format json
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.app import environment
        from boticelli_cli.cli.capabilities import cleaner
        from boticelli_cli.cli.play import wait_for
        from boticelli_cli.doctor.examine import examine
        from boticelli_cli.doctor.finding import as_json
        from boticelli_cli.views.terminal import size

        environ = environment()
        found = [*wait_for(examine(Path(), online=online)), *_terminal(environ)]
        wrong = any(each.state == "wrong" for each in found)
        if shown_as is TextOrJson.json:
            data = {"fine": not wrong, "findings": [as_json(each) for each in found]}
            print(json.dumps(data, ensure_ascii=False, indent=2))
        else:
            clean = cleaner(sys.stdout, environ)
            shown = [each for each in found if not options.quiet or each.state in ("doubtful", "wrong")]
            for line in _lines(shown, clean, min(size(sys.stdout)[0], _WIDEST)):
                print(line)
        sys.stdout.flush()
        if wrong:
            raise typer.Exit(FAILED)


def _terminal(environ: Mapping[str, str]) -> "Iterator[Finding]":
    """What the terminal can show, and who says so."""
    from boticelli_cli.cli.capabilities import speaks_utf8
    from boticelli_cli.doctor.finding import Finding
    from boticelli_cli.views.images import protocol

    yield from _stdout(environ)
    variable = next((each for each in ("NO_COLOR", "FORCE_COLOR") if environ.get(each)), None)
    yield Finding(_TERMINAL, "colours", f"as {variable} says" if variable else "as the terminal has them")
    if speaks_utf8(environ):
        yield Finding(_TERMINAL, "characters", "UTF-8")
    else:
        said = "no UTF-8, as LC_ALL, LC_CTYPE or LANG says: marks are in ASCII"
        yield Finding(_TERMINAL, "characters", said, "doubtful")
    if (pictures := protocol(environ)) is not None:
        yield Finding(_TERMINAL, "pictures", f"shown, by {pictures}'s protocol")
    else:
        yield Finding(_TERMINAL, "pictures", "not shown by this terminal, but kept in files", "unused")


def _stdout(environ: Mapping[str, str]) -> "Iterator[Finding]":
    from boticelli_cli.cli.capabilities import can_be_drawn_on
    from boticelli_cli.doctor.finding import Finding
    from boticelli_cli.views.terminal import size

    name = environ.get("TERM") or "not said"
    if not sys.stdout.isatty():
        yield Finding(_TERMINAL, "stdout", f"no terminal: answers are written raw  (TERM: {name})", "unused")
        return
    columns, lines = size(sys.stdout)
    yield Finding(_TERMINAL, "size", f"{columns} columns, {lines} lines  (TERM: {name})")
    if can_be_drawn_on(sys.stdout, environ):
        yield Finding(_TERMINAL, "live view", "can be drawn")
    else:
        yield Finding(_TERMINAL, "live view", "cannot be drawn here: answers are plain text", "doubtful")


def _lines(found: "Sequence[Finding]", clean: Callable[[str], str], width: int) -> "Iterator[str]":
    """Findings under the headings of their sections, a mark before each, wrapped to a width."""
    section = None
    for each in found:
        if each.section != section:
            if section is not None:
                yield ""
            section = each.section
            yield section
        text = clean(f"{each.name}: {each.text}")
        yield from _wrapped(text, width, first=clean(f"  {_MARKS[each.state]} "), rest="    ")
        if each.hint is not None:
            yield from _wrapped(clean(each.hint), width, first=clean("    → "), rest="      ")
    if section is not None:
        yield ""
    yield _sum(found)


def _wrapped(text: str, width: int, *, first: str, rest: str) -> list[str]:
    """A text in lines; what is to be copied, a path or an address, is not broken."""
    return wrap(
        " ".join(text.split()),
        max(width, 20),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sum(found: "Sequence[Finding]") -> str:
    wrong = sum(each.state == "wrong" for each in found)
    doubtful = sum(each.state == "doubtful" for each in found)
    if wrong:
        return f"{wrong} {'thing does' if wrong == 1 else 'things do'} not work."
    return f"Nothing is wrong; {doubtful} to look at." if doubtful else "Nothing is wrong."
