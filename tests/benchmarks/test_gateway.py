"""What the gateway costs, against the same load sent straight to the upstream, in one run. Prints; fails only on errors.

python -m pytest -m benchmark -s tests/benchmarks/test_gateway.py
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pytest
import uvloop

from tests.benchmarks.clients import Connection, Timed, asked, together
from tests.process import COMMAND

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("default")]

CONFIG = """
providers:
  a: {{dialect: anthropic, base_url: '{url}', api_key: test-key}}
  o: {{dialect: openai, base_url: '{url}/v1', api_key: test-key}}
"""
FORWARDED = ("anthropic", "a/claude-sonnet-5-5")
TRANSLATED = ("openai", "a/claude-sonnet-5-5")


@dataclass(frozen=True)
class Running:
    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Megabytes that it holds."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def metric(self, name: str) -> float:
        """The sum of a counter over all its labels."""
        with urllib.request.urlopen(f"{self.url}/metrics") as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{|\s)", line))


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@contextmanager
def gateway(upstream: str, folder: Path) -> Iterator[Running]:
    (folder / "config.yaml").write_text(CONFIG.format(url=upstream))
    env = {**os.environ, "BOTICELLI_HOME": str(folder)}
    command = [*COMMAND, "serve", "--port", "0", "--log-format", "json"]
    log = (folder / "log").open("w+")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, env=env, cwd=folder) as process:
        try:
            yield Running(_address(folder / "log"), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            log.close()


def _address(log: Path) -> str:
    deadline = perf_counter() + 20
    while perf_counter() < deadline:
        if (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is not None:
            return found[0]
    raise AssertionError(log.read_text())


@pytest.fixture
def running(upstream: str, tmp_path: Path) -> Iterator[Running]:
    with gateway(upstream, tmp_path) as each:
        yield each


@pytest.mark.parametrize("way", [FORWARDED, TRANSLATED], ids=["forwarded", "translated"])
def test_time_added_to_the_first_byte(upstream: str, running: Running, way: tuple[str, str]) -> None:
    async def measure() -> tuple[list[Timed], list[Timed]]:
        straight, through = await Connection.to(upstream), await Connection.to(running.url)
        path, body = asked("anthropic", "claude-sonnet-5-5", chunks=20)
        ours = asked(*way, chunks=20)
        pairs = [(await straight.ask(path, body), await through.ask(*ours)) for _ in range(520)][20:]
        return [one for one, _ in pairs], [other for _, other in pairs]

    direct, ours = uvloop.run(measure())
    assert all(each.whole for each in (*direct, *ours))
    added = [other.first - one.first for one, other in zip(direct, ours, strict=True)]
    ninth = statistics.quantiles(added, n=10)[-1]
    print(f"\nadded to the first byte: median {statistics.median(added) * 1e3:.2f} ms, 90 % below {ninth * 1e3:.2f} ms")


@pytest.mark.parametrize("way", [FORWARDED, TRANSLATED], ids=["forwarded", "translated"])
@pytest.mark.parametrize("clients", [1, 8])
def test_chunks_a_second(upstream: str, running: Running, way: tuple[str, str], clients: int) -> None:
    chunks = 200_000 // clients
    uvloop.run(together(running.url, *asked(*way, chunks=10), clients=clients))
    before, began = running.cpu(), perf_counter()
    answers = uvloop.run(together(running.url, *asked(*way, chunks=chunks), clients=clients))
    seconds, cpu = perf_counter() - began, running.cpu() - before
    assert all(each.whole and each.events >= chunks for each in answers)
    each = running.metric("boticelli_overhead_seconds_sum") / running.metric("boticelli_chunks_total")
    total = clients * chunks
    print(
        f"\n{clients} streams: {total / seconds:,.0f} chunks a second, {total / cpu:,.0f} a second of its CPU; "
        f"own overhead a chunk, by /metrics: {each * 1e6:.2f} µs"
    )


@pytest.mark.parametrize("way", [FORWARDED, TRANSLATED], ids=["forwarded", "translated"])
def test_a_thousand_paced_streams(upstream: str, running: Running, way: tuple[str, str]) -> None:
    straight = asked("anthropic", "claude-sonnet-5-5", chunks=10, delay=0.3)
    direct = uvloop.run(together(upstream, *straight, clients=1000))
    uvloop.run(together(running.url, *asked(*way, chunks=1), clients=10))
    ours = uvloop.run(together(running.url, *asked(*way, chunks=10, delay=0.3), clients=1000))
    assert all(each.whole for each in (*direct, *ours))
    one, other = (statistics.median(each.first for each in many) for many in (direct, ours))
    print(
        f"\n1,000 streams: first byte {other:.3f} s, straight {one:.3f} s: {other / one:.2f} x; {running.memory():.0f} MB"
    )


def test_memory_does_not_grow_with_requests(upstream: str, running: Running) -> None:
    path, body = asked(*TRANSLATED, chunks=20)
    uvloop.run(together(running.url, path, body, clients=50, each=20))
    after_a_thousand = running.memory()
    began = perf_counter()
    answers = uvloop.run(together(running.url, path, body, clients=50, each=180))
    rate = len(answers) / (perf_counter() - began)
    assert all(each.whole for each in answers)
    print(
        f"\n{after_a_thousand:.1f} MB after 1,000 requests, {running.memory():.1f} MB after 10,000; {rate:,.0f} a second"
    )
