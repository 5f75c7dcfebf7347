"""What is given on the command line for a narrative's variables, and what is piped in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from boticelli_cli.errors import Problem, UsageError

if TYPE_CHECKING:
    from boticelli_cli.app import Variable

__all__ = ["Stdin", "read_variables", "without_surrogates"]


class Stdin:
    """What is piped in. It can be read once, for one purpose."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._taken_by: str | None = None

    @property
    def is_piped(self) -> bool:
        return self._stream is not None and not self._stream.closed and not self._stream.isatty()

    @property
    def is_taken(self) -> bool:
        return self._taken_by is not None

    def take(self, purpose: str) -> bytes:
        """All of it. Raises UsageError when something else has taken it, or it is a terminal."""
        from boticelli_cli.app import MAX_BYTES

        if self._taken_by is not None:
            raise UsageError(
                f"stdin is read once, and {self._taken_by} has taken it; {purpose} must come from elsewhere"
            )
        if not self.is_piped:
            raise UsageError(f"{purpose} should come from stdin, but nothing is piped in")
        self._taken_by = purpose
        assert self._stream is not None
        try:
            data = self._stream.buffer.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{purpose} should come from stdin, which cannot be read: {error.strerror}") from None
        if len(data) > MAX_BYTES:
            raise UsageError(f"{purpose} should come from stdin, but that is larger than {MAX_BYTES // 1_000_000} MB")
        return data

    def take_text(self, purpose: str) -> str:
        """All of it as text. Raises UsageError for what is no text."""
        try:
            return self.take(purpose).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"{purpose} should be text, but stdin is not UTF-8") from None


def read_variables(given: Sequence[str], variables: Mapping[str, "Variable"], stdin: Stdin) -> dict[str, str]:
    """The values of `--var NAME=VALUE`, `NAME=@FILE`, `NAME=-` and `-`, and of what is piped in.

    A variable that is marked `stdin: true` and not given takes what is piped in. Raises UsageError with all
    that cannot be read.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    piped = next((each.name for each in variables.values() if each.stdin), None)
    for item in given:
        try:
            name, value = _read(without_surrogates(item), piped, stdin)
        except UsageError as error:
            problems.extend(error.problems)
        else:
            values[name] = value
    if problems:
        raise UsageError(problems)
    if piped is not None and piped not in values and stdin.is_piped and not stdin.is_taken:
        text = stdin.take_text(f"variable '{piped}'")
        if text or variables[piped].default is None:
            values[piped] = text
    return values


def without_surrogates(text: str) -> str:
    """A command-line argument with what was not UTF-8 in it replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read(item: str, piped: str | None, stdin: Stdin) -> tuple[str, str]:
    if item == "-":
        if piped is None:
            raise UsageError("--var -: no variable takes stdin; mark one with 'stdin: true', or give NAME=-")
        return piped, stdin.take_text(f"variable '{piped}'")
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise UsageError(f"--var {item}: write NAME=VALUE, NAME=@FILE or NAME=-")
    if value == "-":
        return name, stdin.take_text(f"variable '{name}'")
    if value.startswith("@@"):
        return name, value[1:]
    if value.startswith("@"):
        return name, _read_file(name, value[1:])
    return name, value


def _read_file(name: str, path: str) -> str:
    from boticelli_cli.app import read_bounded

    try:
        return read_bounded(Path(path)).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--var {name}: '{path}' is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--var {name}: '{path}' cannot be read: {reason}; '@@' begins a text with '@'") from None
