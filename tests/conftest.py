"""What every test stands on: a clean environment, an empty home and folder, and no network beyond this machine."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

_FOREIGN = ("BOTICELLI_", "GEMINI_", "GOOGLE_", "ANTHROPIC_", "OPENAI_", "AWS_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user who has just installed it: no keys, no configuration, an empty folder to work in."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _TERMINAL or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("BOTICELLI_HOME", str(tmp_path / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anything but this machine."""
    connect = socket.socket.connect

    def connect_nearby(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test reached for {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_nearby)


@pytest.fixture
def folder(clean_environment: Path) -> Path:
    """The working directory: empty, and the test's own."""
    return clean_environment
