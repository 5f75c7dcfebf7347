"""A provider's day: when its daily quotas begin and when they come back."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

__all__ = ["Day", "Reset", "day_in", "in_words", "pacific_day", "utc_day"]


@dataclass(frozen=True, slots=True)
class Day:
    """From `start` until just before `end`, in seconds since 1970; 23 or 25 hours where clocks change."""

    start: float
    end: float


Reset = Callable[[float], Day]
"""The day that a moment, in seconds since 1970, belongs to."""


def day_in(zone: str) -> Reset:
    """Days from midnight to midnight in a time zone, as in `America/Los_Angeles`."""

    def day_of(now: float) -> Day:
        from zoneinfo import ZoneInfo  # takes longer to load than all the rest here

        place = ZoneInfo(zone)
        date = datetime.fromtimestamp(now, place).date()
        midnights = (datetime.combine(each, time(), place) for each in (date, date + timedelta(days=1)))
        return Day(*(midnight.timestamp() for midnight in midnights))

    return day_of


pacific_day = day_in("America/Los_Angeles")
"""Gemini's: requests per day "reset at midnight Pacific time" (ai.google.dev/gemini-api/docs/rate-limits)."""

utc_day = day_in("UTC")


def in_words(moment: float, now: float, zone: tzinfo | None = None) -> str:
    """A moment to come, as in "at 08:00 UTC (in 5 h 12 min)"; in the machine's own zone, if none is given."""
    there = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"at {there:%H:%M %Z} (in {_duration(moment - now)})"


def _duration(seconds: float) -> str:
    """As in "5 h 12 min"; rounded up, so that nobody comes back too early."""
    hours, minutes = divmod(max(1, math.ceil(seconds / 60)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
