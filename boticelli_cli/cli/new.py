"""`boticelli new`: a narrative to start from."""

import json
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from boticelli_cli.cli.failures import telling_errors
from boticelli_cli.cli.given import without_surrogates
from boticelli_cli.cli.options import Quiet, Verbose, global_options
from boticelli_cli.cli.stdio import printable
from boticelli_cli.errors import UsageError

__all__ = ["new"]


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it; the file is NAME.yaml.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.", envvar="BOTICELLI_FORCE")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a commented narrative to start from.

    \b
    Examples:
      boticelli new story
      boticelli new drafts/letter
    """
    with telling_errors():
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            path = path.with_name(f"{path.name}.yaml") if path.name else path
        _write(path, force)
        if not global_options(context, quiet, verbose).quiet:
            print(f"wrote {printable(str(path))}; try: boticelli run {shlex.quote(printable(str(path)))}")


def _write(path: Path, force: bool) -> None:
    title = path.stem
    if not title.strip() or title in (".", ".."):
        raise UsageError("the narrative needs a name: boticelli new story")
    from boticelli_cli.app import why_not_writable

    if why := why_not_writable(path):
        raise UsageError(f"'{path}' cannot be written: {why}")
    starter = files("boticelli_cli.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    text = starter.replace("NAME", _quoted(without_surrogates(title)), 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"'{path}' is there already; --force replaces it") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _quoted(title: str) -> str:
    """A title as YAML: as it is where that is text, else in quotes. What JSON quotes is YAML too."""
    is_text = re.fullmatch(r"[A-Za-z][\w-]*", title) and title.lower() not in ("true", "false", "null")
    if is_text:
        return title
    quoted = json.dumps(title, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", quoted)
