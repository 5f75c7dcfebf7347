"""The program itself: its version, and those of what it stands on."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from boticelli_cli.doctor.finding import Finding

__all__ = ["program"]

_SECTION = "Program"

_LIBRARIES = ("httpx", "httpx-aiohttp", "google-genai", "genai-prices", "pydantic", "pyyaml", "jinja2", "rich", "typer")

_EXTRAS = {"bedrock": ("botocore", "Bedrock"), "keyring": ("keyring", "keeping keys in the system's keyring")}
"""By the name of the extra: the library that it brings, and what that is for."""


def program() -> Iterator[Finding]:
    """Our version and Python's, the libraries that are there, and what is missing for some things only."""
    yield Finding(_SECTION, "boticelli", version("boticelli"))
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    yield Finding(_SECTION, "Python", f"{platform.python_version()}, {system}")
    found = {name: _version(name) for name in _LIBRARIES}
    yield Finding(_SECTION, "libraries", ", ".join(f"{name} {number}" for name, number in found.items() if number))
    for name in (name for name, number in found.items() if number is None):
        yield Finding(_SECTION, name, "is missing", "wrong", "install boticelli again: pip install boticelli")
    for extra, (library, purpose) in _EXTRAS.items():
        number = _version(library)
        if number is not None:
            yield Finding(_SECTION, extra, f"{library} {number}")
        else:
            yield Finding(_SECTION, extra, f"not installed; for {purpose}: pip install 'boticelli[{extra}]'", "unused")


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
