"""The command line inside of the tests' own process: as `tests.process`, quicker, and with nobody's terminal."""

from collections.abc import Mapping

from typer.testing import CliRunner

from boticelli_cli.cli.main import app
from tests.process import Finished

__all__ = ["boticelli"]


def boticelli(*arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Finished:
    """Run a command with pipes for its three streams."""
    done = CliRunner().invoke(app, arguments, prog_name="boticelli", input=stdin, env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Finished(done.exit_code, done.stdout, done.stderr)
