"""Credentials: the key of an account, from wherever it is, when it is first needed.

A command that writes a key, and a keyring, may ask a person something. So they are asked once for all who wait, and
what they gave is remembered as long as the program runs.
"""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast
from weakref import WeakKeyDictionary

from boticelli_cli.config import Account
from boticelli_cli.errors import CredentialsError
from boticelli_cli.keystore import KeyStore
from boticelli_cli.narrative.files import reason_of

__all__ = ["COMMAND_SECONDS", "has_key_elsewhere", "key_of"]

COMMAND_SECONDS = 30.0
"""How long a command may take to write a key."""

_MOST = 65_536
"""Bytes that are kept of what a command writes."""

_Source = tuple[str, str | tuple[str, ...]]

_remembered: dict[_Source, str] = {}
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Source, asyncio.Lock]] = WeakKeyDictionary()


async def key_of(account: Account, store: KeyStore, *, patience: float = COMMAND_SECONDS) -> str | None:
    """The key of an account; None for one that asks without. Raises CredentialsError, which shows no key.

    A command may take as many seconds as `patience` says.
    """
    if account.lacks is not None:
        raise CredentialsError(
            f"account '{account.name}' has no key for {account.provider}: {account.lacks}", provider=account.provider
        )
    if account.key_command is not None:
        command = account.key_command
        return await _once(("command", command), lambda: _written_by(command, account, patience))
    if account.key_stored is not None:
        name = account.key_stored
        return await _once((str(store.path), name), lambda: asyncio.to_thread(store.get, name))
    return account.api_key


def has_key_elsewhere(account: Account) -> bool:
    """Whether the key of an account has yet to be had, which may take as long as a person does."""
    return account.key_command is not None or account.key_stored is not None


async def _once(source: _Source, find: Callable[[], Awaitable[str]]) -> str:
    """What somebody has found already, or is about to find, or what is found now."""
    locks = _locks.setdefault(asyncio.get_running_loop(), {})
    async with locks.setdefault(source, asyncio.Lock()):
        if source not in _remembered:
            _remembered[source] = await find()
        return _remembered[source]


async def _written_by(command: str | tuple[str, ...], account: Account, patience: float) -> str:
    """The first line that a command writes. Raises CredentialsError."""
    try:
        process = await _start(command)
    except (OSError, ValueError) as error:
        raise _failed(account, f"cannot be run: {reason_of(error)}") from None
    try:
        async with asyncio.timeout(patience):
            written, said, _ = await asyncio.gather(_read(process.stdout), _read(process.stderr), process.wait())
    except TimeoutError:
        raise _failed(account, f"gave no key within {patience:g} seconds") from None
    finally:
        if process.returncode is None:
            await _end(process)
    key = (written.splitlines() or [""])[0].strip()
    if process.returncode != 0:
        why = " ".join((said.replace(key, "…") if key else said).split())[-500:] or "it says nothing about it"
        raise _failed(account, f"failed with exit code {process.returncode}: {why}")
    if not key:
        raise _failed(account, "wrote no key: its first line is empty")
    return key


async def _start(command: str | tuple[str, ...]) -> Process:
    """Start a command. What is piped into this program is not for it; a person is asked at the terminal itself."""
    if isinstance(command, str):
        return await asyncio.create_subprocess_shell(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    return await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)


async def _end(process: Process) -> None:
    """End a command. What it has started itself may go on, and keep its pipes open: that is not waited for."""
    with suppress(ProcessLookupError, TimeoutError):
        process.kill()
        cast(
            "Any", process
        )._transport.close()  # a `Process` closes its own ends of the pipes only when the others are closed
        async with asyncio.timeout(1):
            await process.wait()


async def _read(stream: asyncio.StreamReader | None) -> str:
    """What is written, to its end, of which the beginning is kept."""
    kept = b""
    while stream is not None and (piece := await stream.read(_MOST)):
        kept += piece[: _MOST - len(kept)]
    return kept.decode(errors="replace")


def _failed(account: Account, why: str) -> CredentialsError:
    where = f" ({account.origin})" if account.origin else ""
    return CredentialsError(
        f"the command for the key of account '{account.name}'{where} {why}",
        provider=account.provider,
        hint="run it by hand; its first line has to be the key",
    )
