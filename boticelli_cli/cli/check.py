"""`boticelli check`: every mistake of a narrative, with its place."""

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import WRONG_INPUT, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options
from boticelli_cli.cli.stdio import printable

if TYPE_CHECKING:
    from boticelli_cli.app import Loaded

__all__ = ["check"]


def check(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILES", help="Narratives; - reads stdin.")],
    shown_as: Annotated[
        TextOrJson,
        typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_CHECK_FORMAT"),
    ] = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check narratives: tell every mistake, with line and column, and send nothing. With -q, tell nothing else.

    \b
    Examples:
      boticelli check story.yaml
      boticelli check narratives/*.yaml --format json
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli import app
        from boticelli_cli.cli.given import Stdin

        stdin = Stdin(sys.stdin)
        results: list[tuple[str, Loaded]] = []
        for file in dict.fromkeys(files):
            if file == "-":
                results.append(("stdin", app.check("stdin", stdin.take("the narrative"))))
            else:
                results.append((file, app.check(file)))
        with suppress(BrokenPipeError):
            if shown_as is TextOrJson.json:
                checked = [_as_json(*each) for each in results]
                print(json.dumps({"files": checked}, ensure_ascii=False, indent=2), flush=True)
            else:
                for file, loaded in results:
                    _tell(file, loaded, quiet=options.quiet)
        if any(loaded.narrative is None for _, loaded in results):
            raise typer.Exit(WRONG_INPUT)


def _tell(file: str, loaded: "Loaded", *, quiet: bool) -> None:
    for problem in loaded.problems:
        print(printable(str(problem)), flush=True)
    if loaded.narrative is not None and not quiet:
        count = len(loaded.narrative.acts)
        print(f"{printable(file)}: ok, {count} act{'' if count == 1 else 's'}", flush=True)


def _as_json(file: str, loaded: "Loaded") -> dict[str, Any]:
    from boticelli_cli.events import as_json

    result: dict[str, Any] = {"file": file, "ok": loaded.narrative is not None}
    if loaded.narrative is not None:
        result["narrative"] = loaded.narrative.name
        result["acts"] = [act.name for act in loaded.narrative.acts]
    result["problems"] = [as_json(problem) for problem in loaded.problems]
    return result
