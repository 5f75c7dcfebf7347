"""Errors as people and programs are told them, and the exit codes that go with them."""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from boticelli_cli.cli.stdio import leave_stdout, printable
from boticelli_cli.errors import BoticelliError, InputError

if TYPE_CHECKING:
    from boticelli_cli.events import ErrorInfo

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "NO_CREDENTIALS",
    "SPENT",
    "WRONG_INPUT",
    "exit_code_of",
    "flush_or_fail",
    "tell",
    "tell_bug",
    "tell_unwritable",
    "telling_errors",
]

FAILED = 1
WRONG_INPUT = 2
NO_CREDENTIALS = 3
SPENT = 4
INTERRUPTED = 130

_BY_KIND = {"credentials": NO_CREDENTIALS, "quota": SPENT}


def exit_code_of(kind: str) -> int:
    """The exit code of a run that failed with an error of this kind."""
    return _BY_KIND.get(kind, FAILED)


@contextmanager
def telling_errors(shown_as: str = "text") -> Iterator[None]:
    """Run a command's body: tell its errors, in the form that was asked for, and exit by their kind.

    A reader of stdout that went away is no error: the command ends quietly.
    """
    try:
        yield
    except BoticelliError as error:
        with suppress(BrokenPipeError):
            _tell(error, shown_as)
        raise typer.Exit(WRONG_INPUT if isinstance(error, InputError) else exit_code_of(error.kind)) from None
    except BrokenPipeError:
        leave_stdout()
        raise typer.Exit(0) from None


def flush_or_fail(code: int | str | None) -> int | str | None:
    """Write out what is left, and return the exit code: the one that was due, unless the answer could not be written.

    A reader that went away is no failure.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        leave_stdout()
        return tell_unwritable(error)
    return code


def tell_unwritable(error: OSError) -> int:
    """Tell that an output took nothing more, a full disk for example, and return the exit code."""
    leave_stdout()
    tell(f"error: the output cannot be written: {error.strerror or error}")
    return FAILED


def tell_bug(error: Exception) -> None:
    """Tell an error that nobody expected: a mistake of this program."""
    from boticelli_cli.app import environment

    if environment().get("BOTICELLI_DEBUG") == "1":
        traceback.print_exception(error)
    tell(f"error: this is a bug in boticelli: {type(error).__name__}: {error}")
    tell("hint: BOTICELLI_DEBUG=1 shows where it happened; please report it")


def tell(line: str) -> None:
    """Write a line to stderr, whether or not anybody is there to read it."""
    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)


def _tell(error: BoticelliError, shown_as: str) -> None:
    from boticelli_cli.app import environment
    from boticelli_cli.cli.capabilities import can_be_drawn_on
    from boticelli_cli.events import RunFailed, as_json, describe_error
    from boticelli_cli.views.jsonl import failure_json
    from boticelli_cli.views.report import error_lines

    facts = describe_error(error)
    if shown_as == "json":
        print(json.dumps(failure_json(facts), ensure_ascii=False, indent=2), flush=True)
    elif shown_as == "jsonl":
        from datetime import UTC, datetime

        event = RunFailed(run="", seq=1, at=datetime.now(UTC), error=facts)
        print(json.dumps(as_json(event), ensure_ascii=False), flush=True)
    in_a_panel = sys.stderr.isatty() and can_be_drawn_on(sys.stderr, environment())
    if in_a_panel and not any(problem.file for problem in facts.problems or ()):
        _tell_in_a_panel(facts)
        return
    for line in error_lines(facts):
        tell(line)


def _tell_in_a_panel(facts: "ErrorInfo") -> None:
    from rich.console import Console

    from boticelli_cli.views.failure import failure_panel

    with suppress(OSError):
        Console(stderr=True, highlight=False).print(failure_panel(facts, clean=printable))
