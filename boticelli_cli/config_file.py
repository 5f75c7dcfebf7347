"""Configuration files: the user's and a project's, each read for itself.

A project's file may have come with somebody else's repository. What it may not do is said where it would be done.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from boticelli_cli.errors import Problem
from boticelli_cli.narrative.model import Settings

if TYPE_CHECKING:
    from boticelli_cli.config_document import ConfigDocument
    from boticelli_cli.narrative.source import DocumentPath, Source

__all__ = ["ConfigFile", "moved", "read_file"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read: what it says, and where. `users_path` is where the user's own is, or would be."""

    path: Path
    document: "ConfigDocument"
    source: "Source"
    users_path: Path

    @property
    def is_project(self) -> bool:
        return self.path != self.users_path

    def problem(self, path: "DocumentPath", message: str) -> Problem:
        return _hiding(self.source.text, self.source.problem(path, message))

    def place(self, path: "DocumentPath") -> str:
        """Where something stands, as file and line."""
        problem = self.source.problem(path, "")
        return f"{problem.file}:{problem.line}"

    @property
    def settings(self) -> Settings:
        """The settings of acts that it gives; texts in it are no templates."""
        from boticelli_cli.narrative.load import settings_of

        return settings_of(self.document, literal=True)

    def places(self) -> Iterator[tuple[str, str]]:
        """Where its values stand, as file and line, by their paths with dots in them; lists are told as a whole."""
        for path in self.source.keys:
            if all(isinstance(part, str) for part in path):
                yield ".".join(map(str, path)), self.place(path)


def read_file(path: Path, users_path: Path) -> tuple[ConfigFile | None, list[Problem]]:
    """Read a file: what it says, and what is wrong with its shape."""
    from boticelli_cli.config_document import ConfigDocument
    from boticelli_cli.narrative.files import is_regular
    from boticelli_cli.narrative.shape import validate
    from boticelli_cli.narrative.source import UnreadableError, read_text
    from boticelli_cli.narrative.yaml import read_yaml

    if not is_regular(path):
        return None, [Problem("this is no file that could be read", str(path))]
    text = ""
    try:
        text = read_text(path, str(path))
        source = read_yaml(text, str(path), allow_empty=True)
    except UnreadableError as error:
        return None, [_hiding(text, error.problem)]
    document, problems = validate(ConfigDocument, source)
    if isinstance(document.context, list):
        message = "'context' names acts, but a configuration knows none; write 'conversation' or 'fresh'"
        problems.append(source.problem(("context",), message))
    found = [_hiding(text, problem) for problem in (*source.problems, *problems)]
    return ConfigFile(path, document, source, users_path), found


def _hiding(text: str, problem: Problem) -> Problem:
    """A problem in which no key is shown that stands in the text, wherever a mistake has put it."""
    message = problem.message
    for key in re.findall(r"api_key[\s:'\"]+([^\s,'\"{}\[\]$]{8,})|(\bbot-[\w-]{24,})", text):
        message = message.replace(key[0] or key[1], "…")
    return replace(problem, message=message)


def moved(users_path: Path) -> str:
    """The end of a sentence: what to do about something that only the user's own file may say."""
    return f"write it into your own file, '{users_path}', if you trust it"
