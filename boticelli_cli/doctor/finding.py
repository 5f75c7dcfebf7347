"""What was found: one thing that was looked at, and whether it is as it should be."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Finding", "State", "as_json"]

State = Literal["fine", "unused", "doubtful", "wrong"]
"""Something is as it should be; is not there, and need not be; may not be meant so; or keeps things from working."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `hint` says what to do, where there is something to be done."""

    section: str
    name: str
    text: str
    state: State = "fine"
    hint: str | None = None


def as_json(finding: Finding) -> dict[str, Any]:
    """A finding as plain JSON data. A hint that there is not is absent."""
    data = {
        "section": finding.section,
        "name": finding.name,
        "state": finding.state,
        "text": finding.text,
        "hint": finding.hint,
    }
    return {key: value for key, value in data.items() if value is not None}
