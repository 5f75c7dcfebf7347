"""The ledger: shared by processes, readable after a crash, and never a reason to stop working."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from boticelli_cli.catalog import Limits
from boticelli_cli.routing.day import Day, pacific_day, utc_day
from boticelli_cli.routing.ledger import Ledger, Slot, Spent, Used
from tests.routing.limiting import NOON, open_ledger

HEAD = """
import os, resource, sys, time

from pathlib import Path
from boticelli_cli.catalog import Limits
from boticelli_cli.routing.day import utc_day
from boticelli_cli.routing.ledger import Ledger, Slot
ledger = Ledger(Path(sys.argv[1]))
"""


def process(path: Path, program: str, *, text: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def claim(ledger: Ledger, *, tokens: int = 5, account: str = "a", held: int | None = None, **limits: int) -> Slot:
    slot = ledger.claim(account, "m", Limits(**limits), tokens, utc_day, held=held)
    assert isinstance(slot, Slot)
    return slot


def test_counts_what_went_out(path: Path) -> None:
    clock = Clock()
    ledger = open_ledger(path, clock=clock)
    for tokens in (10, 20, 30):
        claim(ledger, tokens=tokens, rpm=5)
        clock.now += 25
    assert ledger.usage("a", "m", clock.now) == Used(2, 50, 3, None)
    assert ledger.usage("a", "m", clock.now + 61) == Used(0, 0, 3, None)
    assert ledger.usage("a", "m", clock.now + 86_400) == Used(0, 0, 0, None)
    assert ledger.usage("b", "m", clock.now) == Used(0, 0, 0, None)


def test_what_is_only_reserved_is_not_counted_as_used_and_can_be_given_up(path: Path) -> None:
    ledger = open_ledger(path, clock=Clock())
    claim(ledger, rpm=1)
    reserved = claim(ledger, rpm=1)
    assert reserved.seconds == 60.5
    assert claim(ledger, rpm=1).seconds == 121
    assert ledger.usage("a", "m", NOON) == Used(1, 5, 1, None)
    ledger.release(reserved.id)
    assert [sent.at - NOON for sent in ledger.recent("a", "m")] == [0, 121]


def test_a_reservation_moves_up_when_one_before_it_is_given_up(path: Path) -> None:
    ledger = open_ledger(path, clock=Clock())
    _, first, second = (claim(ledger, rpm=1) for _ in range(3))
    assert claim(ledger, rpm=1, held=second.id).seconds == 121
    ledger.release(first.id)
    assert claim(ledger, rpm=1, held=second.id).seconds == 60.5


def test_real_usage_takes_the_place_of_an_estimate(path: Path) -> None:
    ledger = open_ledger(path, clock=Clock())
    slot = claim(ledger, tokens=90, tpm=100)
    assert claim(ledger, tokens=20, tpm=100).seconds > 0
    ledger.correct(slot.id, 3)
    assert claim(ledger, tokens=20, tpm=100, account="a").seconds == 60.5, "it stays behind the one reserved before it"
    assert ledger.usage("a", "m", NOON).tokens == 3


def test_makes_its_file_on_first_use_and_for_its_owner_only(path: Path) -> None:
    ledger = open_ledger(path)
    assert ledger.usage("a", "m", NOON) == Used(0, 0, 0, None)
    assert not path.parent.exists()
    claim(ledger, rpm=1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_stays_small(path: Path) -> None:
    clock = Clock()
    ledger = open_ledger(path, clock=clock)
    for _ in range(400):
        claim(ledger, rpm=5)
        clock.now += 3600
    ledger.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM sent").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM days").fetchone()[0] <= 9
    db.close()


def test_a_spent_day_holds_until_it_is_over_even_with_a_clock_that_was_ahead(path: Path) -> None:
    clock = Clock(NOON + 365 * 86_400)
    ledger = open_ledger(path, clock=clock)
    ledger.mark_spent("a", "m", utc_day(clock.now), utc_day(clock.now).end)
    assert isinstance(ledger.claim("a", "m", Limits(rpm=1), 5, utc_day), Spent)
    assert ledger.usage("a", "m", clock.now).spent_until == utc_day(clock.now).end
    clock.now = NOON
    claim(ledger, rpm=1)
    assert ledger.usage("a", "m", clock.now).spent_until is None


def test_processes_at_once_send_no_more_than_the_limit(path: Path) -> None:
    """All start on a file that none of them has made yet."""
    program = """
sys.stdin.readline()
went = 0
for _ in range(25):
    slot = ledger.claim("a", "m", Limits(rpm=60, rpd=1000), 10, utc_day)
    if slot.seconds <= 0:
        went += 1
    else:
        ledger.release(slot.id)
print(went)
"""
    processes = [process(path, program) for _ in range(6)]
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    answers = [each.communicate(timeout=60) for each in processes]
    assert [error for _, error in answers] == [""] * 6
    assert sum(int(out) for out, _ in answers) == 60
    ledger = open_ledger(path)
    used = ledger.usage("a", "m", ledger.now())
    assert (used.requests, used.tokens) == (60, 600)
    assert used.today in (60, 0), "none, if midnight has just passed"


def test_a_process_killed_within_a_transaction_leaves_the_ledger_usable(path: Path) -> None:
    program = """
ledger.claim("a", "m", Limits(rpm=60), 10, utc_day)
def stall(db):
    db.execute("DELETE FROM sent")
    print("in it", flush=True)
    time.sleep(60)
ledger._transact(stall)
"""
    killed = process(path, program)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "in it\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    warnings: list[str] = []
    ledger = open_ledger(path, warn=warnings.append)
    claim(ledger, rpm=60)
    assert ledger.usage("a", "m", ledger.now()).requests == 2
    assert warnings == []


def test_a_disk_that_fills_up_is_no_reason_to_stop(path: Path) -> None:
    """With a limit on the size of files for a disk: what was counted before it is full is still known."""
    program = """
slots = [ledger.claim("a", "m", Limits(rpm=60), 10, utc_day) for _ in range(20)]
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
slots += [ledger.claim("a", "m", Limits(rpm=60), 10, utc_day) for _ in range(60)]
print(sum(slot.seconds <= 0 for slot in slots))
"""
    out, error = process(path, program).communicate(timeout=60)
    assert out == "60\n"
    assert error.count("the counts of requests cannot be kept in") == 1


def fallen_back(path: Path, told: list[str]) -> None:
    """A ledger that cannot use its file keeps limits all the same, and says why just once."""
    ledger = open_ledger(path, clock=Clock(), warn=told.append)
    assert [claim(ledger, rpm=2).seconds for _ in range(3)] == [0, 0, 60.5]
    assert ledger.usage("a", "m", NOON) == Used(2, 10, 2, None)
    ledger.close()
    assert len(told) == 1


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 100, b"short"])
def test_a_damaged_file_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    told: list[str] = []
    fallen_back(path, told)
    assert path.read_bytes() == content
    assert str(path) in told[0]
    assert "not a database" in told[0]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("CREATE TABLE letters (text)", "it belongs to another program"),
        (f"PRAGMA application_id = {0x626F7469}; PRAGMA user_version = 3", "it has version 3"),
    ],
)
def test_a_foreign_or_newer_file_is_left_as_it_is(path: Path, statement: str, why: str) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.executescript(statement)
    db.close()
    before = path.read_bytes()
    told: list[str] = []
    fallen_back(path, told)
    assert path.read_bytes() == before
    assert why in told[0]


def test_a_folder_that_cannot_be_made_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    fallen_back(tmp_path / "file" / "state" / "ledger.db", [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_no_reason_to_stop(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    fallen_back(path, [])


def test_a_file_that_is_locked_for_seconds_is_no_reason_to_stop(path: Path) -> None:
    open_ledger(path).release(0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    told: list[str] = []
    fallen_back(path, told)
    assert "locked" in told[0]
    other.close()


def test_what_a_file_damaged_in_use_has_forgotten_is_counted_anew(path: Path) -> None:
    told: list[str] = []
    ledger = open_ledger(path, clock=Clock(), warn=told.append)
    claim(ledger, rpm=2)
    ledger.close()
    path.write_bytes(b"\0" * 4096)
    assert [claim(ledger, rpm=2).seconds for _ in range(3)] == [0, 0, 60.5]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("moment", "start", "end", "hours"),
    [
        ("2026-11-20T20:00:00", "2026-11-20T08:00:00", "2026-11-21T08:00:00", 24),
        ("2026-11-21T07:59:59", "2026-11-20T08:00:00", "2026-11-21T08:00:00", 24),
        ("2026-11-21T08:00:00", "2026-11-21T08:00:00", "2026-11-22T08:00:00", 24),
        ("2026-03-08T08:00:00", "2026-03-08T08:00:00", "2026-03-09T07:00:00", 23),
        ("2026-03-09T06:59:59", "2026-03-08T08:00:00", "2026-03-09T07:00:00", 23),
        ("2026-11-01T07:00:00", "2026-11-01T07:00:00", "2026-11-02T08:00:00", 25),
        ("2026-11-01T09:30:00", "2026-11-01T07:00:00", "2026-11-02T08:00:00", 25),
        ("2026-11-02T07:59:59", "2026-11-01T07:00:00", "2026-11-02T08:00:00", 25),
    ],
)
def test_a_day_goes_from_midnight_to_midnight_in_california(moment: str, start: str, end: str, hours: int) -> None:
    def seconds(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    assert pacific_day(seconds(moment)) == Day(seconds(start), seconds(end))
    assert seconds(end) - seconds(start) == hours * 3600


def test_a_place_that_is_taken_back_leaves_the_minute_and_the_day_as_they_were(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "limits.sqlite3", clock=Clock())
    limits = Limits(rpm=2, rpd=2)
    first, second = (ledger.claim("main", "m", limits, 10, utc_day) for _ in range(2))
    assert isinstance(first, Slot)
    assert isinstance(second, Slot)
    ledger.take_back("main", "m", second, utc_day)
    assert ledger.usage("main", "m", NOON) == Used(1, 10, 1, None)
    third = ledger.claim("main", "m", limits, 10, utc_day)
    assert isinstance(third, Slot)
    assert third.seconds <= 0
    assert isinstance(ledger.claim("main", "m", limits, 10, utc_day), Spent)
