"""Configuration: what the user's and the project's files say, as frozen values.

This module alone reads the environment and the configuration files. The user's file is `config.yaml` in our
configuration folder; the project's, `boticelli.yaml` in the working directory, lies over it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boticelli_cli.errors import ConfigError, Problem
from boticelli_cli.narrative.model import Settings

__all__ = ["Config", "environment", "read_config", "user_config_path"]

PROJECT_FILE = "boticelli.yaml"


@dataclass(frozen=True, slots=True)
class Config:
    """`settings` hold for acts that say nothing else; `files` were read, the strongest first."""

    settings: Settings = Settings()
    files: tuple[Path, ...] = ()


def environment() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ


def read_config(environ: Mapping[str, str], folder: Path) -> Config:
    """The configuration that holds in `folder`. Raises ConfigError with every mistake in its files."""
    paths = [path for path in (folder / PROJECT_FILE, user_config_path(environ)) if os.path.lexists(path)]
    settings = Settings()
    for path in paths:
        settings = settings.over(_read(path))
    return Config(settings, tuple(paths))


def user_config_path(environ: Mapping[str, str]) -> Path:
    """Where the user's configuration file is, or would be."""
    if home := environ.get("BOTICELLI_HOME"):
        return Path(os.path.expanduser(home)) / "config.yaml"  # noqa: PTH111  (leaves an unknown ~user as it is)
    from platformdirs import user_config_path as platform_config_path

    return platform_config_path("boticelli") / "config.yaml"


def _read(path: Path) -> Settings:
    from boticelli_cli.narrative.document import SettingsDocument, validate
    from boticelli_cli.narrative.files import is_regular
    from boticelli_cli.narrative.load import settings_of
    from boticelli_cli.narrative.source import UnreadableError, read_text
    from boticelli_cli.narrative.yaml import read_yaml

    if not is_regular(path):
        raise ConfigError([Problem("this is no file that could be read", str(path))])
    try:
        source = read_yaml(read_text(path, str(path)), str(path), allow_empty=True)
    except UnreadableError as error:
        raise ConfigError([error.problem]) from None
    document, problems = validate(SettingsDocument, source)
    if isinstance(document.context, list):
        message = "'context' names acts, but a configuration knows none; write 'conversation' or 'fresh'"
        problems.append(source.problem(("context",), message))
    if found := [*source.problems, *problems]:
        raise ConfigError(found)
    return settings_of(document, literal=True)
