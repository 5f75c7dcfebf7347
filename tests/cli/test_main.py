"""What holds for every command."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.stories import CHAIN, write
from tests.process import boticelli

COMMANDS = ["run", "stream", "check", "graph", "new", "models", "limits", "doctor", "keys", "serve", "schema"]


def test_version() -> None:
    import boticelli_cli

    assert boticelli("--version").out == f"boticelli {boticelli_cli.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = boticelli(command, "--help")
    assert done.code == 0
    assert f"Examples:\n    boticelli {command}" in done.out
    assert boticelli(command, "-h").out == done.out


def test_every_option_has_an_environment_variable() -> None:
    import typer

    from boticelli_cli.cli.main import app

    group = typer.main.get_command(app)
    for name in COMMANDS:
        for parameter in group.commands[name].params:  # type: ignore[attr-defined]
            if parameter.param_type_name == "option" and parameter.name not in ("help",):
                assert str(parameter.envvar).startswith("BOTICELLI_"), f"{name} {parameter.name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_global_options_work_before_and_after_every_command(folder: Path, command: str) -> None:
    write(folder, CHAIN)
    arguments = {
        "run": ["story.yaml"],
        "stream": ["Hi.", "-m", "rehearsal/fast"],
        "check": ["story.yaml"],
        "graph": ["story.yaml"],
        "new": ["other"],
        "keys": ["path"],
        "serve": ["--help"],
    }
    rest = arguments.get(command, [])
    before = boticelli("-q", command, *rest)
    assert (before.code, before.err) == (0, "")
    after = boticelli(command, *rest, "-q", *(["--force"] if command == "new" else []))
    assert (after.code, after.out, after.err) == (0, before.out, "")


def test_without_a_command_it_shows_what_there_is() -> None:
    done = boticelli()
    assert done.code == 2
    assert all(command in done.out + done.err for command in COMMANDS)


def test_a_mistyped_command_is_told_what_was_meant() -> None:
    done = boticelli("rnu", "story.yaml")
    assert done.code == 2
    assert "'run'" in done.err


def test_only_typer_is_loaded_for_the_version() -> None:
    code = (
        "import sys, boticelli_cli.cli.main as m\n"
        "sys.argv = ['boticelli', '--version']\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'jinja2', 'yaml', 'asyncio', 'getpass', 'google', 'httpx', 'boticelli_cli.keys'}\n"
        "heavy |= {'boticelli_cli.doctor', 'boticelli_cli.narrative.document'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_piped_run_loads_no_rich_a_literal_one_no_jinja_and_the_embedded_model_no_accounts(folder: Path) -> None:
    story = write(folder, "narrative: {name: n, model: rehearsal/fast}\nacts: {a: One., b: Two.}")
    code = (
        "import sys, boticelli_cli.cli.main as m\n"
        f"sys.argv = ['boticelli', 'run', {story!r}, '-q']\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'jinja2', 'httpx', 'sqlite3', 'boticelli_cli.account_drivers', 'boticelli_cli.credentials',"
        " 'boticelli_cli.limit_states'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("boticelli r", "run"),
        ("boticelli run story.yaml -m rehearsal/", "rehearsal/slow"),
        ("boticelli run story.yaml --only e", "edit"),
        ("boticelli run story.yaml --format js", "jsonl"),
        ("boticelli graph story.yaml --only e", "edit"),
        ("boticelli graph story.yaml --format m", "mermaid"),
    ],
)
def test_completes_commands_models_acts_and_formats(folder: Path, words: str, expected: str) -> None:
    write(folder, CHAIN)
    env = {"_BOTICELLI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert expected in boticelli(env=env).out.split()


def test_a_bug_is_told_without_a_traceback_unless_it_is_asked_for(folder: Path) -> None:
    code = (
        "import sys, boticelli_cli.app as app, boticelli_cli.cli.main as m\n"
        "def broken(): raise ZeroDivisionError('oops')\n"
        "app.narrative_schema = broken\n"
        "sys.argv = ['boticelli', 'schema']\n"
        "m.main()"
    )
    for debug in ("", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={"BOTICELLI_DEBUG": debug}
        )
        assert done.returncode == 1
        assert "error: this is a bug in boticelli: ZeroDivisionError: oops" in done.stderr
        assert ("Traceback" in done.stderr) == (debug == "1")


def test_configuration_gives_defaults_and_the_projects_lies_over_the_users(folder: Path) -> None:
    home = folder.parent / "home"
    home.mkdir()
    (home / "config.yaml").write_text("model: rehearsal/fast\nmax_tokens: 3\n")
    assert boticelli("stream", "Hi.", "-q").out == "This is a\n"
    (folder / "boticelli.yaml").write_text("max_tokens: 5\n")
    assert boticelli("stream", "Hi.", "-q").out == "This is a rehearsal; no\n"
    assert boticelli("stream", "Hi.", "-q", "-o", "max_tokens=1").out == "This\n"
    (folder / "boticelli.yaml").write_text("max_tokns: 5\ntemperature: hot\n")
    done = boticelli("stream", "Hi.", "-q")
    assert done.code == 2
    assert "boticelli.yaml:1:1: unknown key 'max_tokns'; did you mean 'max_tokens'?" in done.err
    assert "boticelli.yaml:2:1: 'temperature' must be a number" in done.err
