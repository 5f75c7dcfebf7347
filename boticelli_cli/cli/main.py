"""The commands, and the options that work before and after each of them."""

import sys
from typing import Annotated

import typer

from boticelli_cli.cli.check import check
from boticelli_cli.cli.doctor import doctor
from boticelli_cli.cli.failures import FAILED, flush_or_fail, tell_bug, tell_unwritable
from boticelli_cli.cli.graph import graph
from boticelli_cli.cli.keys import keys
from boticelli_cli.cli.limits import limits
from boticelli_cli.cli.models import models
from boticelli_cli.cli.new import new
from boticelli_cli.cli.options import GlobalOptions, Quiet, Verbose
from boticelli_cli.cli.run import run
from boticelli_cli.cli.schema import schema
from boticelli_cli.cli.serve import serve
from boticelli_cli.cli.stdio import prepare_streams
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


app.command("run", short_help="Run a narrative and watch its acts unfold.")(run)
app.command("stream", short_help="Ask one thing and see the answer as it grows.")(stream)
app.command("check", short_help="Tell every mistake of a narrative.")(check)
app.command("validate", hidden=True)(check)
app.command("graph", short_help="Draw which act waits for which.")(graph)
app.command("new", short_help="Write a narrative to start from.")(new)
app.command("models", short_help="List the models that can be asked.")(models)
app.command("limits", short_help="Show what is left of each quota.")(limits)
app.command("doctor", short_help="Tell what is wrong with this setup.")(doctor)
app.add_typer(keys, name="keys", short_help="Keep keys where only you can read them.")
app.add_typer(serve, name="serve", short_help="Serve any model to any client.")
app.command("schema", short_help="Print the JSON Schema of narratives, for editors.")(schema)


def main() -> None:
    """Run the command that the arguments name, and exit by how it ended."""
    prepare_streams()
    try:
        app(prog_name="boticelli")
    except SystemExit as ending:
        sys.exit(flush_or_fail(ending.code))
    except OSError as error:
        if error.filename is not None:  # a file that nobody has told of before: not the output
            tell_bug(error)
            sys.exit(FAILED)
        sys.exit(tell_unwritable(error))
    except Exception as error:
        tell_bug(error)
        sys.exit(FAILED)
