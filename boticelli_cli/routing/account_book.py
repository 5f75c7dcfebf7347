"""The account book: which accounts rest, until when and why, kept for the next process and for people to see."""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from boticelli_cli.routing.cooldowns import Kind, Rest
from boticelli_cli.routing.ledger_file import connect, is_missing
from boticelli_cli.sqlite_file import create

__all__ = ["AccountBook", "AccountState", "account_states"]

_KEPT = 7 * 86_400.0
"""Seconds for which a rest that is over is kept, for people to see."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AccountState:
    """What speaks against an account: as a whole, or for one `model` where that is not empty.

    `account` is as it is counted. `until` is in seconds since 1970, infinite for one that is `disabled`; `reason` is
    the provider's word. `refusals` are how often its credentials were refused in a row.
    """

    account: str
    model: str
    until: float
    kind: Kind
    reason: str
    refusals: int = 0

    @property
    def is_disabled(self) -> bool:
        return self.kind == "disabled"


class AccountBook:
    """The table of accounts in the ledger's file, which is made when there is something to write.

    It is opened for each call, and there is a call for an error, and for the success that ends its effect, only. Where
    that fails, `warn` is told once, and accounts are known for the time of this process.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.time, warn: Callable[[str], None] | None = None
    ) -> None:
        self._path = path
        self._clock = clock
        self._warn = warn or logging.getLogger(__name__).warning
        self._is_broken = False

    def now(self) -> float:
        return self._clock()

    def read(self) -> list[AccountState]:
        """All that is written, what is over among it."""
        return [] if is_missing(self._path) else self._do(_states) or []

    def write(self, account: str, rest: Rest, refusals: int = 0) -> None:
        """Write down that an account rests, until a moment in seconds since 1970, in place of what was known before."""
        state = (account, rest.model, rest.until, rest.kind, rest.reason, refusals)

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM accounts WHERE until < ?", (self._clock() - _KEPT,))
            db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?)", state)

        self._do(work)

    def clear(self, account: str, model: str) -> None:
        """Forget what spoke against an account as a whole, and for a model."""
        self._do(lambda db: db.execute("DELETE FROM accounts WHERE account = ? AND model IN ('', ?)", (account, model)))

    def forget(self, account: str) -> None:
        """Forget all that speaks against an account."""
        if not is_missing(self._path):
            self._do(lambda db: db.execute("DELETE FROM accounts WHERE account = ?", (account,)))

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        if self._is_broken:
            return None
        try:
            create(self._path)
            with closing(connect(str(self._path))) as db:
                return work(db)
        except (sqlite3.Error, OSError) as exc:
            self._is_broken = True
            self._warn(f"it cannot be kept in {self._path} which accounts rest ({exc}); other processes will not know")
            return None


def account_states(path: Path) -> list[AccountState]:
    """What is written of all accounts, for people; nothing where nothing can be read."""
    return AccountBook(path, warn=lambda message: None).read()


def _states(db: sqlite3.Connection) -> list[AccountState]:
    return [AccountState(*row) for row in db.execute("SELECT * FROM accounts ORDER BY account, model")]
