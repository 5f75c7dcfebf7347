"""Several processes behind one socket."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.serving import until
from tests.gateway.standing import Client, reply, standing_process

pytestmark = pytest.mark.slow


@pytest.fixture
def folder_of_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def pids(port: int, wanted: int) -> set[int]:
    """The processes that answer, once there are so many."""
    found: set[int] = set()

    def have_answered() -> bool:
        with contextlib.suppress(OSError, IndexError):
            found.add(json.loads(reply(port, "/who")[1])["pid"])
        return len(found) >= wanted

    until(have_answered)
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def team(count: int, grace: float = 5.0) -> Iterator[tuple[subprocess.Popen[bytes], int, set[int]]]:
    with standing_process(count, grace=grace) as (process, port):
        yield process, port, pids(port, count)


def test_answers_from_several_processes_and_ends_them_all(folder_of_metrics: Path) -> None:
    with team(2) as (process, port, workers), Client(port) as client:
        assert process.pid not in workers
        [made] = folder_of_metrics.iterdir()
        assert made.name.startswith("boticelli-metrics-")
        client.talk()
        process.terminate()
        client.chunk("the end;")
        client.hear("the end;")
        client.chunk("")
        client.hear_all()
        assert process.communicate(timeout=10) == (b"", b"")
        assert process.returncode == 0
        assert not any(map(is_alive, workers))
        assert [*folder_of_metrics.iterdir()] == []


def test_starts_another_when_one_dies_and_forgets_what_that_had_under_way(folder_of_metrics: Path) -> None:
    with team(2) as (process, port, workers):
        [shared] = folder_of_metrics.iterdir()
        under_way = shared / f"gauge_livesum_{min(workers)}.db"
        under_way.touch()
        os.kill(min(workers), signal.SIGKILL)
        assert process.stderr is not None
        assert process.stderr.readline() == b"a worker died (SIGKILL); another is started\n"
        assert not under_way.exists()
        until(lambda: pids(port, 1) - workers)
        with Client(port) as client:
            client.ask("/die")
            client.hear_all()
        assert b"exit code 7" in process.stderr.readline()
        assert reply(port, "/who")[0] == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 130


def test_the_second_ctrl_c_waits_for_no_worker() -> None:
    with team(2, grace=30) as (process, port, workers), Client(port) as client:
        client.ask("/deaf")
        client.hear("deaf\r\n")
        process.send_signal(signal.SIGINT)
        until(lambda: sum(map(is_alive, workers)) == 1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=3)
        assert process.returncode == 130
        assert not any(map(is_alive, workers))


def test_workers_do_not_outlive_whoever_watches_them() -> None:
    with team(2) as (process, _, workers):
        process.kill()
        process.wait()
        until(lambda: not any(map(is_alive, workers)))


def test_gives_up_when_no_worker_ever_serves() -> None:
    code = (
        "import asyncio, os, sys\n"
        "from boticelli_cli.gateway.listening import Listening, bind\n"
        "from boticelli_cli.gateway.stopping import Stopping\n"
        "from boticelli_cli.gateway.workers import supervise\n"
        "async def main():\n"
        "    return await supervise([sys.executable, '-c', 'raise SystemExit(5)'], count=2, environ=os.environ,\n"
        "        sockets=bind(Listening(port=0)), grace=1, stopping=Stopping())\n"
        "sys.exit(asyncio.run(main()))"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=20, check=False, env={**os.environ})
    assert done.returncode == 5
