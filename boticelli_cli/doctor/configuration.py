"""The configuration: which files hold, what they set, and what in the environment lies over them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from boticelli_cli.config import PROJECT_FILE, Config, key_store, read_config, user_config_path
from boticelli_cli.doctor.finding import Finding
from boticelli_cli.errors import InputError

__all__ = ["files", "readable", "values"]

_FILES = "Files"
_VALUES = "Values"

_SHOWN = (
    "model",
    "temperature",
    "top_p",
    "max_tokens",
    "thinking",
    "timeout",
    "retries",
    "stop",
    "context",
    "fallback",
)
"""The settings whose values are told. What else there is may be long."""

_MODEL = "BOTICELLI_MODEL"
_HOME = "BOTICELLI_HOME"


def readable(environ: Mapping[str, str], folder: Path) -> tuple[Config, list[Finding]]:
    """The configuration, and what is wrong with it; an empty one where it cannot be used."""
    try:
        return read_config(environ, folder), []
    except InputError as error:
        return Config(), [Finding(_FILES, "configuration", str(problem), "wrong") for problem in error.problems]


def files(config: Config, environ: Mapping[str, str], folder: Path, mistakes: str = "") -> Iterator[Finding]:
    """The files that there are or could be. `mistakes` is what is said to be wrong with them."""
    for name, path in (("project", folder / PROJECT_FILE), ("yours", user_config_path(environ))):
        if path in config.files:
            yield Finding(_FILES, name, f"{path}, read")
        elif os.path.lexists(path) and str(path) in mistakes:
            yield Finding(_FILES, name, f"{path}, not used", "wrong", "mend what is said of it here")
        elif os.path.lexists(path):
            yield Finding(_FILES, name, f"{path}, not used until the mistakes are mended", "doubtful")
        else:
            yield Finding(_FILES, name, f"{path}, not there", "unused")
    store = key_store(environ)
    try:
        kept = store.entries()
    except InputError as error:
        yield Finding(_FILES, "key store", str(error), "wrong")
        return
    where = sorted({key.place for key in kept})
    said = f"{len(kept)} kept in the {' and the '.join(where)}" if kept else "none kept"
    yield Finding(_FILES, "key store", f"{store.path}, {said}", "fine" if kept else "unused")
    for notice in (*config.notices, *config.hints, *store.notices):
        yield Finding(_FILES, "notice", notice, "doubtful")


def values(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is set, and where: settings, routes, and how many limits and prices."""
    over = environ.get(_MODEL)
    if over:
        below = f", over {config.origins['model']}" if "model" in config.origins else ""
        yield Finding(_VALUES, "model", f"{over}  (${_MODEL}{below})")
    for name, place in config.origins.items():
        if "." not in name and hasattr(config.settings, name) and not (over and name == "model"):
            value = getattr(config.settings, name)
            yield Finding(_VALUES, name, f"{_told(name, value)}  ({place})" if name in _SHOWN else f"set  ({place})")
    for name, place in config.origins.items():
        if name.startswith("routes.") and name.count(".") == 1:
            yield Finding(_VALUES, name, f"{_route(config, name.partition('.')[2])}  ({place})")
    for name, count in (("limits", len(config.limits)), ("prices", len(config.prices))):
        if name in config.origins and count:
            yield Finding(_VALUES, name, f"of {count} model{'s' if count > 1 else ''}  ({config.origins[name]})")
    if environ.get(_HOME):
        yield Finding(_VALUES, f"${_HOME}", f"{environ[_HOME]}, the folder of all our own files")
    for name in sorted(environ):
        if name.startswith("BOTICELLI_") and name not in (_MODEL, _HOME) and environ[name]:
            yield Finding(_VALUES, f"${name}", "set, over the files")


def _told(name: str, value: object) -> str:
    if name == "fallback" and isinstance(value, tuple):
        return " → ".join(value)
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def _route(config: Config, name: str) -> str:
    routes = config.routes
    match name:
        case "long_context" if routes.long_context is not None:
            return f"over {routes.long_context.over_tokens} tokens: {' → '.join(routes.long_context.to)}"
        case "patterns":
            return f"{len(routes.patterns)}"
        case "aliases":
            return ", ".join(f"{alias.glob}: {' → '.join(alias.to)}" for alias in routes.aliases)
    return " → ".join(getattr(routes, name) or ())
