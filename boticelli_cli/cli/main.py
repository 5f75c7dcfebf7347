"""`boticelli`: the commands, and the options that work before and after each of them."""

import sys
from typing import Annotated, TextIO

import typer

from boticelli_cli.cli.check import check
from boticelli_cli.cli.failures import FAILED, leave_stdout, tell_bug
from boticelli_cli.cli.new import new
from boticelli_cli.cli.options import GlobalOptions, Quiet, Verbose
from boticelli_cli.cli.run import run
from boticelli_cli.cli.schema import schema
from boticelli_cli.cli.stream import stream

__all__ = ["app", "main"]

app = typer.Typer(
    name="boticelli",
    help="Run multi-act prompts against any model, and watch them unfold.",
    epilog="Start with: boticelli new story, then: boticelli run story.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"boticelli {version('boticelli')}")
        raise typer.Exit


@app.callback()
def _global_options(
    context: typer.Context,
    quiet: Quiet = False,
    verbose: Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = GlobalOptions(quiet, verbose)


app.command("run")(run)
app.command("stream")(stream)
app.command("check")(check)
app.command("validate", hidden=True)(check)
app.command("new")(new)
app.command("schema")(schema)


def main() -> None:
    """What the `boticelli` script calls."""
    for output in (sys.stdout, sys.stderr):
        _force_utf8(output)
    try:
        app(prog_name="boticelli")
    except SystemExit:
        _flush_or_forget()
        raise
    except Exception as error:
        tell_bug(error)
        sys.exit(FAILED)


def _force_utf8(output: TextIO) -> None:
    """No answer is lost to a terminal's code page, or to half a character in it."""
    reconfigure = getattr(output, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="replace")


def _flush_or_forget() -> None:
    """Write out what is left, unless nobody reads it any more: a closed pipe ends quietly."""
    try:
        sys.stdout.flush()
    except OSError:
        leave_stdout()
