"""What a run costs of our own time: planning, and executing acts whose driver takes none. Prints; fails only on errors.

python -m pytest -m benchmark -s
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boticelli_cli import app
from boticelli_cli.drivers.base import fold
from boticelli_cli.messages import Delta, Finish, Request, Response, TextDelta, Usage
from boticelli_cli.narrative.load import parse
from boticelli_cli.narrative.model import Narrative
from boticelli_cli.runs.plan import make_plan

pytestmark = pytest.mark.benchmark


class Instant:
    """Answers with a given number of deltas, and takes no time over it."""

    def __init__(self, deltas: int) -> None:
        self._deltas: list[Delta] = [TextDelta("word ")] * deltas
        self._finish = Finish("stop", Usage(input=1, output=deltas))

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        yield self._all()

    async def generate(self, request: Request) -> Response:
        return await fold(self._all())

    async def _all(self) -> AsyncIterator[Delta]:
        for delta in self._deltas:
            yield delta
        yield self._finish


def independent(count: int) -> str:
    return "narrative: {name: n, context: fresh}\nacts:\n" + "".join(f"  a{n}: Do {n}.\n" for n in range(count))


def in_a_row(count: int) -> str:
    rest = "".join(f"  a{n}: {{prompt: Do {n}., context: [a{n - 1}]}}\n" for n in range(1, count))
    return f"narrative: {{name: n, context: fresh}}\nacts:\n  a0: Do 0.\n{rest}"


def templated(count: int) -> str:
    rest = "".join(f'  a{n}: "Do {n} after {{{{ a{n - 1}[:20] }}}}."\n' for n in range(1, count))
    return f"narrative: {{name: n, context: fresh}}\nacts:\n  a0: Do 0.\n{rest}"


def load(text: str) -> Narrative:
    return parse(text.encode(), "n.yaml", Path()).or_raise()


def run_seconds(narrative: Narrative, deltas: int, max_parallel: int = 16) -> float:
    async def run() -> None:
        async for _ in app.run(narrative, driver=Instant(deltas), model="m", max_parallel=max_parallel):
            pass

    start = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - start


def test_acts() -> None:
    print()
    for name, story in (
        ("side by side", independent(1000)),
        ("in a row", in_a_row(1000)),
        ("with templates", templated(1000)),
    ):
        narrative = load(story)
        for deltas in (1, 100):
            best = min(run_seconds(narrative, deltas) for _ in range(3))
            print(f"1,000 acts {name:15} {deltas:4} deltas each: {best:6.3f} ms an act")
    best = min(run_seconds(load(independent(1000)), 1, max_parallel=1000) for _ in range(3))
    print(f"1,000 acts all at once       1 deltas each: {best:6.3f} ms an act")


def test_deltas() -> None:
    seconds = min(run_seconds(load(independent(1)), 100_000) for _ in range(3))
    print(f"\none act of 100,000 deltas: {100_000 / seconds:,.0f} deltas a second")


def test_planning() -> None:
    print()
    for context in ("conversation", "fresh"):
        for count in (1_000, 10_000):
            narrative = load(independent(count).replace("fresh", context))
            best = min(_seconds(narrative) for _ in range(3))
            print(f"planning {count:6,} acts, {context:12}: {best * 1000:7.1f} ms, {best / count * 1e6:5.2f} µs an act")


def test_loading() -> None:
    print()
    for count in (1_000, 10_000):
        for name, story in (("without templates", independent(count)), ("with templates", templated(count))):
            start = time.perf_counter()
            load(story)
            took = time.perf_counter() - start
            print(f"loading {count:6,} acts {name:18}: {took:6.2f} s for {len(story) / 1e6:.2f} MB")


def _seconds(narrative: Narrative) -> float:
    start = time.perf_counter()
    make_plan(narrative)
    return time.perf_counter() - start
