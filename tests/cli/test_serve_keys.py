"""`boticelli serve keys`: keys that are issued, shown once, and revoked."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from boticelli_cli.cli.serve_keys import serve_keys
from boticelli_cli.config import environment as ours
from boticelli_cli.config import read_config
from boticelli_cli.gateway_keys import keyring, until
from boticelli_cli.grants import Grant, hash_of
from boticelli_cli.issued_keys import IssuedKeys
from tests.process import PATIENCE, Finished, Terminal, environment

HASH = "0123456789abcdef" * 4
ALONE = ("-c", "from boticelli_cli.cli.serve_keys import serve_keys; serve_keys(prog_name='boticelli serve keys')")


def keys(*arguments: str) -> Finished:
    """Run a command of the group with pipes for its streams."""
    done = CliRunner().invoke(serve_keys, arguments, prog_name="boticelli serve keys")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Finished(done.exit_code, done.stdout, done.stderr)


def issued(folder: Path) -> tuple[Grant, ...]:
    return IssuedKeys(folder.parent / "home" / "gateway_keys.json").grants()


def configure(folder: Path, text: str) -> None:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(text)


def test_prints_a_new_key_once_and_keeps_its_hash_alone(folder: Path) -> None:
    done = keys("new", "ci")
    key = done.out.removesuffix("\n")
    assert key.startswith("bot-")
    assert done.code == 0
    assert done.err == (
        "ci: issued; permissions: all; models: any; expires: never; limits: none\n"
        "it is not shown again: keep it where only its holder can read it\n"
    )
    assert issued(folder) == (Grant("ci", hash_of(key)),)
    assert key not in (folder.parent / "home" / "gateway_keys.json").read_text()
    assert key not in keys("list").out + keys("list", "--format", "json").out


def test_a_key_grants_what_is_said(folder: Path) -> None:
    limits = ("--rpm", "60", "--tpm", "90000", "--max-concurrent", "5", "--usd-per-day", "2", "--usd-total", "30.5")
    faces = ("--permission", "claude", "--permission", "gemini", "--permission", "claude")
    models = ("--model", "gemini-*", "--model", "claude-opus-4-7")
    done = keys("new", "ci", *faces, *models, "--expires", "2099-01-31", *limits, "-q")
    assert done.err == ""
    expires = datetime(2099, 1, 31, tzinfo=UTC)
    assert issued(folder) == (
        Grant(
            "ci",
            hash_of(done.out.strip()),
            ("claude", "gemini"),
            ("gemini-*", "claude-opus-4-7"),
            expires,
            60,
            90_000,
            5,
            2.0,
            30.5,
        ),
    )
    assert keys("list").out.split("\t") == [
        *("ci", "issued", "claude, gemini", "gemini-*, claude-opus-4-7", "2099-01-31 00:00 UTC"),
        "60 requests/min, 90,000 tokens/min, 5 at once, 2 USD/day, 30.5 USD in all\n",
    ]


async def test_the_gateway_takes_it_and_those_of_the_configuration(folder: Path) -> None:
    key = keys("new", "ci").out.strip()
    configure(folder, f"gateway: {{keys: [{{name: me, sha256: {hash_of('bot-mine')}}}]}}")
    ring = keyring(read_config(ours(), folder).gateway)
    assert [await ring.find(each) for each in (key, "bot-mine", "bot-other")] == [
        Grant("ci", hash_of(key)),
        Grant("me", hash_of("bot-mine")),
        None,
    ]


def test_prints_the_hash_for_a_configuration_as_json(folder: Path) -> None:
    facts = json.loads(keys("new", "ci", "--format", "json").out)
    assert facts == {"name": "ci", "key": facts["key"], "sha256": hash_of(facts["key"])}
    [listed] = json.loads(keys("list", "--format", "json").out)["keys"]
    assert (listed["name"], listed["from"], listed["sha256"]) == ("ci", "issued", facts["sha256"])
    assert listed["permissions"] == ["all"]


def test_lists_the_keys_of_the_configuration_beside_those_issued(folder: Path) -> None:
    assert keys("list").err == "there are no keys; boticelli serve keys new NAME issues one\n"
    keys("new", "ci")
    configure(
        folder, f"gateway: {{keys: [{{name: admin, sha256: {HASH}, permissions: [admin], expires: 2020-01-01}}]}}"
    )
    assert keys("list").out == (
        "admin\tconfiguration\tadmin\tany\t2020-01-01 00:00 UTC (over)\tnone\nci\tissued\tall\tany\tnever\tnone\n"
    )


def test_removes_a_key_by_its_name(folder: Path) -> None:
    keys("new", "ci")
    done = keys("remove", "ci")
    assert (done.code, done.out) == (0, "ci: removed; a gateway that runs refuses it within a second\n")
    assert issued(folder) == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "ci"), "there is a key 'ci' already; give this one another name"),
        (("new", "me"), "config.yaml'; give this one another name"),
        (("new", "anyone"), "'anyone' is what those without a key are called"),
        (("new", "a\nb"), "a key's name is at most 64 letters"),
        (("new", "a", "--permission", "claud"), "unknown permission 'claud'; did you mean 'claude'?"),
        (("new", "a", "--permission", "x"), "unknown permission 'x'; there are claude, gemini, openai, all, admin"),
        (("new", "a", "--expires", "soon"), "'soon' is no time to end at; it looks like 30d"),
        (("new", "a", "--expires", "2020-01-01"), "'2020-01-01' is over already"),
        (("new", "a", "--expires", "0d"), "'0d' is over already"),
        (("new", "a", "--usd-total", "nan"), "--usd-total is a sum in USD"),
        (("new", "a", "--usd-per-day", "-1"), "--usd-per-day is a sum in USD"),
        (("remove", "cii"), "no key 'cii' has been issued; did you mean 'ci'?"),
        (("remove", "other"), "no key 'other' has been issued; boticelli serve keys list shows them"),
        (("remove", "me"), "config.yaml'; take it out there"),
        (("remove", HASH), "keys are removed by their names"),
    ],
)
def test_mistakes_are_told_and_change_nothing(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    keys("new", "ci")
    configure(folder, f"gateway: {{keys: [{{name: me, sha256: {HASH}}}]}}")
    before = issued(folder)
    done = keys(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert issued(folder) == before


def test_a_key_that_nobody_could_read_is_revoked_again(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, *ALONE, "new", "ci"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment(None),
        timeout=PATIENCE,
        check=False,
    )
    os.close(write)
    assert b"ci: nobody could read the key, so it is revoked again" in done.stderr
    assert issued(folder) == ()


def test_on_a_terminal_the_columns_have_a_heading(folder: Path) -> None:
    keys("new", "ci", "--rpm", "5")
    terminal = Terminal("list", command=[sys.executable, *ALONE], columns=100)
    assert terminal.finish() == 0
    assert terminal.screen.split("\n")[:2] == [
        "NAME  FROM    PERMISSIONS  MODELS  EXPIRES  LIMITS",
        "ci    issued  all          any     never    5 requests/min",
    ]


@pytest.mark.parametrize("command", ["new", "list", "remove"])
def test_help_has_examples(command: str) -> None:
    assert f"Examples:\n    boticelli serve keys {command}" in keys(command, "--help").out


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(weeks=2)),
        ("2026-11-21", timedelta(hours=12)),
        ("2026-11-20T14:00+01:00", timedelta(hours=1)),
    ],
)
def test_an_end_is_a_time_from_now_or_a_date(text: str, ends: timedelta) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert until(text, now) == now + ends
