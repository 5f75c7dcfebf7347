"""Boticelli runs narratives: multi-act prompts, each act put to a model and watched as it unfolds.

    import boticelli_cli

    async for event in boticelli_cli.run("story.yaml", variables={"place": "Skellig"}):
        print(event)

Everything here is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boticelli_cli import errors, events, messages
    from boticelli_cli.app import load, run
    from boticelli_cli.narrative.model import Narrative

__all__ = ["Narrative", "__version__", "errors", "events", "load", "messages", "run"]

_HOMES = {
    "Narrative": "boticelli_cli.narrative.model",
    "load": "boticelli_cli.app",
    "run": "boticelli_cli.app",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("boticelli")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"boticelli_cli.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
