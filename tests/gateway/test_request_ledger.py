"""The gateway's ledger: complete, shared by processes, readable after a crash, and never a reason to stop answering."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.ledger import RequestLedger
from boticelli_cli.gateway.report import DAY, HOUR, Report
from boticelli_cli.messages import Usage
from tests.gateway.entries import NOON, entry
from tests.process import environment

WRITER = """
import asyncio, sys
from pathlib import Path
from boticelli_cli.gateway.ledger import RequestLedger
from tests.gateway.entries import entry

async def main(path, name, count):
    async with RequestLedger(Path(path)) as ledger:
        for number in range(count):
            ledger.ended(entry(id=f"{name}-{number}", key=name))
            if number % 100 == 99:
                await ledger.spent(name, 0)
                print(number + 1, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


FULL = """
import asyncio, resource, sys
from pathlib import Path
from boticelli_cli.gateway.ledger import RequestLedger
from tests.gateway.entries import NOON, entry

now = NOON

async def main():
    global now
    async with RequestLedger(Path(sys.argv[1]), clock=lambda: now) as ledger:
        await ledger.spent("ci", 0)
        none = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, none[1]))
        for number in range(4000):
            ledger.ended(entry(id=str(number)))
        print(await ledger.spent("ci", 0), ledger.is_kept)
        resource.setrlimit(resource.RLIMIT_FSIZE, none)
        now += 10
        ledger.ended(entry())
        print(await ledger.spent("ci", 0), ledger.is_kept)

asyncio.run(main())
"""


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


FIRST_VERSION = """
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL, at REAL NOT NULL, face TEXT NOT NULL, model TEXT NOT NULL, streamed INTEGER NOT NULL,
        ending TEXT NOT NULL, status INTEGER NOT NULL, seconds REAL NOT NULL, key TEXT,
        served TEXT, provider TEXT, account TEXT, route TEXT, is_estimated INTEGER NOT NULL,
        cost_usd REAL, first_byte REAL, upstream REAL, overhead REAL, chunks INTEGER NOT NULL,
        error TEXT, message TEXT,
        input INTEGER, output INTEGER, thinking INTEGER, cached_input INTEGER, cache_write INTEGER,
        total INTEGER, input_audio INTEGER, output_audio INTEGER
    );
    CREATE TABLE past (
        at INTEGER NOT NULL, key TEXT, provider TEXT, served TEXT,
        requests INTEGER NOT NULL, failed INTEGER NOT NULL, cost_usd REAL,
        input INTEGER, output INTEGER, thinking INTEGER, cached_input INTEGER, cache_write INTEGER,
        total INTEGER, input_audio INTEGER, output_audio INTEGER
    );
    INSERT INTO requests (id, at, face, model, streamed, ending, status, seconds, key, is_estimated, cost_usd, chunks)
        VALUES ('req_old', {at}, 'openai', 'm', 0, 'failed', 503, 1.0, 'ci', 0, 0.5, 0);
    PRAGMA application_id = 1651471463;
    PRAGMA user_version = 1;
"""
"""A file as the first version of it was, but for its indexes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gateway.sqlite3"


def writer(path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(None),
    )


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def requests_in(path: Path) -> int:
    try:
        [[count]] = rows(path, "SELECT count(*) FROM requests")
    except sqlite3.OperationalError:  # no folder yet, or no table
        return 0
    assert isinstance(count, int)
    return count


def damaged(path: Path, content: bytes = b"not a database" * 500) -> Path:
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def remove(path: Path) -> None:
    path.unlink()


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def size_of(path: Path) -> int:
    return path.stat().st_size


async def everything(ledger: RequestLedger, *, step: int = DAY) -> Report:
    return await ledger.usage(None, 0, NOON * 2, step=step)


async def test_writes_down_each_request_as_it_was(path: Path) -> None:
    failed = entry(
        id="a",
        ending="failed",
        status=502,
        served=None,
        usage=Usage(1, 2, 3, 4, 5, 6, 7, 8),
        is_estimated=True,
        error="unreachable",
        message="no connection",
    )
    async with RequestLedger(path) as ledger:
        ledger.ended(failed)
        ledger.ended(entry(id="b"))
    async with RequestLedger(path) as ledger:
        assert await ledger.recent_errors(10) == (failed,)
        assert (await everything(ledger)).totals.requests == 2


async def test_counts_what_ended_just_before_it_is_asked(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry(cost_usd=0.5))
        assert await ledger.spent("ci", NOON) == 0.5
        assert await ledger.spent("ci", NOON + 1) == 0
        assert await ledger.spent("other", 0) == 0


async def test_writes_without_being_asked(path: Path) -> None:
    async with RequestLedger(path) as ledger, asyncio.timeout(20):
        ledger.ended(entry())
        while requests_in(path) == 0:  # noqa: ASYNC110 - another process would look no other way
            await asyncio.sleep(0.01)


async def test_keeps_its_file_for_its_owner_alone(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry())
        await ledger.spent("ci", 0)
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_tells_models_keys_and_times_apart(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry(at=NOON))
        ledger.ended(entry(at=NOON + 60, key=None, served="other", cost_usd=None, usage=Usage()))
        ledger.ended(entry(at=NOON + HOUR, ending="refused", served=None, provider=None, cost_usd=None))
        report = await everything(ledger, step=HOUR)
        assert [at for at, _ in report.by_time] == [NOON, NOON + HOUR]
        assert [(who, totals.requests) for who, totals in report.by_model] == [
            (("gemini", "gemini-3.8-flash"), 1),
            (("gemini", "other"), 1),
            ((None, None), 1),
        ]
        assert {key: totals.cost_usd for key, totals in report.by_key} == {"ci": 0.25, None: None}
        assert report.totals.failed == 1
        assert [cell.at for cell in await ledger.series(NOON, NOON + DAY)] == [NOON, NOON, NOON + HOUR]


async def test_says_nothing_of_what_no_provider_has_said(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry(usage=Usage(input=5), cost_usd=None))
        totals = (await everything(ledger)).totals
        assert (totals.usage, totals.cost_usd) == (Usage(input=5), None)


async def test_shows_the_last_errors_first_and_no_clients_that_left(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        for number, ending in enumerate(["failed", "left", "refused", "done", "cut"]):
            ledger.ended(entry(id=str(number), at=NOON + number, ending=ending))
        assert [each.id for each in await ledger.recent_errors(2)] == ["4", "2"]
        assert [each.id for each in await ledger.recent_errors(9)] == ["4", "2", "0"]


async def test_writes_no_keys_that_stand_in_errors(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry(ending="failed", message="refused: sk-abcdefghijklmnop is wrong"))
        [error] = await ledger.recent_errors(1)
        assert error.message == "refused: … is wrong"


@pytest.mark.parametrize(
    "facts",
    [
        {"model": "half a character \ud83d"},
        {"model": "nul \0 and\nmore"},
        {"model": "x" * 100_000},
        {"usage": Usage(input=10**30)},
        {"seconds": float("nan"), "cost_usd": float("nan")},
    ],
    ids=["lone surrogate", "control characters", "long", "huge", "nan"],
)
async def test_takes_whatever_it_is_told(path: Path, facts: dict[str, object]) -> None:
    warnings: list[str] = []
    async with RequestLedger(path, warn=warnings.append) as ledger:
        ledger.ended(entry(**facts))
        ledger.ended(entry())
        assert (await everything(ledger)).totals.requests == 2
    assert warnings == []
    assert size_of(path) < 100_000


TIMES = st.integers(0, 3 * DAY)
ENTRIES = st.lists(
    st.builds(
        lambda at, key, served, ending, counts, cost: entry(
            at=NOON + at, key=key, served=served, ending=ending, usage=Usage(*counts), cost_usd=cost
        ),
        at=TIMES,
        key=st.sampled_from([None, "a", "b"]),
        served=st.sampled_from([None, "m", "n"]),
        ending=st.sampled_from(["done", "failed", "left"]),
        counts=st.tuples(*[st.none() | st.integers(0, 10**6)] * 8),
        cost=st.none() | st.floats(0, 100),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES, key=st.sampled_from([None, "a", "b"]), since=TIMES, length=TIMES)
def test_comes_to_the_same_sums_as_adding_them_up(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], key: str | None, since: int, length: int
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "gateway.sqlite3"
    start, end = NOON + since, NOON + since + length

    async def told() -> tuple[Report, float]:
        async with RequestLedger(path, clock=lambda: NOON) as ledger:
            for each in entries:
                ledger.ended(each)
            return await ledger.usage(key, start, end, step=HOUR), await ledger.spent("a", start)

    report, spent = asyncio.run(told())
    meant = [each for each in entries if start <= each.at < end and key in (None, each.key)]
    costs = [each.cost_usd for each in meant if each.cost_usd is not None]
    by_model: defaultdict[object, list[Entry]] = defaultdict(list)
    for each in meant:
        by_model[each.provider, each.served].append(each)
    assert report.totals.requests == len(meant)
    assert report.totals.usage == sum((each.usage for each in meant), Usage())
    assert report.totals.cost_usd == (pytest.approx(sum(costs)) if costs else None)
    assert {who: totals.usage for who, totals in report.by_model} == {
        who: sum((each.usage for each in group), Usage()) for who, group in by_model.items()
    }
    assert {at for at, _ in report.by_time} == {each.at // HOUR * HOUR for each in meant}
    assert spent == pytest.approx(sum(each.cost_usd or 0 for each in entries if each.key == "a" and each.at >= start))


async def test_keeps_the_sums_of_days_whose_requests_it_forgets(path: Path) -> None:
    clock = Clock()
    async with RequestLedger(path, clock=clock) as ledger:
        for number in range(5_000):
            ledger.ended(entry(id=str(number), at=NOON + number % 2 * DAY))
        before = await everything(ledger)
        clock.now += 89 * DAY
        assert await everything(ledger) == before
        assert requests_in(path) == 5_000
        clock.now += 111 * DAY
        for _ in range(4):
            after = await everything(ledger)
        assert after == before
        assert await ledger.spent("ci", 0) == 1250
    assert rows(path, "SELECT count(*) FROM requests") == [(0,)]
    assert rows(path, "SELECT requests FROM past ORDER BY at") == [(2500,), (2500,)]


async def test_counts_in_memory_while_the_file_is_locked_and_writes_it_all_once_it_is_not(path: Path) -> None:
    clock, warnings = Clock(), list[str]()
    async with RequestLedger(path, clock=clock, warn=warnings.append) as ledger:
        ledger.ended(entry(id="first"))
        await ledger.spent("ci", 0)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ledger.ended(entry(id="meanwhile", ending="failed"))
        assert await ledger.spent("ci", 0) == 0.5, "one stands in the file, one in memory"
        assert not ledger.is_kept
        other.execute("ROLLBACK")
        other.close()
        clock.now += 10
        ledger.ended(entry(id="last"))
        assert await ledger.spent("ci", 0) == 0.75
        assert ledger.is_kept
    assert rows(path, "SELECT id FROM requests ORDER BY number") == [("first",), ("meanwhile",), ("last",)]
    [warning] = warnings
    assert "locked" in warning


@pytest.mark.parametrize(
    "content", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 4096], ids=["text", "junk"]
)
async def test_counts_in_memory_beside_a_damaged_file_that_it_leaves_alone(path: Path, content: bytes) -> None:
    warnings: list[str] = []
    damaged(path, content)
    async with RequestLedger(path, warn=warnings.append) as ledger:
        for _ in range(3):
            ledger.ended(entry(ending="failed"))
            await ledger.spent("ci", 0)
        assert await ledger.spent("ci", 0) == 0.75
        assert len(await ledger.recent_errors(5)) == 3
        assert (await everything(ledger)).totals.requests == 3
    assert content_of(path) == content
    assert len(warnings) == 2, "once when it failed, and once at the end"
    assert "lost" in warnings[1]


async def test_goes_on_when_its_folder_cannot_be_made() -> None:
    warnings: list[str] = []
    async with RequestLedger(Path("/dev/null/gateway.sqlite3"), warn=warnings.append) as ledger:
        ledger.ended(entry())
        assert await ledger.spent("ci", 0) == 0.25
    assert len(warnings) == 2


async def test_goes_on_in_the_file_of_the_first_version(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(FIRST_VERSION.format(at=NOON - 60))
    db.close()
    async with RequestLedger(path, clock=lambda: NOON + 60) as ledger:
        assert await ledger.spent("ci", 0) == 0.5
        ledger.ended(entry(ending="failed", status=503, reason="by 'a' of 'b'", client="192.0.2.1"))
        new, old = await ledger.recent_errors(2)
    assert (new.reason, new.client) == ("by 'a' of 'b'", "192.0.2.1")
    assert (old.id, old.reason, old.client) == ("req_old", None, None)


async def test_leaves_the_file_of_a_newer_program_alone(path: Path) -> None:
    async with RequestLedger(path) as ledger:
        ledger.ended(entry())
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    warnings: list[str] = []
    async with RequestLedger(path, warn=warnings.append) as ledger:
        assert await ledger.spent("ci", 0) == 0
    assert "version 99" in warnings[0]


async def test_forgets_no_sum_of_what_is_too_much_for_memory(path: Path) -> None:
    clock = Clock()
    damaged(path)
    async with RequestLedger(path, clock=clock, warn=lambda message: None) as ledger:
        for number in range(12_000):
            ledger.ended(entry(id=str(number)))
        assert (await everything(ledger)).totals.requests == 12_000
        remove(path)
        clock.now += 10
        assert await ledger.spent("ci", 0) == 3_000
    assert rows(path, "SELECT count(*) FROM requests") == [(10_000,)]
    assert rows(path, "SELECT requests FROM past") == [(2_000,)]


async def test_writes_what_there_is_when_it_is_cancelled(path: Path) -> None:
    is_in = asyncio.Event()

    async def serve() -> None:
        async with RequestLedger(path) as ledger:
            for number in range(300):
                ledger.ended(entry(id=str(number)))
            is_in.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve())
        await is_in.wait()
        serving.cancel()
    assert rows(path, "SELECT count(*) FROM requests") == [(300,)]


def test_counts_in_memory_while_the_disk_is_full(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], env=environment(None), capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["1000.0", "False", "1000.25", "True"], done.stderr
    assert requests_in(path) == 4001


async def test_takes_what_ends_before_it_is_open_and_loses_nothing_by_being_opened_again(path: Path) -> None:
    ledger = RequestLedger(path)
    ledger.ended(entry(id="before"))
    async with ledger:
        ledger.ended(entry(id="within"))
    ledger.ended(entry(id="after"))
    with pytest.raises(RuntimeError):
        await ledger.spent("ci", 0)
    async with ledger:
        assert await ledger.spent("ci", 0) == 0.75


def test_two_processes_write_to_one_file(path: Path) -> None:
    both = [writer(path, name, "2000") for name in ("a", "b")]
    for each in both:
        each.communicate(timeout=30)
        assert each.returncode == 0
    assert rows(path, "SELECT key, count(*), count(DISTINCT id) FROM requests GROUP BY key ORDER BY key") == [
        ("a", 2000, 2000),
        ("b", 2000, 2000),
    ]


def test_a_process_that_is_killed_loses_its_last_batch_at_most(path: Path) -> None:
    killed = writer(path, "a", "1000000")
    assert killed.stdout is not None
    for line in killed.stdout:
        if line == "1000\n":
            break
    killed.kill()
    told_of, _ = killed.communicate(timeout=30)
    written = [name for [name] in rows(path, "SELECT id FROM requests ORDER BY number")]
    assert written == [f"a-{number}" for number in range(len(written))]
    assert len(written) >= max([1000, *map(int, told_of.split())])
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]

    async def again() -> float:
        async with RequestLedger(path) as ledger:
            ledger.ended(entry(key="a"))
            return await ledger.spent("a", 0)

    assert asyncio.run(again()) == (len(written) + 1) / 4
