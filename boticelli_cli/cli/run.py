"""`boticelli run`: run a narrative."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boticelli_cli.cli.failures import tell, telling_errors
from boticelli_cli.cli.options import (
    Format,
    Model,
    NarrativeFile,
    NoStream,
    OutputFormat,
    Quiet,
    SaveAudio,
    SaveMedia,
    Verbose,
    complete_act,
    global_options,
)

if TYPE_CHECKING:
    from boticelli_cli.app import Prepared

__all__ = ["run"]


Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="NAME=VALUE",
        help="Give a variable. NAME=@FILE reads a file, NAME=- stdin, and a lone - stdin into the variable that "
        "takes it. Repeatable.",
        envvar="BOTICELLI_VAR",
    ),
]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="ACT",
        help="Run this act and those it waits for. Repeatable.",
        envvar="BOTICELLI_ONLY",
        autocompletion=complete_act,
    ),
]

Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="ACT",
        help="Run this act, all after it, and those they wait for.",
        envvar="BOTICELLI_FROM",
        autocompletion=complete_act,
    ),
]

Rehearse = Annotated[
    bool, typer.Option("--rehearse", help="Run every act on the embedded model.", envvar="BOTICELLI_REHEARSE")
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and send nothing.", envvar="BOTICELLI_DRY_RUN")]

MaxParallel = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--max-parallel",
        metavar="N",
        min=1,
        help="How many acts may run at once; 16 unless given.",
        envvar="BOTICELLI_MAX_PARALLEL",
    ),
]

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write the answer to a file.", envvar="BOTICELLI_OUTPUT"),
]


def run(
    context: typer.Context,
    narrative: NarrativeFile,
    var: Variables = None,
    model: Model = None,
    only: Only = None,
    start: Start = None,
    rehearse: Rehearse = False,
    dry_run: DryRun = False,
    max_parallel: MaxParallel = None,
    shown_as: OutputFormat = Format.auto,
    output: Output = None,
    save_audio: SaveAudio = None,
    save_media: SaveMedia = None,
    no_stream: NoStream = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a narrative: on a terminal, watch its acts unfold; in a pipe, get the answer alone.

    \b
    Examples:
      boticelli run story.yaml
      boticelli run story.yaml --var place=Skellig --var notes=@notes.txt
      boticelli run story.yaml -m rehearsal/fast --format jsonl | jq -c .type
      cat notes.txt | boticelli run digest.yaml > digest.md
      boticelli run story.yaml --only draft --dry-run
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.cli.outputs import refuse_folder, refuse_output
        from boticelli_cli.cli.play import play

        prepared = _prepare(narrative, var or [], model, only or [], start, rehearse, dry_run)
        taken = [Path(narrative), *prepared.saves()]
        refuse_output(output, taken)
        refuse_output(save_audio, [*taken, *([output] if output else [])], option="--save-audio")
        refuse_folder(save_media)
        if dry_run:
            for notice in prepared.notices if not options.quiet else ():
                tell(notice)
            _show_plan(prepared, shown_as)
            return
        if options.verbose:
            _tell_plan(prepared)
        code = play(
            prepared,
            options=options,
            shown_as=shown_as,
            output=output,
            save_audio=save_audio,
            save_media=save_media,
            max_parallel=max_parallel,
            streaming=not no_stream,
        )
        raise typer.Exit(code)


def _prepare(
    narrative: str,
    given: list[str],
    model: str | None,
    only: list[str],
    start: str | None,
    rehearse: bool,
    dry: bool,
) -> "Prepared":
    from boticelli_cli import app
    from boticelli_cli.cli.given import Stdin, read_variables

    stdin = Stdin(sys.stdin)
    data = stdin.take("the narrative") if narrative == "-" else None
    loaded = app.check("stdin" if data is not None else narrative, data)
    story = loaded.or_raise()
    variables = read_variables(given, story.variables, stdin)
    prepared = app.prepare(story, variables=variables, model=model, only=only, start=start, rehearse=rehearse, dry=dry)
    return prepared.with_notices(str(problem) for problem in loaded.problems)


def _show_plan(prepared: "Prepared", shown_as: Format) -> None:
    if shown_as in (Format.json, Format.jsonl):
        indent = 2 if shown_as is Format.json else None
        print(json.dumps(prepared.as_json(), ensure_ascii=False, indent=indent))
    else:
        print("\n".join(prepared.describe()))


def _tell_plan(prepared: "Prepared") -> None:
    from boticelli_cli import app

    for file in app.config_files():
        tell(f"configuration: {file}")
    for line in prepared.describe():
        tell(line)
