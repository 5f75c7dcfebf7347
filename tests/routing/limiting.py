"""What the tests of limits stand on: a wall clock tied to virtual time, and a driver that notes when it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boticelli_cli.catalog import Limits
from boticelli_cli.drivers.base import Notice, Waiting, fold, listening
from boticelli_cli.messages import Delta, Finish, Message, Request, Response, Text, TextDelta, Usage
from boticelli_cli.routing.day import pacific_day
from boticelli_cli.routing.ledger import Ledger
from boticelli_cli.routing.quota import Limited

NOON = datetime(2026, 11, 20, 20, tzinfo=UTC).timestamp()
"""Noon in Los Angeles, on a day without a change of clocks."""


class Wall:
    """A wall clock that goes with the running loop's; `offset` sets it."""

    def __init__(self, start: float = NOON) -> None:
        self.offset = start

    def __call__(self) -> float:
        return self.offset + asyncio.get_running_loop().time()


class Noting:
    """Answers each request with its prompt after `seconds`, and notes when it was asked, and by how much."""

    def __init__(
        self, *, seconds: float = 0.0, used: int | None = None, fail: Callable[[str], Exception | None] | None = None
    ) -> None:
        self.seconds = seconds
        self.used = used
        self.fail = fail or (lambda prompt: None)
        self.sent: list[tuple[float, str]] = []
        self.running = 0
        self.most_running = 0

    @property
    def times(self) -> list[float]:
        return [round(at, 1) for at, _ in self.sent]

    @property
    def prompts(self) -> list[str]:
        return [prompt for _, prompt in self.sent]

    def supports_streaming(self, model: str) -> bool:
        return model != "silent"

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        prompt = text_of(request)
        self.sent.append((asyncio.get_running_loop().time(), prompt))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.seconds / 2)
            if (error := self.fail(prompt)) is not None:
                raise error
            yield self._deltas(prompt)
        finally:
            self.running -= 1

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            return await fold(deltas)

    async def _deltas(self, prompt: str) -> AsyncIterator[Delta]:
        yield TextDelta("<")
        await asyncio.sleep(self.seconds / 2)
        if (error := self.fail(f"later {prompt}")) is not None:
            raise error
        yield Finish("stop", Usage(input=self.used))


def text_of(request: Request) -> str:
    [part] = request.messages[-1].parts
    assert isinstance(part, Text)
    return part.text


def asking(prompt: str = "Hello.", model: str = "m") -> Request:
    return Request(model, (Message("user", (Text(prompt),)),))


def of_tokens(tokens: int, mark: str = "x") -> Request:
    """A request that is estimated to have so many tokens, at least 5."""
    return asking(mark * (4 * (tokens - 4)))


_opened: list[Ledger] = []


def open_ledger(path: Path, **options: Any) -> Ledger:
    """A ledger that is closed at the end of the test."""
    _opened.append(Ledger(path, **options))
    return _opened[-1]


def close_ledgers() -> None:
    while _opened:
        _opened.pop().close()


def limited(
    driver: Any,
    path: Path | Ledger,
    *,
    clock: Callable[[], float] | None = None,
    spends_days: bool = True,
    **limits: int | None,
) -> Limited:
    ledger = path if isinstance(path, Ledger) else open_ledger(path, clock=clock or Wall())
    told = Limits(**limits)
    return Limited(
        driver,
        account="main",
        limits_of=lambda model: told,
        ledger=ledger,
        reset=pacific_day,
        spends_days=spends_days,
        zone=UTC,
    )


async def stream(driver: Limited, request: Request) -> Response:
    async with driver.stream(request) as deltas:
        return await fold(deltas)


class Told:
    """Hears the notices of one request, and when they came."""

    def __init__(self) -> None:
        self.notices: list[tuple[float, Notice]] = []

    async def __call__(self, notice: Notice) -> None:
        self.notices.append((asyncio.get_running_loop().time(), notice))

    @property
    def waits(self) -> list[tuple[str, int]]:
        return [(notice.reason, round(notice.seconds)) for _, notice in self.notices if isinstance(notice, Waiting)]

    async def hear(self, driver: Limited, request: Request) -> Response:
        with listening(self):
            return await stream(driver, request)
