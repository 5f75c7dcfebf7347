"""`boticelli keys`: keys that are kept, and never shown."""

import json
from pathlib import Path

import pytest

from tests.cli.inside import boticelli
from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import serving
from tests.process import Terminal
from tests.process import boticelli as process

KEY = "sk-ant-0123456789abcdefx7Qa"


def test_keeps_lists_and_removes_a_key(folder: Path) -> None:
    done = boticelli("keys", "set", "anthropic", stdin=f"{KEY}\n")
    assert (done.code, done.out, done.err) == (
        0,
        "anthropic: kept in a file that only you can read, ends in …x7Qa\n",
        "",
    )
    assert boticelli("keys", "list").out == "anthropic\tfile\t…x7Qa\n"
    path = boticelli("keys", "path").out.strip()
    assert path == str(folder.parent / "home" / "keys.json")
    assert json.loads(boticelli("keys", "list", "--format", "json").out) == {
        "path": path,
        "keys": [{"name": "anthropic", "kept_in": "file", "ends_in": "x7Qa"}],
    }
    assert boticelli("keys", "remove", "anthropic").out == "anthropic: removed\n"
    nothing = boticelli("keys", "list")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "no keys are kept; boticelli keys set NAME keeps one\n"


def test_a_terminal_asks_for_the_key_and_does_not_show_it() -> None:
    terminal = Terminal("keys", "set", "openai/work")
    terminal.read_until(lambda seen: "Key of openai/work (it is not shown):" in seen.screen)
    terminal.type(f"{KEY}\r".encode())
    assert terminal.finish() == 0
    assert "openai/work: kept in a file that only you can read, ends in …x7Qa" in terminal.everything
    assert KEY.encode() not in terminal.raw
    listing = Terminal("keys", "list")
    assert listing.finish() == 0
    assert [line.split() for line in listing.screen.splitlines()[:2]] == [
        ["NAME", "KEPT", "IN", "ENDS", "IN"],
        ["openai/work", "file", "…x7Qa"],
    ]


def test_ctrl_c_keeps_nothing() -> None:
    terminal = Terminal("keys", "set", "openai")
    terminal.read_until(lambda seen: "it is not shown" in seen.screen)
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert boticelli("keys", "list").out == ""


@pytest.mark.parametrize("arguments", [("anthropic", KEY), (KEY,), ("AIzaSyA-1234567890abcdefghijklmnop",)])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(arguments: tuple[str, ...]) -> None:
    done = boticelli("keys", "set", *arguments, stdin=KEY)
    assert (done.code, done.out) == (2, "")
    assert "a key is never an argument: what is typed stands in the shell's history" in done.err
    assert arguments[-1] not in done.err
    assert boticelli("keys", "list").out == ""


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("set", "antropic"), KEY, "unknown provider 'antropic'; did you mean 'anthropic'?"),
        (("set", "openai/"), KEY, "'openai/' names no account; write it as provider/account"),
        (("set", "openai"), "", "no key was given"),
        (("set", "openai"), f"{KEY}\n{KEY}\n", "a key is one line; more than that was piped in"),
        (("set", "openai"), "a key", "this is no key: there are characters in it that no key has"),
        (("remove", "openai"), "", "no key 'openai' is stored; there are none"),
        (("remove", KEY), "", "keys are removed by their names; boticelli keys list shows them"),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], typed: str, said: str) -> None:
    done = boticelli("keys", *arguments, stdin=typed)
    assert (done.code, done.out) == (2, "")
    assert f"error: {said}" in done.err
    assert KEY not in done.err


def test_a_kept_key_and_one_that_a_command_writes_are_sent(folder: Path) -> None:
    config = "accounts: [{name: a, provider: gemini, api_key_cmd: echo AIzaSyOther-0123456789}]"
    with serving(FakeGemini(keys=[KEY, "AIzaSyOther-0123456789"])) as fake:
        env = {"GOOGLE_GEMINI_BASE_URL": fake.url}
        boticelli("keys", "set", "gemini", stdin=KEY)
        assert process("stream", "Say hello", env=env).out == "You said: Say hello\n"
        assert "gemini lists" in boticelli("models", "--refresh", env=env).err
        (folder.parent / "home" / "config.yaml").write_text(config)
        assert process("stream", "Say hello", env=env).out == "You said: Say hello\n"
        (folder.parent / "home" / "config.yaml").write_text(config.replace("echo", "false"))
        failed = boticelli("models", "--refresh", env=env)
    assert (failed.code, failed.out) == (3, "")
    assert "the command for the key of account 'a'" in failed.err
    assert "AIzaSyOther" not in failed.err


def test_keys_are_in_the_systems_keyring_where_there_is_one(folder: Path) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    kept: dict[tuple[str, str], str] = {}

    class Memory(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        done = boticelli("keys", "set", "gemini", stdin=KEY)
        assert done.out == "gemini: kept in the system's keyring, ends in …x7Qa\n"
        assert kept == {(f"boticelli {folder.parent / 'home'}", "gemini"): KEY}
        with serving(FakeGemini(keys=[KEY])) as fake:
            env = {"GOOGLE_GEMINI_BASE_URL": fake.url}
            assert "gemini lists" in boticelli("models", "--refresh", env=env).err
        assert "the key 'gemini' is kept in the keyring, ends in …x7Qa" in boticelli("doctor").out
        boticelli("keys", "remove", "gemini")
        assert kept == {}
    finally:
        keyring.set_keyring(before)


def test_says_when_a_key_is_not_used() -> None:
    done = boticelli("keys", "set", "openai", stdin=KEY, env={"OPENAI_API_KEY": "other"})
    assert done.code == 0
    assert done.err == "it is not used here: account 'openai' comes first ($OPENAI_API_KEY)\n"


def test_says_when_a_key_is_of_an_account_that_there_is_not(folder: Path) -> None:
    (folder / "boticelli.yaml").write_text("accounts: [{name: home, provider: anthropic}]")
    done = boticelli("keys", "set", "anthropic/hoem", stdin=KEY)
    assert done.err == "it is not used here: anthropic has no account 'hoem'; did you mean 'home'?\n"
    assert "; there are home\n" in boticelli("keys", "set", "anthropic/work", stdin=KEY).err


def test_knows_the_providers_of_the_configuration(folder: Path) -> None:
    (folder / "boticelli.yaml").write_text("providers: {mine: {dialect: openai, base_url: 'https://a.test/v1'}}")
    done = boticelli("keys", "set", "mine", stdin=KEY)
    assert done.code == 0
    assert "is not sent to an address that came with the project" in done.err


def test_says_that_others_could_read_the_keys(folder: Path) -> None:
    boticelli("keys", "set", "openai", stdin=KEY)
    (folder.parent / "home" / "keys.json").chmod(0o644)
    done = boticelli("keys", "list")
    assert done.out == "openai\tfile\t…x7Qa\n"
    assert "others could read these keys; that is mended, but they may know them" in done.err
    assert boticelli("keys", "list").err == ""
