"""What the gateway costs, against the same load sent straight to the provider, in one run. Prints; fails only on errors.

python -m pytest -m benchmark -n 0 -s tests/benchmarks/test_gateway.py

The fake provider and the gateway are processes of their own; the clients are this one.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest
import uvloop

from tests.benchmarks.clients import Timed, asked, connected, together
from tests.benchmarks.gateways import Counted, Running, gateway, provider

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("default")]


class Way(NamedTuple):
    """In which dialect a client asks for whose model."""

    face: str
    model: str

    def __str__(self) -> str:
        return f"{self.face} to {self.model}"


FORWARDED = Way("anthropic", "claude-sonnet-5-5")
CLAUDE_CODE_TO_OPENAI = Way("anthropic", "gpt-6.2-sol")
OPENAI_TO_CLAUDE = Way("openai", "claude-sonnet-5-5")
WAYS = pytest.mark.parametrize("way", [FORWARDED, CLAUDE_CODE_TO_OPENAI, OPENAI_TO_CLAUDE], ids=str)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with provider() as url:
        yield url


@pytest.fixture
def running(upstream: str, tmp_path: Path) -> Iterator[Running]:
    with gateway(upstream, tmp_path) as each:
        yield each


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "200 kB"])
@WAYS
def test_time_added_to_the_first_byte(upstream: str, running: Running, way: Way, is_large: bool) -> None:
    if is_large and way.face == "openai":
        pytest.skip("Claude Code speaks Anthropic's dialect")
    rounds = 200 if is_large else 500
    request = asked(*way, chunks=20, is_large=is_large)

    async def measure() -> tuple[list[tuple[Timed, Timed]], Counted]:
        async with connected(upstream) as [straight], connected(running.url) as [through]:
            for _ in range(20):
                await through.ask(request)
            before = running.counted()
            pairs = [(await straight.ask(request), await through.ask(request)) for _ in range(rounds)]
            return pairs, running.counted() - before

    pairs, used = uvloop.run(measure())
    assert all(each.whole and each.words == 20 for pair in pairs for each in pair)
    added = [through.first - straight.first for straight, through in pairs]
    whole = [through.total - straight.total for straight, through in pairs]
    print(
        f"\n{way}, {len(request.body) / 1000:.1f} kB: added to the first byte {_ms(statistics.median(added))} "
        f"(90 % below {_ms(statistics.quantiles(added, n=10)[-1])}), to the last {_ms(statistics.median(whole))}; "
        f"straight {_ms(statistics.median(straight.first for straight, _ in pairs))}; "
        f"CPU a request {_ms(used.cpu / rounds)}"
    )


def test_the_first_request_after_a_start(upstream: str, tmp_path: Path) -> None:
    async def measure(url: str) -> list[Timed]:
        async with connected(url) as [one]:
            return [await one.ask(asked(*way, chunks=20)) for way in (FORWARDED, FORWARDED, CLAUDE_CODE_TO_OPENAI)]

    with gateway(upstream, tmp_path) as running:
        first, second, other = uvloop.run(measure(running.url))
    print(
        f"\nfirst byte of the first request {_ms(first.first)}, of the second {_ms(second.first)}, "
        f"of the first to another provider {_ms(other.first)}"
    )


@pytest.mark.parametrize("clients", [1, 8])
@WAYS
def test_chunks_a_second(upstream: str, running: Running, way: Way, clients: int) -> None:
    chunks = 240_000 // clients
    request = asked(*way, chunks=chunks)
    uvloop.run(together(running.url, asked(*way, chunks=1000), clients=clients))
    began = perf_counter()
    direct = uvloop.run(together(upstream, request, clients=clients))
    straight = perf_counter() - began
    before, began = running.counted(), perf_counter()
    answers = uvloop.run(together(running.url, request, clients=clients))
    seconds, used = perf_counter() - began, running.counted() - before
    assert all(each.whole and each.words == chunks for each in (*direct, *answers))
    total = clients * chunks
    print(
        f"\n{way}, {clients} streams: {total / seconds:,.0f} chunks a second, {total / used.cpu:,.0f} a second of its "
        f"CPU; straight {total / straight:,.0f}; own overhead a chunk, by /metrics: {used.own / total * 1e6:.2f} µs"
    )


@WAYS
def test_chunks_that_come_one_by_one(upstream: str, running: Running, way: Way) -> None:
    clients, chunks = 200, 100
    request = asked(*way, chunks=chunks, delay=0.05)
    before = running.counted()
    answers = uvloop.run(together(running.url, request, clients=clients, within=2.0))
    used = running.counted() - before
    assert all(each.whole and each.words == chunks for each in answers)
    each = used.cpu / clients / chunks
    print(f"\n{way}, {clients} streams, a packet a chunk: {each * 1e6:.0f} µs of CPU a chunk, {1 / each:,.0f} a second")


@pytest.mark.parametrize("within", [0.0, 5.0], ids=["in one instant", "within 5 s"])
@WAYS
def test_a_thousand_paced_streams(upstream: str, running: Running, way: Way, within: float) -> None:
    request = asked(*way, chunks=10, delay=1.0)
    uvloop.run(together(running.url, asked(*way, chunks=1), clients=10))
    direct = uvloop.run(together(upstream, request, clients=1000, within=within))
    before = running.counted()
    ours = uvloop.run(together(running.url, request, clients=1000, within=within))
    used = running.counted() - before
    assert all(each.whole and each.words == 10 for each in (*direct, *ours))
    one, other = (statistics.median(each.first for each in many) for many in (direct, ours))
    print(
        f"\n{way}, 1,000 streams begun {f'within {within:g} s' if within else 'in one instant'}, a chunk a second each: "
        f"first byte {other:.3f} s, straight {one:.3f} s: {other / one:.2f} x; "
        f"slowest {max(each.first for each in ours):.2f} s; CPU a stream {_ms(used.cpu / 1000)}; {running.memory():.0f} MB"
    )


def test_memory_does_not_grow_with_requests(upstream: str, running: Running) -> None:
    request = asked(*OPENAI_TO_CLAUDE, chunks=20)
    uvloop.run(together(running.url, request, clients=50, each=20))
    after_a_thousand, began = running.memory(), perf_counter()
    answers = uvloop.run(together(running.url, request, clients=50, each=180))
    rate = len(answers) / (perf_counter() - began)
    assert all(each.whole for each in answers)
    print(
        f"\n{after_a_thousand:.1f} MB after 1,000 requests, {running.memory():.1f} MB after 10,000; {rate:,.0f} a second"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
