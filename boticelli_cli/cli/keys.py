"""`boticelli keys`: the keys that are kept for you."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from boticelli_cli.cli.failures import INTERRUPTED, tell, telling_errors
from boticelli_cli.cli.options import Quiet, TextOrJson, Verbose, global_options
from boticelli_cli.cli.stdio import printable
from boticelli_cli.cli.tables import aligned
from boticelli_cli.errors import UsageError

if TYPE_CHECKING:
    from boticelli_cli.keys import StoredKey

__all__ = ["keys"]

HEADING = ("NAME", "KEPT IN", "ENDS IN")

_LONGEST = 20_000
"""Characters that are read of what is piped in."""

keys = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider, or provider/account.")]


@keys.callback()
def _keys(context: typer.Context, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Keep keys in the system's keyring, or where there is none in a file that only you can read.

    A provider takes its key from there when neither the configuration nor the environment has one.

    \b
    Examples:
      boticelli keys set anthropic
      op read op://work/openai/key | boticelli keys set openai/work
      boticelli keys list
      boticelli keys remove openai/work
    """
    context.obj = global_options(context, quiet, verbose)


@keys.command("set", context_settings={"allow_extra_args": True}, short_help="Keep a key.")
def set_key(context: typer.Context, name: Name, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Keep a key under a name. It is asked for, unseen, or read from stdin; never is it an argument.

    \b
    Examples:
      boticelli keys set anthropic
      boticelli keys set openai/work < key.txt
    """
    options = global_options(context, quiet, verbose)
    with telling_errors():
        from boticelli_cli.keys import check_name, store_key

        check_name(name, *context.args)
        kept = store_key(name, _ask(name))
        if not options.quiet:
            for notice in kept.notices:
                tell(notice)
            print(f"{printable(name)}: {_shown(kept.key)}")


@keys.command("list", short_help="List the keys that are kept, without showing them.")
def list_keys(
    context: typer.Context,
    shown_as: Annotated[
        TextOrJson,
        typer.Option("--format", metavar="FORMAT", help="text or json.", envvar="BOTICELLI_KEYS_FORMAT"),
    ] = TextOrJson.text,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the keys that are kept: their names, where they are, and their last four characters.

    In a pipe the columns are separated by tabs, without a heading.

    \b
    Examples:
      boticelli keys list
      boticelli keys list --format json
    """
    options = global_options(context, quiet, verbose)
    with telling_errors(shown_as):
        from boticelli_cli.keys import keys_path, stored_keys

        found, notices = stored_keys()
        if shown_as is TextOrJson.json:
            listed = [{"name": key.name, "kept_in": key.place, "ends_in": key.ends or None} for key in found]
            print(json.dumps({"path": str(keys_path()), "keys": listed}, ensure_ascii=False, indent=2))
        elif found and sys.stdout.isatty():
            print(printable("\n".join(aligned(HEADING, [_row(key) for key in found]))))
        else:
            for key in found:
                print("\t".join(_row(key)))
        sys.stdout.flush()
        if not options.quiet:
            for notice in (*notices, *([] if found else ["no keys are kept; boticelli keys set NAME keeps one"])):
                tell(notice)


@keys.command("remove", short_help="Forget a key.")
def remove(context: typer.Context, name: Name, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Forget a key that is kept. At its provider it stays valid until you revoke it there.

    \b
    Examples:
      boticelli keys remove openai/work
    """
    options = global_options(context, quiet, verbose)
    with telling_errors():
        from boticelli_cli.keys import remove_key

        remove_key(name)
        if not options.quiet:
            print(f"{printable(name)}: removed")


@keys.command("path", short_help="Print the path of the file of keys.")
def path(context: typer.Context, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Print the path of the file that says which keys are kept, and holds those that no keyring takes.

    \b
    Examples:
      boticelli keys path
    """
    with telling_errors():
        from boticelli_cli.keys import keys_path

        print(keys_path())


def _ask(name: str) -> str:
    """A key, typed unseen, or piped in: one line."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            with _interruptible():
                return getpass(f"Key of {printable(name)} (it is not shown): ")
        except (KeyboardInterrupt, EOFError):
            tell("")
            raise typer.Exit(INTERRUPTED) from None
    lines = sys.stdin.read(_LONGEST).split("\n")
    if any(line.strip() for line in lines[1:]):
        raise UsageError("a key is one line; more than that was piped in")
    return lines[0]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt rather than end the program at once, so that the terminal echoes again."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _shown(key: "StoredKey") -> str:
    place = "in the system's keyring" if key.place == "keyring" else "in a file that only you can read"
    return f"kept {place}" + (f", ends in …{key.ends}" if key.ends else "")


def _row(key: "StoredKey") -> tuple[str, ...]:
    return key.name, key.place, f"…{key.ends}" if key.ends else ""
