"""Numbers, times and charts as people read them. Pure; in English, with times in UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Bar", "bars", "beginning", "compact", "count", "lasting", "moment", "money", "outline", "stamp"]


def count(number: float) -> str:
    """A whole number, with commas."""
    return f"{number:,.0f}"


def compact(number: float) -> str:
    """A number in at most four figures: 9,999, 12.3 K, 4.56 M."""
    if abs(number) < 10_000:
        return count(number)
    for unit, size in (("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        scaled = number / size
        if abs(scaled) < 999.5 or unit == "T":
            break
    return f"{scaled:,.{2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0}f} {unit}"


def money(usd: float | None) -> str:
    """An amount in USD, with cents, or with four figures below a dollar; a dash where it is not known."""
    if usd is None:
        return "–"
    if usd == 0 or abs(usd) >= 1:
        return f"${usd:,.2f}"
    return "< $0.0001" if 0 < usd < 0.0001 else f"${usd:,.4f}"


def lasting(seconds: float) -> str:
    """A length of time, in its two largest units."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s" if seconds >= 10 else f"{max(seconds, 0):.1f} s"
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    parts, left = [], int(seconds)
    for unit, size in units:
        parts.append((left // size, unit))
        left %= size
    first = next(index for index, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)


def moment(at: float, now: float) -> str:
    """A time of this day, or the date and the time of another."""
    time, today = _utc(at), _utc(now)
    return f"{time:%H:%M:%S}" if time.date() == today.date() else f"{time.day} {time:%b %H:%M}"


def beginning(at: float, step: float) -> str:
    """When a step began, as exactly as its length makes sense of: a time, a date and a time, or a date."""
    time = _utc(at)
    if step < 3600:
        return f"{time:%H:%M}"
    return f"{time.day} {time:%b}" if step >= 86_400 else f"{time.day} {time:%b %H:%M}"


def stamp(at: float) -> str:
    """A time in full, as programs write it."""
    return f"{_utc(at):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart, 10 wide and at most 100 high: its parts from the bottom up as (y, height), y from the top."""

    x: int
    parts: tuple[tuple[float, float], ...]
    label: str


def bars(layers: Sequence[Sequence[float]], labels: Sequence[str]) -> list[Bar]:
    """Bars of one or more layers, the highest 100 high; what is not zero can be seen."""
    peak = max(map(sum, zip(*layers, strict=True)), default=0) or 1
    drawn = []
    for index, (values, label) in enumerate(zip(zip(*layers, strict=True), labels, strict=True)):
        top, parts = 100.0, []
        for value in values:
            height = max(100 * value / peak, 1.5) if value > 0 else 0.0
            top -= height
            parts.append((round(max(top, 0.0), 2), round(height, 2)))
        drawn.append(Bar(10 * index, tuple(parts), label))
    return drawn


def outline(values: Sequence[float]) -> str:
    """The points of a line through values, one unit apart, in a box 20 high: for a polyline of SVG."""
    peak = max(values, default=0) or 1
    return " ".join(f"{index},{round(19 - 18 * value / peak, 1)}" for index, value in enumerate(values))


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
