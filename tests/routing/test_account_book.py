"""The account book: what one process knows of an account, the next one does, and people can see."""

import asyncio
import math
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.errors import (
    CredentialsError,
    ProviderError,
)
from boticelli_cli.routing.account_book import AccountBook, AccountState, account_states
from boticelli_cli.routing.cooldowns import Rest
from boticelli_cli.routing.roster import Roster
from boticelli_cli.routing.standings import Standings
from tests.clock import run_virtual
from tests.routing.limiting import NOON, Wall, open_ledger
from tests.routing.pooling import Key, ask, failing, pool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


FIRST_VERSION = f"""
    CREATE TABLE sent (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL, model TEXT NOT NULL,
        at REAL NOT NULL, tokens INTEGER NOT NULL, written REAL NOT NULL
    );
    CREATE TABLE days (
        account TEXT NOT NULL, model TEXT NOT NULL,
        start REAL NOT NULL, end REAL NOT NULL, requests INTEGER NOT NULL, spent_until REAL NOT NULL,
        PRIMARY KEY (account, model, start)
    ) WITHOUT ROWID;
    INSERT INTO sent VALUES (1, 'main', 'm', {NOON}, 5, {NOON});
    PRAGMA application_id = {0x626F7469};
    PRAGMA user_version = 1;
"""


def kept(path: Path, roster: Roster, **options: Any) -> Standings:
    clock = options.pop("clock", None) or Wall()
    return Standings(roster, book=AccountBook(path, clock=clock), warn=lambda message: None, clock=clock, **options)


def test_what_speaks_against_an_account_is_known_to_the_next_process_until_it_is_over(path: Path) -> None:
    def process(at: float, *keys: Key) -> None:
        async def life() -> None:
            roster = Roster()
            standings = kept(path, roster, clock=Wall(NOON + at))
            await ask(pool(*keys, roster=roster, standings=standings, each=lambda number: {"priority": number}))

        run_virtual(life())

    process(0, Key(failing(500)), Key())
    first, second = Key(), Key()
    process(200, first, second)
    assert (first.asked, second.asked) == (0, 1)
    process(301, first, second)
    assert (first.asked, second.asked) == (1, 1)


def test_people_can_see_which_accounts_rest_and_why(path: Path) -> None:
    assert account_states(path) == []
    assert not path.exists()
    errors = [failing(429, retry_after=30), CredentialsError("the key is wrong"), CredentialsError("the key is wrong")]
    key = Key(*errors, CredentialsError("the key is wrong"))

    async def life() -> None:
        roster = Roster()
        accounts = pool(key, Key(), roster=roster, standings=kept(path, roster))
        await ask(accounts)
        [state] = account_states(path)
        assert (state.account, state.model, state.until, state.reason) == ("a", "m", NOON + 30, "no")
        for _ in range(6):
            await asyncio.sleep(1801)
            await ask(accounts)
        whole, _ = account_states(path)
        assert (whole.account, whole.model, whole.reason, whole.refusals) == ("a", "", "the key is wrong", 3)
        assert whole.is_disabled

    run_virtual(life())
    assert key.asked == 4


def test_a_success_clears_what_was_written(path: Path) -> None:
    async def life() -> None:
        roster = Roster()
        accounts = pool(Key(failing(500)), Key(), roster=roster, standings=kept(path, roster))
        await ask(accounts)
        assert len(account_states(path)) == 1
        await asyncio.sleep(301)
        await ask(accounts)
        await ask(accounts)

    run_virtual(life())
    assert account_states(path) == []


def test_nothing_is_written_while_all_goes_well(path: Path) -> None:
    async def life() -> None:
        roster = Roster()
        accounts = pool(Key(), Key(), roster=roster, standings=kept(path, roster))
        for _ in range(3):
            await ask(accounts)

    run_virtual(life())
    assert not path.exists()


@pytest.mark.parametrize("damage", ["foreign", "folder"])
def test_a_file_that_cannot_be_used_fails_no_request_and_is_told_once(path: Path, damage: str) -> None:
    path.parent.mkdir()
    path.mkdir() if damage == "folder" else path.write_bytes(b"something else" * 100)
    warnings: list[str] = []

    async def life() -> None:
        roster = Roster()
        standings = Standings(roster, book=AccountBook(path, warn=warnings.append), warn=lambda message: None)
        accounts = pool(Key(*[failing(503)] * 3), Key(*[failing(503)] * 2), roster=roster, standings=standings)
        for _ in range(5):
            with suppress(ProviderError):
                await ask(accounts)
            await asyncio.sleep(61)

    run_virtual(life())
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert account_states(path) == []


def test_a_file_from_before_there_were_accounts_gets_them_and_keeps_its_counts(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_VERSION)

    async def look() -> None:
        told: list[str] = []
        ledger = open_ledger(path, clock=Wall(), warn=told.append)
        book = AccountBook(path, clock=Wall(), warn=told.append)
        assert book.read() == []
        book.write("main", Rest(NOON + 60, "failed", "no"))
        assert account_states(path) == [AccountState("main", "", NOON + 60, "failed", "no")]
        assert ledger.usage("main", "m", NOON).requests == 1
        assert told == []

    run_virtual(look())


def test_what_was_over_a_week_ago_is_forgotten(path: Path) -> None:
    book = AccountBook(path, clock=lambda: NOON)
    book.write("a", Rest(NOON - 8 * 86_400, "failed", "no"))
    book.write("b", Rest(NOON - 86_400, "told", "no", "m"))
    book.write("c", Rest(math.inf, "disabled", "no"), 3)
    assert book.read() == [
        AccountState("b", "m", NOON - 86_400, "told", "no"),
        AccountState("c", "", math.inf, "disabled", "no", 3),
    ]


@pytest.mark.slow
def test_a_file_that_is_locked_for_seconds_fails_no_request(path: Path) -> None:
    AccountBook(path).write("x", Rest(0.0, "failed", "no"))
    warnings: list[str] = []

    async def life() -> None:
        roster = Roster()
        standings = Standings(roster, book=AccountBook(path, warn=warnings.append))
        await ask(pool(Key(failing(503)), Key(), roster=roster, standings=standings))

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run_virtual(life())
    assert len(warnings) == 1
    assert "locked" in warnings[0]
