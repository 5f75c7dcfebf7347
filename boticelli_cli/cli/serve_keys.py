"""`boticelli serve keys`: the keys that the gateway issues."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import tell, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options
from boticelli_cli.cli.stdio import printable
from boticelli_cli.cli.tables import aligned

if TYPE_CHECKING:
    from boticelli_cli.gateway_keys import Issued, KnownKey

__all__ = ["serve_keys"]

HEADING = ("NAME", "FROM", "PERMISSIONS", "MODELS", "EXPIRES", "LIMITS")

serve_keys = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called in messages, counts and metrics.")]
ShownAs = Annotated[
    TextOrJson,
    typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_SERVE_KEYS_FORMAT"),
]


@serve_keys.callback()
def _serve_keys(context: typer.Context, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Issue keys of the gateway, and revoke them. A gateway that runs notices within a second.

    A key is shown once, when it is issued; what is kept of it is its SHA-256.

    \b
    Examples:
      boticelli serve keys new ci --permission claude --expires 30d
      boticelli serve keys list
      boticelli serve keys remove ci
    """
    context.obj = global_options(context, quiet, verbose)


@serve_keys.command("new", short_help="Issue a key.")
def new(
    context: typer.Context,
    name: Name,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="claude, gemini, openai, all or admin; may be repeated. All faces, if none is given.",
            envvar="BOTICELLI_SERVE_KEYS_PERMISSION",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="A model that may be asked for; may be repeated. Any, if none is given.",
            envvar="BOTICELLI_SERVE_KEYS_MODEL",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="When it ends: 30d, 12h, or a date (UTC).", envvar="BOTICELLI_SERVE_KEYS_EXPIRES"
        ),
    ] = None,
    rpm: Annotated[
        int | None, typer.Option(min=1, help="Requests in any minute.", envvar="BOTICELLI_SERVE_KEYS_RPM")
    ] = None,
    tpm: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens in any minute, input and output.", envvar="BOTICELLI_SERVE_KEYS_TPM"),
    ] = None,
    max_concurrent: Annotated[
        int | None,
        typer.Option(min=1, help="Requests under way at once.", envvar="BOTICELLI_SERVE_KEYS_MAX_CONCURRENT"),
    ] = None,
    usd_per_day: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Cost in a day (UTC).", envvar="BOTICELLI_SERVE_KEYS_USD_PER_DAY"),
    ] = None,
    usd_total: Annotated[
        float | None, typer.Option(metavar="USD", help="Cost in all.", envvar="BOTICELLI_SERVE_KEYS_USD_TOTAL")
    ] = None,
    shown_as: ShownAs = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Issue a key, and print it: once, and nothing else on stdout.

    As json it comes with its SHA-256, for a 'gateway' section of the configuration.

    \b
    Examples:
      boticelli serve keys new ci --permission claude --permission gemini --model 'gemini-*' --expires 30d
      boticelli serve keys new ada --rpm 60 --max-concurrent 5 --usd-per-day 2
      ANTHROPIC_API_KEY=$(boticelli serve keys new laptop --quiet)
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.gateway_keys import issue_key

        issued = issue_key(
            name,
            permissions=permission or (),
            models=model or (),
            expires=expires,
            rpm=rpm,
            tpm=tpm,
            max_concurrent=max_concurrent,
            usd_per_day=usd_per_day,
            usd_total=usd_total,
        )
        _print_once(issued, shown_as)
        if not options.quiet:
            for notice in issued.notices:
                tell(notice)
            granted = zip(HEADING[2:], _grants(issued), strict=True)
            tell(f"{name}: issued; {'; '.join(f'{what.lower()}: {each}' for what, each in granted)}")
            tell("it is not shown again: keep it where only its holder can read it")


@serve_keys.command("list", short_help="List the keys, without showing them.")
def list_keys(
    context: typer.Context, shown_as: ShownAs = TextOrJson.text, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """List the keys that the gateway takes, issued or in the configuration, and what they grant.

    In a pipe the columns are separated by tabs, without a heading.

    \b
    Examples:
      boticelli serve keys list
      boticelli serve keys list --format json
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.gateway_keys import known_keys

        found, notices = known_keys()
        if shown_as is TextOrJson.json:
            print(json.dumps({"keys": [_described(key) for key in found]}, ensure_ascii=False, indent=2))
        elif found and sys.stdout.isatty():
            print(printable("\n".join(aligned(HEADING, [_row(key) for key in found]))))
        else:
            for key in found:
                print("\t".join(_row(key)))
        sys.stdout.flush()
        if not options.quiet:
            missing = [] if found else ["there are no keys; boticelli serve keys new NAME issues one"]
            for notice in (*notices, *missing):
                tell(notice)


@serve_keys.command("remove", short_help="Revoke a key.")
def remove(context: typer.Context, name: Name, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Revoke a key that was issued. What it has used stays in the books, under its name.

    \b
    Examples:
      boticelli serve keys remove ci
    """
    options = global_options(context, quiet, verbose)
    with telling_errors():
        from boticelli_cli.gateway_keys import revoke_key

        revoke_key(name)
        if not options.quiet:
            print(f"{printable(name)}: removed; a gateway that runs refuses it within a second")


def _print_once(issued: "Issued", shown_as: TextOrJson) -> None:
    """Print a new key; where that fails, nobody has it, and it is revoked."""
    from boticelli_cli.gateway_keys import revoke_key

    try:
        if shown_as is TextOrJson.json:
            facts = {"name": issued.grant.name, "key": issued.key, "sha256": issued.grant.sha256}
            print(json.dumps(facts, ensure_ascii=False, indent=2), flush=True)
        else:
            print(issued.key, flush=True)
    except OSError:
        revoke_key(issued.grant.name)
        tell(f"{issued.grant.name}: nobody could read the key, so it is revoked again")
        raise


def _row(key: "KnownKey") -> tuple[str, ...]:
    return key.grant.name, key.place, *_grants(key)


def _grants(key: "KnownKey | Issued") -> tuple[str, str, str, str]:
    """What a key grants: faces, models, its end and its limits."""
    grant = key.grant
    expires = "never"
    if grant.expires is not None:
        over = " (over)" if grant.expires <= datetime.now(UTC) else ""
        expires = f"{grant.expires:%Y-%m-%d %H:%M} UTC{over}"
    limits = (
        ("{:,} requests/min", grant.rpm),
        ("{:,} tokens/min", grant.tpm),
        ("{:,} at once", grant.max_concurrent),
        ("{:g} USD/day", grant.usd_per_day),
        ("{:g} USD in all", grant.usd_total),
    )
    said = ", ".join(text.format(limit) for text, limit in limits if limit is not None)
    return ", ".join(grant.permissions), ", ".join(grant.models or ("any",)), expires, said or "none"


def _described(key: "KnownKey") -> dict[str, Any]:
    grant = key.grant
    return {
        "name": grant.name,
        "from": key.place,
        "sha256": grant.sha256,
        "permissions": grant.permissions,
        "models": grant.models,
        "expires": grant.expires.isoformat() if grant.expires is not None else None,
        "rpm": grant.rpm,
        "tpm": grant.tpm,
        "max_concurrent": grant.max_concurrent,
        "usd_per_day": grant.usd_per_day,
        "usd_total": grant.usd_total,
    }
