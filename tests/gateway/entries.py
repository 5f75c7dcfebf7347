"""Requests as a gateway tells of them once they are over, for tests to count."""

from typing import Any

from boticelli_cli.gateway.base import Entry
from boticelli_cli.messages import Usage

NOON = 1_790_000_000.0 // 86_400 * 86_400 + 43_200
"""12:00 UTC of a day."""


def entry(**facts: Any) -> Entry:
    """An answered request with a known cost; `facts` take the place of its own."""
    usual: dict[str, Any] = {
        "id": "req-1",
        "at": NOON,
        "face": "anthropic",
        "model": "claude-haiku-4",
        "streamed": True,
        "ending": "done",
        "status": 200,
        "seconds": 1.5,
        "key": "ci",
        "served": "gemini-3.8-flash",
        "provider": "gemini",
        "account": "main",
        "route": "alias",
        "usage": Usage(input=100, output=20, total=120),
        "cost_usd": 0.25,
        "first_byte": 0.3,
        "upstream": 1.2,
        "overhead": 0.002,
        "chunks": 10,
    }
    return Entry(**{**usual, **facts})
