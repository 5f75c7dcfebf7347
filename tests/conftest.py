"""What every test stands on: a clean environment, an empty home and folder, and no network beyond this machine."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_FOREIGN = ("BOTICELLI_", "GEMINI_", "GOOGLE_", "ANTHROPIC_", "OPENAI_", "AWS_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "LANG", "LC_ALL", "LC_CTYPE")
_REAL_KEYS = {name: value for name, value in os.environ.items() if name.endswith("_API_KEY") or name.startswith("AWS_")}
"""The keys of whoever runs the tests, for those that talk to a real service."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two, for the whole suite. What is picked by a mark or a path runs in this process: it measures, or is looked at."""
    is_whole = config.option.markexpr == "not slow and not benchmark" and config.args == ["tests"]
    return 2 if is_whole else 0


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user who has just installed it: no keys, no configuration, an empty folder to work in."""
    foreign = _TERMINAL if is_real(request) else (*_TERMINAL, *_PROXIES, *map(str.upper, _PROXIES))
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in foreign:
            monkeypatch.delenv(name)
    monkeypatch.setenv("BOTICELLI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anything but this machine, unless a test is there to talk to a real service."""
    if is_real(request):
        return
    connect = socket.socket.connect

    def connect_nearby(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test reached for {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_nearby)


@pytest.fixture
def real_key() -> Callable[[str], str]:
    """A key by the name of its variable; the test is skipped where it is not set."""

    def key(name: str) -> str:
        if name not in _REAL_KEYS:
            pytest.skip(f"{name} is not set")
        return _REAL_KEYS[name]

    return key


def is_real(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("real") is not None


@pytest.fixture
def folder(clean_environment: Path) -> Path:
    """The working directory: empty, and the test's own."""
    return clean_environment
