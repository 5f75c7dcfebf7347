"""`boticelli graph`: the acts of a narrative as a picture."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from boticelli_cli.cli.failures import tell, telling_errors
from boticelli_cli.cli.options import Model, NarrativeFile, Quiet, Verbose, complete_act, global_options

if TYPE_CHECKING:
    from boticelli_cli.app import Loaded, Plan
    from boticelli_cli.views.graph import Graph

__all__ = ["graph"]


class Picture(StrEnum):
    """How the acts are drawn."""

    tree = "tree"
    mermaid = "mermaid"
    svg = "svg"
    dot = "dot"
    json = "json"


BY_ENDING = {
    ".mmd": Picture.mermaid,
    ".mermaid": Picture.mermaid,
    ".svg": Picture.svg,
    ".dot": Picture.dot,
    ".gv": Picture.dot,
    ".json": Picture.json,
}
"""What a file is that is named so."""

NO_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".ps")
"""What graphs are also drawn in, though not by us."""


def graph(
    context: typer.Context,
    narrative: NarrativeFile,
    model: Model = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="ACT",
            help="Draw this act and those it waits for. Repeatable.",
            envvar="BOTICELLI_ONLY",
            autocompletion=complete_act,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ACT",
            help="Draw this act, all after it, and those they wait for.",
            envvar="BOTICELLI_FROM",
            autocompletion=complete_act,
        ),
    ] = None,
    shown_as: Annotated[
        Picture | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="tree, mermaid, svg, dot or json; by the ending of --output, else tree.",
            envvar="BOTICELLI_GRAPH_FORMAT",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the picture to a file.", envvar="BOTICELLI_GRAPH_OUTPUT"
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw the acts of a narrative, and which of them waits for which. Nothing is sent, and no variable needs a value.

    An act stands under the last of those that it waits for; an arrow leads to one that follows alone. Only json tells
    of an act that is waited for by way of another.

    \b
    Examples:
      boticelli graph story.yaml
      boticelli graph story.yaml --only edit
      boticelli graph story.yaml -o story.svg
      boticelli graph story.yaml --format mermaid >> README.md
      boticelli graph story.yaml --format dot | dot -Tpng > story.png
    """
    options = global_options(context, quiet, verbose)
    chosen = shown_as or (BY_ENDING.get(output.suffix.lower()) if output is not None else None) or Picture.tree
    with telling_errors(chosen):
        from boticelli_cli import app
        from boticelli_cli.cli.outputs import refuse_output
        from boticelli_cli.errors import UsageError
        from boticelli_cli.views.graph import make_graph

        if output is not None and shown_as is None and output.suffix.lower() in NO_PICTURES:
            kind = output.suffix.lower().removeprefix(".")
            raise UsageError(
                f"--output: no {kind} can be drawn; there are .svg, .mmd, .dot and .json",
                hint=f"boticelli graph {narrative} --format dot | dot -T{kind} > {output}",
            )
        loaded = _loaded(narrative)
        plan = app.plan(loaded.or_raise(), model=model, only=only or [], start=start)
        refuse_output(output, [Path(narrative)])
        for problem in loaded.problems if not options.quiet else ():
            tell(str(problem))
        for file in app.config_files() if options.verbose else ():
            tell(f"configuration: {file}")
        drawn = make_graph(plan.narrative.name, app.planned_acts(plan), plan.output_act)
        if output is not None:
            app.write_answer(output, _text(drawn, plan, chosen))
            if not options.quiet:
                tell(f"picture written to {output}")
        elif chosen is Picture.tree:
            _print_tree(drawn)
        else:
            print(_text(drawn, plan, chosen), flush=True)


def _loaded(narrative: str) -> "Loaded":
    from boticelli_cli import app
    from boticelli_cli.cli.given import Stdin

    if narrative == "-":
        return app.check("stdin", Stdin(sys.stdin).take("the narrative"))
    return app.check(narrative)


def _text(drawn: "Graph", plan: "Plan", chosen: Picture) -> str:
    from boticelli_cli import app

    match chosen:
        case Picture.tree:
            from boticelli_cli.views.graph_tree import plain_tree

            return plain_tree(drawn)
        case Picture.mermaid:
            from boticelli_cli.views.graph_source import mermaid

            return mermaid(drawn)
        case Picture.dot:
            from boticelli_cli.views.graph_source import dot

            return dot(drawn)
        case Picture.svg:
            from boticelli_cli.views.graph_svg import svg

            return svg(drawn)
        case Picture.json:
            return json.dumps(app.plan_json(plan), ensure_ascii=False, indent=2)
        case _:
            assert_never(chosen)


def _print_tree(drawn: "Graph") -> None:
    """Print the tree: in colours if somebody looks at it, or asks for them all the same (force-color.org)."""
    from boticelli_cli.app import environment
    from boticelli_cli.cli.capabilities import cleaner, speaks_utf8

    environ, terminal = environment(), sys.stdout.isatty()
    if (terminal and speaks_utf8(environ)) or environ.get("FORCE_COLOR"):
        from rich.console import Console

        from boticelli_cli.views.graph_paint import paint_tree

        paint_tree(drawn, Console(file=sys.stdout, highlight=False), wrap=terminal)
    else:
        from boticelli_cli.views.graph_tree import plain_tree

        print(cleaner(sys.stdout, environ)(plain_tree(drawn)), flush=True)
