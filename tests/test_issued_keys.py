"""The gateway's issued keys, in a file."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from boticelli_cli.errors import ConfigError, SaveError
from boticelli_cli.grants import Grant, hash_of
from boticelli_cli.issued_keys import IssuedKeys, new_key
from tests.process import PATIENCE, environment

CI = Grant("ci", "0" * 64, ("claude", "gemini"), ("gemini-*",), datetime(2099, 1, 31, tzinfo=UTC), 60, 9, 5, 2.0, 30.5)
ME = Grant("me", "1" * 64)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "config" / "gateway_keys.json"


def test_a_key_is_new_every_time_and_known_by_its_hash() -> None:
    one, two = new_key(), new_key()
    assert one != two
    assert one.startswith("bot-")
    assert len(one) == 47
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_gives_back_what_was_kept_in_its_order(path: Path) -> None:
    keys = IssuedKeys(path)
    assert keys.grants() == ()
    assert keys.add(CI)
    assert keys.add(ME)
    assert IssuedKeys(path).grants() == (CI, ME)


def test_a_name_is_kept_once_and_forgotten_once(path: Path) -> None:
    keys = IssuedKeys(path)
    assert keys.add(CI)
    assert not keys.add(Grant("ci", "2" * 64))
    assert keys.grants() == (CI,)
    assert keys.remove("ci")
    assert not keys.remove("ci")
    assert keys.grants() == ()


def test_only_its_owner_reads_the_file(path: Path) -> None:
    keys = IssuedKeys(path)
    keys.add(CI)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert keys.notices == []
    path.chmod(0o644)
    assert keys.grants() == (CI,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.notices == [f"{path}: others could read this file of keys; that is mended"]


def test_its_stamp_changes_with_every_change(path: Path) -> None:
    keys = IssuedKeys(path)
    stamps = [keys.stamp()]
    for change in (lambda: keys.add(CI), lambda: keys.add(ME), lambda: keys.remove("ci"), lambda: path.unlink()):
        change()
        stamps.append(keys.stamp())
    assert stamps[0] is stamps[-1] is None
    assert len(set(stamps)) == 4


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "{}", '{"keys": {}}', '{"keys": [{}]}', '{"keys": [{"name": "a", "sha256": "b", "rpm": "x"}]}'],
)
def test_a_file_of_something_else_is_told_and_left_alone(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    for work in (IssuedKeys(path).grants, lambda: IssuedKeys(path).add(CI)):
        with pytest.raises(ConfigError, match="this is no file of issued keys; move it away"):
            work()
    assert path.read_text() == text


def test_a_folder_that_cannot_be_made_is_told(folder: Path) -> None:
    (folder / "config").write_text("")
    with pytest.raises(SaveError, match="cannot be written"):
        IssuedKeys(folder / "config" / "gateway_keys.json").add(CI)


ISSUING = """
import sys
from pathlib import Path
from boticelli_cli.grants import Grant, hash_of
from boticelli_cli.issued_keys import IssuedKeys
keys, first = IssuedKeys(Path(sys.argv[1])), int(sys.argv[2])
assert all(keys.add(Grant(f"key {number}", f"{number:064x}")) for number in range(first, first + 25))
"""


def test_processes_that_issue_at_once_lose_no_key(path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", ISSUING, str(path), str(first)], env=environment(None))
        for first in (0, 100, 200)
    ]
    assert [each.wait(PATIENCE) for each in started] == [0, 0, 0]
    assert len(IssuedKeys(path).grants()) == 75
