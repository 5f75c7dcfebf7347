"""A provider's day: when its daily quotas begin and when they come back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["Day", "Reset", "day_in", "pacific_day", "utc_day"]


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
        place = ZoneInfo(zone)
        date = datetime.fromtimestamp(now, place).date()
        midnights = (datetime.combine(each, time(), place) for each in (date, date + timedelta(days=1)))
        return Day(*(midnight.timestamp() for midnight in midnights))

    return day_of


pacific_day = day_in("America/Los_Angeles")
"""Gemini's: requests per day "reset at midnight Pacific time" (ai.google.dev/gemini-api/docs/rate-limits)."""

utc_day = day_in("UTC")
