"""The formats in which a run can be shown, and which of them fits."""

from enum import StrEnum

__all__ = ["Format", "choose_format"]


class Format(StrEnum):
    """How a run is shown."""

    auto = "auto"
    live = "live"
    plain = "plain"
    text = "text"
    json = "json"
    jsonl = "jsonl"


def choose_format(asked: Format, *, terminal: bool, dumb: bool) -> Format:
    """What fits: live panels only on a terminal that can; if nobody asked, the answer alone in a pipe."""
    if asked is Format.auto:
        asked = Format.live if terminal else Format.text
    return Format.plain if asked is Format.live and (dumb or not terminal) else asked
