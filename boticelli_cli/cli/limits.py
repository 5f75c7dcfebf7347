"""`boticelli limits`: what is left of each quota."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import tell, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options
from boticelli_cli.cli.tables import aligned

if TYPE_CHECKING:
    from boticelli_cli.inventory import HeldBack, LimitState

__all__ = ["limits"]

HEADING = ("ACCOUNT", "MODEL", "MINUTE", "TOKENS", "DAY", "BACK AT")


def limits(
    context: typer.Context,
    shown_as: Annotated[
        TextOrJson,
        typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_LIMITS_FORMAT"),
    ] = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show what is left of each quota: requests and tokens this minute, requests today, and when the day is over.

    Shown as "left of limit", for the accounts whose tier or limits are known. In a pipe the columns are separated by
    tabs, without a heading.

    \b
    Examples:
      boticelli limits
      boticelli limits --format json
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.inventory import inventory

        found = inventory()
        states, held = found.limits, found.held_back
        if shown_as is TextOrJson.json:
            data = {"limits": [_as_json(state) for state in states], "held_back": [_held_json(each) for each in held]}
            print(json.dumps(data, ensure_ascii=False, indent=2))
        elif states and sys.stdout.isatty():
            print("\n".join(aligned(HEADING, [_row(state) for state in states])))
        else:
            for state in states:
                print("\t".join(_row(state)))
        sys.stdout.flush()
        if not options.quiet:
            for each in held:
                tell(_held_line(each))
            _tell_of_others(found.unlimited, any_limits=bool(states))


def _tell_of_others(unlimited: Sequence[str], *, any_limits: bool) -> None:
    if unlimited:
        names = ", ".join(f"'{name}'" for name in unlimited)
        whose = "account" if len(unlimited) == 1 else "the accounts"
        tell(f"of {whose} {names} no limits are known, so no model is held back; 'limits' in config.yaml may say more")
    if not unlimited and not any_limits:
        tell(
            "there are no accounts; boticelli keys set NAME keeps a provider's key, boticelli doctor says what there is"
        )


def _held_line(held: "HeldBack") -> str:
    """As in "account 'spare' is not asked until 12:30 UTC while there is another: …"."""
    what = f" for {held.model}" if held.model is not None else ""
    until = f" until {held.until.astimezone():%H:%M %Z}" if held.until is not None else " any more"
    return f"account '{held.account.name}' is not asked{what}{until} while there is another: {held.reason}"


def _held_json(held: "HeldBack") -> dict[str, Any]:
    until = None if held.until is None else held.until.astimezone(UTC).isoformat().replace("+00:00", "Z")
    facts = {"account": held.account.name, "provider": held.account.provider, "model": held.model, "until": until}
    return {name: value for name, value in facts.items() if value is not None} | {"reason": held.reason}


def _row(state: "LimitState") -> tuple[str, ...]:
    limits, used = state.limits, state.used
    return (
        state.account.name,
        state.model,
        _left(limits.rpm, used.requests),
        _left(limits.tpm, used.tokens),
        "spent" if used.spent_until is not None else _left(limits.rpd, used.today),
        f"{state.resets_at.astimezone():%H:%M %Z}",
    )


def _left(limit: int | None, used: int) -> str:
    return f"{max(limit - used, 0):,} of {limit:,}" if limit is not None else f"{used:,} used"


def _as_json(state: "LimitState") -> dict[str, Any]:
    limits, used = state.limits, state.used
    windows = {
        "requests_a_minute": (limits.rpm, used.requests),
        "tokens_a_minute": (limits.tpm, used.tokens),
        "requests_a_day": (limits.rpd, used.today),
    }
    data: dict[str, Any] = {"account": state.account.name, "provider": state.account.provider, "model": state.model}
    for name, (limit, count) in windows.items():
        data[name] = {"used": count}
        if limit is not None:
            data[name] |= {"limit": limit, "left": max(limit - count, 0)}
    at_once = [each for each in (limits.max_concurrent, state.account.max_concurrent) if each is not None]
    if at_once:
        data["max_concurrent"] = min(at_once)
    data["day_is_spent"] = used.spent_until is not None or (limits.rpd is not None and used.today >= limits.rpd)
    data["day_resets_at"] = state.resets_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return data
