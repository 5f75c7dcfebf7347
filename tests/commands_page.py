"""The command reference, made of the commands' own help. Written anew by: python -m tests.commands_page"""

from pathlib import Path

from typer.testing import CliRunner

from boticelli_cli.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
COMMANDS = ("run", "stream", "check", "graph", "new", "models", "limits", "doctor", "keys", "serve", "schema")
SUBCOMMANDS = (
    *(("keys", each) for each in ("set", "list", "remove", "path")),
    *(("serve", "keys"), ("serve", "keys", "new"), ("serve", "keys", "list"), ("serve", "keys", "remove")),
)

HEAD = """# Commands

Made of the commands' own help; `python -m tests.commands_page` writes it anew.

The global options `-q` and `-v` work before and after a command's name, and every option can be given by the
environment variable that its help names. Exit codes: 0 done, 1 the run failed, 2 wrong usage, narrative or
configuration, 3 no or refused credentials, 4 a spent quota, 130 interrupted. `BOTICELLI_DEBUG=1` shows where an
error happened that nobody expected.
"""


def page() -> str:
    parts = [HEAD]
    commands = [(command,) for command in COMMANDS]
    for words in ((), *(each for one in commands for each in (one, *(two for two in SUBCOMMANDS if two[:1] == one)))):
        shown = CliRunner().invoke(app, [*words, "--help"], prog_name="boticelli", env={"COLUMNS": "100"}).output
        title = " ".join(("boticelli", *words))
        body = "\n".join(line.rstrip() for line in shown.splitlines()).strip()
        parts.append(f"## {title}\n\n```text\n{body}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
