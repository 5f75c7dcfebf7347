"""What Prometheus reads: counts that are right, labels that no client can multiply, and a door that is shut from afar."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from boticelli_cli.gateway.metrics import Metrics, metrics_routes
from boticelli_cli.messages import Usage
from tests.clock import in_virtual_time
from tests.gateway.entries import entry
from tests.gateway.pages import ADMIN_KEY, OWN_KEY, Keys, serving
from tests.process import environment

WORKER = """
import asyncio, json, sys
from pathlib import Path
from boticelli_cli.gateway.metrics import Metrics
from tests.gateway.entries import entry

metrics = Metrics(in_flight=lambda: int(sys.argv[2]), queue_depth=lambda: 0, folder=Path(sys.argv[1]))
for _ in range(3):
    metrics.ended(entry())
print(json.dumps(asyncio.run(metrics.page())[0].decode()), flush=True)
sys.stdin.read()
"""


def metrics_of(*, redis_is_up: Callable[[], bool] | None = None) -> Metrics:
    return Metrics(in_flight=lambda: 3, queue_depth=lambda: 40, redis_is_up=redis_is_up)


async def read(metrics: Metrics) -> dict[str, Any]:
    page, _ = await metrics.page()
    return samples(page.decode())


def samples(page: str) -> dict[str, Any]:
    """Each sample's value, by its name and labels as a reader of the format finds them."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_counts_what_a_request_was_used_cost_and_took() -> None:
    metrics = metrics_of(redis_is_up=lambda: True)
    metrics.ended(entry(usage=Usage(100, 20, 5, 50, 10, 120)))
    metrics.ended(entry())
    told = await read(metrics)
    who = "model=gemini-3.8-flash,provider=gemini"
    assert (
        told["boticelli_requests_total{ending=done,face=anthropic,model=gemini-3.8-flash,provider=gemini,status=200}"]
        == 2
    )
    assert told[f"boticelli_tokens_total{{kind=input,{who}}}"] == 200
    assert told[f"boticelli_tokens_total{{kind=thinking,{who}}}"] == 5
    assert told[f"boticelli_cost_usd_total{{{who}}}"] == 0.5
    assert told["boticelli_chunks_total{face=anthropic}"] == 20
    assert told["boticelli_overhead_seconds_sum{face=anthropic}"] == 0.004
    assert told["boticelli_overhead_seconds_bucket{face=anthropic,le=0.001}"] == 0
    assert told["boticelli_overhead_seconds_bucket{face=anthropic,le=0.0025}"] == 2
    assert told["boticelli_first_byte_seconds_count{face=anthropic,provider=gemini}"] == 2
    assert told["boticelli_upstream_seconds_sum{face=anthropic,provider=gemini}"] == 2.4
    assert told["boticelli_request_seconds_sum{face=anthropic,provider=gemini}"] == 3
    assert (told["boticelli_in_flight"], told["boticelli_queue_depth"], told["boticelli_redis_up"]) == (3, 40, 1)


async def test_counts_failures_by_provider_and_kind() -> None:
    metrics = metrics_of()
    metrics.ended(entry(ending="failed", error="unreachable", first_byte=None, upstream=None, overhead=None))
    metrics.ended(entry(ending="refused", error="quota", provider=None, served=None))
    told = await read(metrics)
    assert {name: value for name, value in told.items() if name.startswith("boticelli_upstream_errors_total")} == {
        "boticelli_upstream_errors_total{kind=unreachable,provider=gemini}": 1
    }
    assert told["boticelli_requests_total{ending=refused,face=anthropic,model=,provider=,status=200}"] == 1
    assert "boticelli_redis_up" not in told


async def test_names_no_model_that_has_not_answered_and_no_more_than_it_can_bear() -> None:
    metrics = metrics_of()
    for number in range(300):
        metrics.ended(entry(served=f"written by a client {number}", ending="failed", error="refused"))
        metrics.ended(entry(served=f"model-{number}"))
    metrics.ended(entry(served='quoted " and\nbroken'))
    told = await read(metrics)
    requests = [name for name in told if name.startswith("boticelli_requests_total")]
    assert len(requests) == 202
    assert not [name for name in told if "client" in name]
    done = "boticelli_requests_total{ending=done,face=anthropic,model=other,provider=gemini,status=200}"
    assert told[done] == 101


async def test_escapes_what_a_model_is_called() -> None:
    metrics = metrics_of()
    metrics.ended(entry(served='a "b"\nfaked_total 1\ud83d' + "c" * 200))
    told = await read(metrics)
    assert "faked_total" not in told
    [name] = [name for name in told if name.startswith("boticelli_cost_usd_total")]
    assert name == 'boticelli_cost_usd_total{model=a "b"\nfaked_total 1?' + "c" * 80 + ",provider=gemini}"


async def test_takes_whatever_it_is_told() -> None:
    metrics = metrics_of()
    metrics.ended(entry(usage=Usage(input=-5), cost_usd=-1.0, chunks=-1, overhead=-0.5))
    assert (await read(metrics))["boticelli_overhead_seconds_sum{face=anthropic}"] == 0


def test_costs_a_request_less_than_fifty_microseconds() -> None:
    metrics = metrics_of()
    told = entry(usage=Usage(100, 20, 5, 50, 10, 120))
    rounds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            metrics.ended(told)
        rounds.append((time.perf_counter() - start) / 200)
    assert min(rounds) < 50e-6


async def test_speaks_the_newest_form_that_its_reader_knows() -> None:
    metrics = metrics_of()
    async with serving(metrics_routes(metrics, Keys())) as client:
        plain = await client.get("/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=")
        newer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        assert newer.text.endswith("# EOF\n")


async def status(client_host: str, *, key: str | None = None, name: str = "localhost", **headers: str) -> int:
    """What a client at an address is answered."""
    application = Starlette(routes=metrics_routes(metrics_of(), Keys()))
    transport = httpx.ASGITransport(application, client=(client_host, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{name}:8484") as client:
        headers = {header.replace("_", "-"): value for header, value in headers.items()}
        answer = await client.get("/metrics", headers={**headers, **({"x-api-key": key} if key else {})})
    assert answer.status_code == 200 or "boticelli_" not in answer.text
    return answer.status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"])
async def test_lets_this_machine_in(host: str) -> None:
    assert await status(host) == 200


@pytest.mark.parametrize("host", ["192.168.0.7", "::ffff:10.0.0.1", "not an address", ""])
async def test_lets_others_in_with_an_admins_key_alone(host: str) -> None:
    assert await status(host) == 401
    assert await status(host, key="guessed") == 401
    assert await status(host, key=OWN_KEY) == 403
    assert await status(host, key=ADMIN_KEY) == 200


async def test_takes_nobody_behind_a_proxy_for_this_machine() -> None:
    assert await status("127.0.0.1", x_forwarded_for="192.168.0.7") == 401
    assert await status("127.0.0.1", forwarded="for=192.168.0.7") == 401


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example"])
async def test_takes_no_page_that_comes_by_another_name_for_this_machine(name: str) -> None:
    assert await status("127.0.0.1", name=name) == 401
    assert await status("127.0.0.1", name="127.0.0.1") == 200


@in_virtual_time
async def test_looks_every_second_at_what_is_under_way_until_it_is_over() -> None:
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    metrics = Metrics(in_flight=look, queue_depth=lambda: 0)
    with metrics.refreshing():
        await asyncio.sleep(3.5)
    assert looks == 4
    await asyncio.sleep(5)
    assert looks == 4


def test_refuses_a_folder_that_nobody_was_told_of_in_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PROMETHEUS_MULTIPROC_DIR"):
        Metrics(in_flight=lambda: 0, queue_depth=lambda: 0, folder=tmp_path)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Starts workers that have so many requests under way, and share what they count in a folder."""
    started: list[subprocess.Popen[str]] = []

    def start(in_flight: int) -> subprocess.Popen[str]:
        one = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(in_flight)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}),
        )
        started.append(one)
        return one

    yield start
    for one in started:
        one.communicate(timeout=30)


def test_adds_up_what_several_workers_count(worker: Callable[[int], subprocess.Popen[str]]) -> None:
    first = worker(2)
    assert first.stdout is not None
    assert samples(json.loads(first.stdout.readline()))["boticelli_in_flight"] == 2
    second = worker(5)
    assert second.stdout is not None
    told = samples(json.loads(second.stdout.readline()))
    assert told["boticelli_chunks_total{face=anthropic}"] == 60
    assert told["boticelli_overhead_seconds_count{face=anthropic}"] == 6
    assert told["boticelli_in_flight"] == 7
