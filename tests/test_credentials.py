"""Credentials: keys that commands and key stores give, when they are first needed."""

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from boticelli_cli.config import Account
from boticelli_cli.credentials import key_of
from boticelli_cli.errors import CredentialsError
from boticelli_cli.keystore import KeyStore


@pytest.fixture
def store(folder: Path) -> KeyStore:
    return KeyStore(folder / "keys.json", tuple)


def asking(command: str | tuple[str, ...]) -> Account:
    return Account("work", "openai", key_command=command, origin="'api_key_cmd', config.yaml:3")


async def refusal(account: Account, store: KeyStore) -> str:
    with pytest.raises(CredentialsError) as caught:
        await key_of(account, store)
    assert caught.value.provider == "openai"
    return caught.value.message


async def test_a_key_that_is_there_is_given_and_none_where_none_is_needed(store: KeyStore) -> None:
    assert await key_of(Account("a", "openai", "k"), store) == "k"
    assert await key_of(Account("a", "ollama", base_url="http://localhost"), store) is None
    lacking = Account("a", "openai", lacks="$KEY is not set")
    assert await refusal(lacking, store) == "account 'a' has no key for openai: $KEY is not set"


async def test_a_command_is_for_the_shell_or_a_list_and_its_first_line_is_the_key(store: KeyStore) -> None:
    assert await key_of(asking("echo sk-1 | tr 1 2; echo more"), store) == "sk-2"
    assert await key_of(asking((sys.executable, "-c", "print(' sk-$HOME ')")), store) == "sk-$HOME"


async def test_a_command_runs_once_for_all_who_wait_and_is_remembered(store: KeyStore, folder: Path) -> None:
    command = f"echo x >> {shlex.quote(str(folder / 'runs'))}; echo sk-3"
    assert await asyncio.gather(*(key_of(asking(command), store) for _ in range(5))) == ["sk-3"] * 5
    assert await key_of(asking(command), store) == "sk-3"
    assert (folder / "runs").read_text() == "x\n"


async def test_a_command_is_not_given_what_is_piped_in(store: KeyStore) -> None:
    assert await key_of(asking("cat; echo sk-4"), store) == "sk-4"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo sk-secret; echo 'no vault: sk-secret' >&2; exit 3", "failed with exit code 3: no vault: …"),
        ("exit 1", "failed with exit code 1: it says nothing about it"),
        ("true", "wrote no key: its first line is empty"),
        (("/no/such/program",), "cannot be run: No such file or directory"),
        (("a\0b",), "cannot be run: embedded null byte"),
    ],
)
async def test_a_command_that_fails_is_told_without_the_key(
    store: KeyStore, command: str | tuple[str, ...], said: str
) -> None:
    told = await refusal(asking(command), store)
    assert told == f"the command for the key of account 'work' ('api_key_cmd', config.yaml:3) {said}"


async def test_a_command_that_fails_is_asked_again_the_next_time(store: KeyStore, folder: Path) -> None:
    command = f"cat {shlex.quote(str(folder / 'key'))}"
    assert "No such file" in await refusal(asking(command), store)
    (folder / "key").write_text("sk-5\n")
    assert await key_of(asking(command), store) == "sk-5"


async def test_a_command_that_never_stops_writing_fills_no_memory(store: KeyStore) -> None:
    program = "import sys\nfor _ in range(2000): sys.stdout.write('k' * 65536)"
    assert len(await key_of(asking((sys.executable, "-c", program)), store) or "") == 65_536


async def test_a_command_that_hangs_is_ended(store: KeyStore, folder: Path) -> None:
    program = f"import os, time; open({str(folder / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    account = asking((sys.executable, "-c", program))
    with pytest.raises(CredentialsError, match=r"gave no key within 0\.5 seconds"):
        await key_of(account, store, patience=0.5)
    if (folder / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((folder / "pid").read_text()), 0)


async def test_a_command_that_hangs_in_what_it_started_itself_is_not_waited_for(store: KeyStore) -> None:
    begun = time.monotonic()
    with pytest.raises(CredentialsError, match=r"gave no key within 0\.2 seconds"):
        await key_of(asking("sleep 5; echo key"), store, patience=0.2)
    assert time.monotonic() - begun < 1


async def test_keys_of_the_store_are_read_when_they_are_needed(store: KeyStore) -> None:
    account = Account("work", "openai", key_stored="openai/work")
    assert await refusal(account, store) == "no key 'openai/work' is stored"
    store.set("openai/work", "sk-6")
    assert await key_of(account, store) == "sk-6"
    store.remove("openai/work")
    assert await key_of(account, store) == "sk-6"
