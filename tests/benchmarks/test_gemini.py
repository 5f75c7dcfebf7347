"""What Gemini costs of our own time and room, against bare loops in one run. Prints; fails only on errors.

The service is a fake in a process of its own; the contenders take turns.

python -m pytest -m benchmark -s
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import boticelli_cli
from boticelli_cli.events import ActDelta, RunFinished
from boticelli_cli.narrative.load import parse
from boticelli_cli.narrative.model import Narrative
from tests.benchmarks.bare import (
    LIVE_SCRIPT,
    MODEL,
    REST_SCRIPT,
    decode_with_google_genai,
    decode_with_httpx,
    first_tokens_with_aiohttp,
)
from tests.fakes.serving import own_process
from tests.process import COMMAND

pytestmark = [
    pytest.mark.benchmark,
    # Who takes turns makes loops and clients again and again, and not all of a library's are closed at its end.
    pytest.mark.filterwarnings("default"),
]

Service = tuple[str, str, str]

LONG = 10_000
COLD_ROUNDS = 11

PEAK = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
)
"""Runs a command and tells its peak. A child's count begins with its parent's size, so the parent has to be small."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with own_process("tests.fakes.gemini") as addresses:
        yield addresses


@pytest.fixture
def url(service: Service, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where Gemini is; the program asks there too."""
    monkeypatch.setenv("GEMINI_API_KEY", "test-key")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", service[0])
    return service[0]


def test_decoding(url: str) -> None:
    prompt = f"[[long chunks={LONG}]]"
    contenders: dict[str, Callable[[], Coroutine[Any, Any, int]]] = {
        "boticelli_cli.run": lambda: deltas_of(narrative(1, prompt)),
        "httpx, aiter_lines and json": lambda: decode_with_httpx(url, prompt),
        "google-genai": lambda: decode_with_google_genai(url, prompt),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(7):
        for name, contender in contenders.items():
            start = time.perf_counter()
            assert asyncio.run(contender()) == LONG
            seconds[name].append(time.perf_counter() - start)
    ours = min(seconds["boticelli_cli.run"])
    print()
    for name, times in seconds.items():
        print(f"{name:30} {LONG / min(times):10,.0f} chunks a second; ours are {min(times) / ours:5.2f} x as many")


@pytest.mark.parametrize(("count", "delay"), [(300, 0.1), (1000, 0.3)])
def test_many_at_once(url: str, count: int, delay: float) -> None:
    prompt = f"[[paced chunks=5 delay={delay}]]"
    acts = narrative(count, prompt)
    ours: list[float] = []
    bare: list[float] = []
    asyncio.run(first_tokens(narrative(20, "Warm up.")))
    for _ in range(5):
        for times, found in (
            (bare, asyncio.run(first_tokens_with_aiohttp(url, prompt, count))),
            (ours, asyncio.run(first_tokens(acts))),
        ):
            assert len(found) == count
            times.append(statistics.median(found))
    for how, figure in (("median of 5", statistics.median), ("best of 5", min)):
        one, other = figure(ours), figure(bare)
        print(f"\n{count:5,} at once, first token, {how}: {one:.3f} s, aiohttp {other:.3f} s: {one / other:.2f} x")


def test_memory(url: str) -> None:
    peaks: dict[int, list[tuple[int, int]]] = {1_000: [], 100_000: [], 400_000: []}
    for _ in range(3):
        for chunks, found in peaks.items():
            found.append(peak_of(f"[[long chunks={chunks}]]"))
    text = {chunks: found[0][0] for chunks, found in peaks.items()}
    size = {chunks: statistics.median(peak for _, peak in found) for chunks, found in peaks.items()}
    print()
    for fewer, more in ((1_000, 100_000), (100_000, 400_000)):
        grown, longer = size[more] - size[fewer], text[more] - text[fewer]
        print(
            f"{fewer:,} to {more:,} chunks: {grown / 1e3:,.0f} kB for {longer / 1e3:,.0f} kB of text: "
            f"{grown / longer:.2f} x; {size[fewer] / 1e6:.1f} MB before"
        )


def test_cold_first_token(url: str, service: Service) -> None:
    _, tls_url, ca_file = service
    live = {"GOOGLE_GEMINI_BASE_URL": tls_url, "SSL_CERT_FILE": ca_file}
    stream = [*COMMAND, "stream", "--format", "text", "-m"]
    commands: dict[str, tuple[list[str], Mapping[str, str]]] = {
        "bare script with httpx": ([sys.executable, "-c", REST_SCRIPT, "Hello"], {}),
        "boticelli stream": ([*stream, MODEL, "Hello"], {}),
        "bare script with google-genai, Live": ([sys.executable, "-c", LIVE_SCRIPT, "Hello"], live),
        "boticelli stream, Live": ([*stream, "gemini-3.8-live", "Hello"], live),
        "python -c 'import typer, pydantic'": ([sys.executable, "-c", "import typer, pydantic; print(1)"], {}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(COLD_ROUNDS):
        for name, (command, more) in commands.items():
            seconds[name].append(seconds_to_first_byte(command, more))
    rest = seconds["bare script with httpx"]
    print()
    for name, times in seconds.items():
        base = seconds["bare script with google-genai, Live"] if name.endswith("Live") else rest
        print(
            f"{name:36} median {statistics.median(times) * 1000:6.1f} ms "
            f"{statistics.median(times) / statistics.median(base):5.2f} x; "
            f"best {min(times) * 1000:6.1f} ms {min(times) / min(base):5.2f} x"
        )


def narrative(count: int, prompt: str) -> Narrative:
    acts = "".join(f"  a{number}: '{prompt}'\n" for number in range(count))
    text = f"narrative: {{name: n, context: fresh, model: {MODEL}}}\nacts:\n{acts}"
    return parse(text.encode(), "n.yaml", Path()).or_raise()


async def deltas_of(acts: Narrative) -> int:
    deltas = 0
    async with aclosing(boticelli_cli.run(acts)) as events:
        async for event in events:
            deltas += isinstance(event, ActDelta)
    assert isinstance(event, RunFinished), event
    return deltas


async def first_tokens(acts: Narrative) -> list[float]:
    """All acts at once: the seconds from the start of all to each one's first token."""
    start = time.perf_counter()
    first: dict[str, float] = {}
    async with aclosing(boticelli_cli.run(acts, max_parallel=len(acts.acts))) as events:
        async for event in events:
            if isinstance(event, ActDelta) and event.act not in first:
                first[event.act] = time.perf_counter() - start
    assert isinstance(event, RunFinished), event
    return list(first.values())


def peak_of(prompt: str) -> tuple[int, int]:
    """How many bytes a process writes as it streams an answer, and how large it becomes, in bytes."""
    command = [*COMMAND, "stream", "-q", "--format", "text", "-m", MODEL, prompt]
    done = subprocess.run(
        [sys.executable, "-S", "-c", PEAK, *command], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    return len(done.stdout), int(done.stderr) * 1024


def seconds_to_first_byte(command: list[str], more: Mapping[str, str]) -> float:
    """The seconds from starting a process until it writes anything, after which it may end in peace."""
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **more},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1), "it answered nothing"
        took = time.perf_counter() - start
        process.stdout.read()
    assert process.returncode == 0
    return took
