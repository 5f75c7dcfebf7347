"""Writing narratives in tests, and reading what is said of them."""

from pathlib import Path
from textwrap import dedent

from boticelli_cli.narrative.load import Loaded, load
from boticelli_cli.narrative.model import Narrative, Settings


def write(text: str, name: str = "story.yaml") -> Path:
    path = Path(name)
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def loaded(text: str, name: str = "story.yaml", *, defaults: Settings | None = None) -> Loaded:
    return load(write(text, name), defaults=defaults or Settings())


def narrative(text: str, name: str = "story.yaml", *, defaults: Settings | None = None) -> Narrative:
    return loaded(text, name, defaults=defaults).or_raise()


def mistakes(text: str, name: str = "story.yaml") -> list[str]:
    """What is said of a narrative, a line a mistake, without the file's name."""
    return [str(problem).removeprefix(f"{name}:") for problem in loaded(text, name).problems]
