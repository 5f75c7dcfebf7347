"""What is measured is what users have: an installed program, whose modules are compiled once and not at each start."""

import pytest


@pytest.fixture(autouse=True)
def compiled_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
