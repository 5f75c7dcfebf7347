"""`boticelli models`: what can be asked."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import exit_code_of, tell, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options
from boticelli_cli.cli.tables import GAP, aligned

if TYPE_CHECKING:
    from boticelli_cli.errors import ProviderError
    from boticelli_cli.inventory import Model

__all__ = ["models"]

STATUS = len("until 2026-12-01 …")
"""The room that a status needs at least."""

COLUMNS = ("MODEL", "PROVIDER", "CALL", "CONTEXT", "THINKING", "STATUS")

DISPENSABLE = ("PROVIDER", "THINKING", "CONTEXT", "CALL")
"""What a narrow terminal does without, the first first. A model's name is never cut: it is there to be typed."""


def models(
    context: typer.Context,
    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="NAME", help="Only this provider's.", envvar="BOTICELLI_MODELS_PROVIDER"),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Only those of the Live API.", envvar="BOTICELLI_MODELS_LIVE")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Those too that were shut down.", envvar="BOTICELLI_MODELS_ALL")
    ] = False,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask the providers first which they have.", envvar="BOTICELLI_MODELS_REFRESH"),
    ] = False,
    shown_as: Annotated[
        TextOrJson,
        typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_MODELS_FORMAT"),
    ] = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the models that can be asked: how each is called, how much it reads, how it thinks, how long it lasts.

    In a pipe the columns are separated by tabs, without a heading. Models that are not listed can be asked too.

    \b
    Examples:
      boticelli models
      boticelli models --provider gemini --live
      boticelli models | cut -f1
      boticelli models --all --format json
      boticelli models --refresh --provider gemini
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli import inventory

        failed: Sequence[ProviderError] = ()
        if refresh:
            from boticelli_cli.cli.play import wait_for

            refreshed = wait_for(inventory.refresh_models(provider))
            failed = refreshed.failed
            for name, count in refreshed.counts.items() if not options.quiet else ():
                tell(f"{name} lists {count} model{'' if count == 1 else 's'}")
        today = inventory.today()
        found = inventory.models(today, provider=provider, live=live, retired=everything)
        _print(found, shown_as, today)
        sys.stdout.flush()
        if not found and not options.quiet:
            ask = "" if refresh else "--refresh asks the providers; "
            tell(f"no such model is known here; {ask}any other name that a provider has can be asked as PROVIDER/NAME")
        if options.verbose and not options.quiet:
            known = inventory.models(today, provider=provider, live=live, retired=True)
            gone = sum(model.is_gone(today) for model in known)
            tell(f"{len(known) - gone} models that answer, {gone} that were shut down")
        for error in failed:
            tell(f"error: {error.provider} did not list its models: {error.message}")
            if error.hint is not None:
                tell(f"hint: {error.hint}")
        if failed:
            raise typer.Exit(exit_code_of(failed[0].kind))


def _print(found: Sequence["Model"], shown_as: TextOrJson, today: date) -> None:
    if shown_as is TextOrJson.json:
        listed = [_as_json(model) for model in found]
        print(json.dumps({"models": listed}, ensure_ascii=False, indent=2, default=date.isoformat))
    elif not sys.stdout.isatty():
        for model in found:
            print("\t".join(_row(model, today)))
    elif found:
        for line in _table([_row(model, today) for model in found], shutil.get_terminal_size().columns):
            print(line)


def _row(model: "Model", today: date) -> tuple[str, ...]:
    return (
        model.id,
        model.provider,
        model.call,
        _short(model.context_tokens),
        model.thinking or "",
        _status(model, today),
    )


def _short(tokens: int | None) -> str:
    """A number of tokens as people say it: 128k, 1M."""
    if tokens is None:
        return ""
    for unit, size in (("M", 1_000_000), ("k", 1000), ("M", 1 << 20), ("k", 1 << 10)):
        if tokens >= size and tokens % size == 0:
            return f"{tokens // size}{unit}"
    return str(tokens)


def _status(model: "Model", today: date) -> str:
    status: str = model.status or ""
    if model.is_gone(today):
        status = f"shut down {model.shutdown or ''}".rstrip()
    elif model.shutdown:
        status = f"until {model.shutdown}"
    elif model.earliest_shutdown:
        status = f"until {model.earliest_shutdown} or later"
    return f"{status} → {model.replaced_by}" if model.replaced_by else status


def _table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Aligned lines under a heading, none longer than the terminal is wide unless a model's name is."""
    columns = [list(column) for column in zip(COLUMNS, *rows, strict=True)]
    for dispensable in DISPENSABLE:
        if _width(columns[:-1]) + min(max(map(len, columns[-1])), STATUS) > width:
            columns = [column for column in columns if column[0] != dispensable]
    columns[-1] = [_cut(text, width - _width(columns[:-1])) for text in columns[-1]]
    heading, *lines = zip(*columns, strict=True)
    return aligned(heading, lines)


def _width(columns: Sequence[Sequence[str]]) -> int:
    """The width of columns, with the gap after each."""
    return sum(max(map(len, column)) + len(GAP) for column in columns)


def _cut(status: str, width: int) -> str:
    """A status that fits: its replacement goes first, and a name is left out whole rather than in part."""
    if len(status) <= width:
        return status
    head, arrow, _ = status.partition(" → ")
    shorter = f"{head} …" if arrow else head
    if len(shorter) <= width:
        return shorter
    return f"{head[: width - 1]}…" if width > 1 else ""


def _as_json(model: "Model") -> dict[str, Any]:
    """What is known of a model; what is not is absent."""
    known = {key: value for key, value in asdict(model).items() if value not in (None, ())}
    if model.price:
        known["price"] = [{key: value for key, value in price.items() if value is not None} for price in known["price"]]
    return known
