"""Online: what each account's provider answers to a question that costs nothing, and what time it is there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter

from boticelli_cli.config import Account
from boticelli_cli.credentials import COMMAND_SECONDS, has_key_elsewhere
from boticelli_cli.doctor.access import name_of
from boticelli_cli.doctor.finding import Finding, State
from boticelli_cli.errors import CredentialsError, InputError, ProviderError

__all__ = ["PATIENCE", "Ask", "answers", "clock_of"]

_SECTION = "Online"

PATIENCE = 10.0
"""Seconds that a provider has for its answer; what writes or keeps its key has its own time."""

_AT_ONCE = 16

_DOUBTFUL_SECONDS = 30
_WRONG_SECONDS = 240
"""How far a clock may be out. AWS refuses requests that were signed more than five minutes away from its own time."""

Ask = Callable[[Account], Awaitable[int]]
"""Asks a provider with an account which models it has, and says how many. Raises ProviderError, or
InputError where that cannot be asked."""


async def answers(accounts: Sequence[Account], ask: Ask) -> list[Finding]:
    """What became of asking with each account, all at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(account: Account) -> Finding:
        async with gate:
            return await _answer(account, ask)

    return list(await asyncio.gather(*map(one, accounts)))


async def _answer(account: Account, ask: Ask) -> Finding:
    name = name_of(account)
    started = perf_counter()
    patience = PATIENCE + (COMMAND_SECONDS if has_key_elsewhere(account) else 0)
    try:
        async with asyncio.timeout(patience):
            count = await ask(account)
    except TimeoutError:
        return Finding(_SECTION, name, f"gave no answer within {patience:g} seconds", "wrong", "is there a network?")
    except CredentialsError as error:
        return Finding(_SECTION, name, error.message, "wrong", _remedy(account, error))
    except ProviderError as error:
        state: State = "doubtful" if error.status == 429 else "wrong"
        return Finding(_SECTION, name, error.message, state, error.hint)
    except InputError as error:  # it is nothing that could be asked so
        return Finding(_SECTION, name, error.message, "unused", error.hint)
    seconds = perf_counter() - started
    return Finding(_SECTION, name, f"answers: {count} model{'' if count == 1 else 's'}, after {seconds:.1f} s")


def _remedy(account: Account, error: CredentialsError) -> str:
    """What to do about a key that was refused, or could not be had: the error knows, unless it stands elsewhere."""
    if account.key_stored is not None:
        return f"give it another key: boticelli keys set {account.key_stored}"
    if account.api_key is not None and account.is_named and account.origin is not None:
        return f"its key came from {account.origin}; put another one there"
    return error.hint or f"give it another key: boticelli keys set {name_of(account)}"


def clock_of(theirs: datetime | None, ours: datetime) -> Finding:
    """How our clock compares with that of somebody who was asked just now."""
    if theirs is None:
        return Finding(_SECTION, "clock", "nobody says what time it is", "unused")
    off = round((ours - theirs.astimezone(UTC)).total_seconds())
    said = "right" if abs(off) <= 2 else f"{abs(off)} seconds {'ahead' if off > 0 else 'behind'}"
    if abs(off) > _WRONG_SECONDS:
        return Finding(_SECTION, "clock", said, "wrong", "set it; AWS refuses requests from another time")
    return Finding(_SECTION, "clock", said, "doubtful" if abs(off) > _DOUBTFUL_SECONDS else "fine")
