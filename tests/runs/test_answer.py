"""Answers on disk."""

import os
from pathlib import Path

import pytest

from boticelli_cli.errors import SaveError
from boticelli_cli.runs.answer import write_answer


def test_writes_whole_files_that_end_in_a_newline(folder: Path) -> None:
    write_answer(folder / "deep" / "er" / "a.md", "words")
    assert (folder / "deep" / "er" / "a.md").read_bytes() == b"words\n"
    write_answer(folder / "deep" / "er" / "a.md", "wörter\n")
    assert (folder / "deep" / "er" / "a.md").read_text(encoding="utf-8") == "wörter\n"
    assert [path.name for path in (folder / "deep" / "er").iterdir()] == ["a.md"]


def test_an_empty_answer_is_an_empty_file(folder: Path) -> None:
    write_answer(folder / "a.md", "")
    assert (folder / "a.md").read_bytes() == b""


def test_half_characters_do_not_lose_the_rest(folder: Path) -> None:
    write_answer(folder / "a.md", "half \ud800 whole")
    assert (folder / "a.md").read_text() == "half ? whole\n"


def test_follows_links_and_keeps_the_mode(folder: Path) -> None:
    (folder / "real.md").write_text("old")
    (folder / "real.md").chmod(0o640)
    (folder / "link.md").symlink_to("real.md")
    write_answer(folder / "link.md", "new")
    assert (folder / "link.md").is_symlink()
    assert (folder / "real.md").read_text() == "new\n"
    assert (folder / "real.md").stat().st_mode & 0o777 == 0o640


def test_pipes_are_written_to_and_stay_pipes(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_answer(folder / "pipe", "words")
    assert os.read(reader, 100) == b"words\n"
    os.close(reader)
    assert (folder / "pipe").is_fifo()


def test_a_new_file_is_as_open_as_the_umask_lets_it_be(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        write_answer(folder / "a.md", "words")
    finally:
        os.umask(before)
    assert (folder / "a.md").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [".", "taken/a.md", "a\0b", "x" * 5000])
def test_what_cannot_be_written_is_an_error_that_says_why(folder: Path, name: str) -> None:
    (folder / "taken").write_text("")
    with pytest.raises(SaveError, match="cannot be written"):
        write_answer(folder / name, "words")
