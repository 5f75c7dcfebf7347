"""The key store: keys in a keyring, or else in a file that nobody else can read."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from boticelli_cli.errors import ConfigError, CredentialsError, SaveError
from boticelli_cli.keystore import Keyring, KeyStore, StoredKey, system_keyrings

KEY = "sk-ant-0123456789abcdefx7Qa"


class FakeKeyring:
    """A keyring in memory; one that is locked refuses everything."""

    def __init__(self, *, refuses: Exception | None = None) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.refuses = refuses

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.kept[service, username]

    def _check(self) -> None:
        if self.refuses is not None:
            raise self.refuses


def having(*keyrings: Keyring) -> Callable[[], Sequence[Keyring]]:
    return lambda: keyrings


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "config" / "keys.json"


def test_without_a_keyring_keys_are_in_a_file_that_only_its_owner_reads(path: Path) -> None:
    store = KeyStore(path, having())
    assert store.names() == ()
    assert store.set("anthropic", KEY) == (StoredKey("anthropic", "file", "x7Qa"), None)
    assert KeyStore(path, having()).get("anthropic") == KEY
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["keys.json"]


def test_with_a_keyring_the_file_has_only_the_names(path: Path) -> None:
    keyring = FakeKeyring()
    store = KeyStore(path, having(keyring))
    assert store.set("openai/work", KEY) == (StoredKey("openai/work", "keyring", "x7Qa"), None)
    assert store.get("openai/work") == KEY
    assert store.entries() == [StoredKey("openai/work", "keyring", "x7Qa")]
    assert KEY not in path.read_text()
    assert store.remove("openai/work")
    assert (keyring.kept, store.names()) == ({}, ())
    assert not store.remove("openai/work")


def test_stores_in_two_folders_have_different_keys_in_one_keyring(folder: Path) -> None:
    keyring = FakeKeyring()
    one, two = (KeyStore(folder / name / "keys.json", having(keyring)) for name in ("a", "b"))
    one.set("openai", "first")
    two.set("openai", "second")
    assert (one.get("openai"), two.get("openai")) == ("first", "second")


def test_a_key_that_a_keyring_refuses_goes_into_the_file_and_it_is_said_why(path: Path) -> None:
    store = KeyStore(path, having(FakeKeyring(refuses=RuntimeError("the collection\nis locked"))))
    assert store.set("openai", KEY) == (StoredKey("openai", "file", "x7Qa"), "the collection is locked")
    assert store.get("openai") == KEY


def test_a_keyring_that_is_only_for_reading_is_passed_over(path: Path) -> None:
    keyring = FakeKeyring()
    store = KeyStore(path, having(FakeKeyring(refuses=NotImplementedError()), keyring))
    assert store.set("openai", KEY)[0].place == "keyring"
    assert list(keyring.kept.values()) == [KEY]


def test_a_locked_or_emptied_keyring_is_told_without_the_key(path: Path) -> None:
    keyring = FakeKeyring()
    store = KeyStore(path, having(keyring))
    store.set("openai/work", KEY)
    keyring.refuses = RuntimeError("it is locked")
    with pytest.raises(CredentialsError, match="the keyring does not give the key 'openai/work': it is locked") as told:
        store.get("openai/work")
    assert (told.value.provider, told.value.hint) == (
        "openai",
        "unlock it, or store it again: boticelli keys set openai/work",
    )
    with pytest.raises(SaveError, match="does not remove the key 'openai/work': it is locked"):
        store.remove("openai/work")
    assert store.names() == ("openai/work",)
    keyring.refuses = None
    keyring.kept.clear()
    with pytest.raises(CredentialsError, match="no longer in the keyring"):
        store.get("openai/work")
    with pytest.raises(CredentialsError, match="no key 'gemini' is stored"):
        store.get("gemini")
    assert store.remove("openai/work")


def test_of_a_short_key_nothing_is_shown(path: Path) -> None:
    store = KeyStore(path, having())
    assert store.set("openai", "0123456789")[0].ends == ""
    assert store.entries() == [StoredKey("openai", "file", "")]


def test_a_file_that_others_can_read_is_closed_to_them_and_it_is_said(path: Path) -> None:
    KeyStore(path, having()).set("openai", KEY)
    path.chmod(0o644)
    store = KeyStore(path, having())
    assert store.names() == ("openai",)
    assert path.stat().st_mode & 0o777 == 0o600
    [notice] = store.notices
    assert notice.endswith("others could read these keys; that is mended, but they may know them")
    assert KEY not in notice


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": []}', '{"keys": {"openai": "sk-ant-secret"}}', "sk-ant-secret"]
)
def test_what_holds_no_keys_is_refused_without_being_shown(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="this is no store of keys") as caught:
        KeyStore(path, having()).names()
    assert "sk-ant-secret" not in str(caught.value)


def test_a_linked_file_stays_a_link(path: Path, folder: Path) -> None:
    path.parent.mkdir()
    (folder / "dotfiles.json").write_text(json.dumps({"keys": {}}))
    path.symlink_to(folder / "dotfiles.json")
    KeyStore(path, having()).set("openai", KEY)
    assert path.is_symlink()
    assert json.loads((folder / "dotfiles.json").read_text())["keys"]["openai"]["key"] == KEY


def test_a_folder_that_cannot_be_written_to_is_told(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(SaveError, match=r"keys\.json' cannot be written"):
        KeyStore(folder / "file" / "keys.json", having()).set("openai", KEY)


def test_keyrings_that_keep_nothing_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backends import fail, null

    before = keyring.get_keyring()
    try:
        for backend in (fail.Keyring(), null.Keyring()):
            keyring.set_keyring(backend)
            assert list(system_keyrings()) == []
    finally:
        keyring.set_keyring(before)
    assert os.environ["PYTHON_KEYRING_BACKEND"] == "keyring.backends.fail.Keyring"
