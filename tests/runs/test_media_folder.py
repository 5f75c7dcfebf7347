"""The folder that media are kept in."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import SaveError
from boticelli_cli.messages import Media
from boticelli_cli.runs.media_folder import MediaFolder

PICTURE = Media("image", "image/png", data=b"png")


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_numbers_what_an_act_makes(folder: Path) -> None:
    media = MediaFolder(folder / "new" / "pictures")
    paths = [media.keep("draft", PICTURE), media.keep("draft", Media("image", "image/jpeg", data=b"jpeg"))]
    paths.append(media.keep("edit", PICTURE))
    assert paths == [folder / "new" / "pictures" / name for name in ("draft-1.png", "draft-2.jpg", "edit-1.png")]
    assert [path.read_bytes() for path in paths] == [b"png", b"jpeg", b"png"]
    assert {path.name for path in paths[0].parent.iterdir()} == {path.name for path in paths}


def test_never_writes_over_what_is_there(folder: Path) -> None:
    (folder / "draft-1.png").write_text("mine")
    (folder / "draft-2.png").symlink_to("nowhere")
    assert MediaFolder(folder).keep("draft", PICTURE).name == "draft-3.png"
    assert MediaFolder(folder).keep("draft", PICTURE).name == "draft-4.png"
    assert (folder / "draft-1.png").read_text() == "mine"
    assert (folder / "draft-2.png").is_symlink()


def test_runs_side_by_side_never_take_the_same_name(folder: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(lambda _: MediaFolder(folder).keep("draft", PICTURE), range(40)))
    assert len(set(paths)) == 40
    assert all(path.read_bytes() == b"png" for path in paths)


def test_a_private_folder_is_for_nobody_else(folder: Path) -> None:
    path = MediaFolder(folder / "media" / "run", private=True).keep("draft", PICTURE)
    assert rights(path) == 0o600
    assert rights(path.parent) == rights(path.parent.parent) == 0o700


def test_a_named_folder_is_as_open_as_its_owner_has_it(folder: Path) -> None:
    (folder / "plain").write_text("")
    path = MediaFolder(folder).keep("draft", PICTURE)
    assert rights(path) == rights(folder / "plain")


@pytest.mark.parametrize(
    ("mime", "ending"),
    [
        ("image/png", ".png"),
        ("IMAGE/JPEG", ".jpg"),
        ("image/webp", ".webp"),
        ("audio/wav", ".wav"),
        ("audio/L16;codec=pcm;rate=24000", ".pcm"),
        ("application/pdf", ".pdf"),
        ("video/mp4", ".mp4"),
        ("application/x-unheard-of", ".bin"),
        ("../../etc/passwd", ".bin"),
        ("", ".bin"),
    ],
)
def test_a_file_ends_as_its_media_type_does(folder: Path, mime: str, ending: str) -> None:
    assert MediaFolder(folder).keep("a", Media("document", mime, data=b"x")).name == f"a-1{ending}"


@given(st.text(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_of_an_act_makes_a_name_of_a_file(folder: Path, act: str) -> None:
    path = MediaFolder(folder).keep(act, PICTURE)
    assert path.parent == folder
    assert path.is_file()
    assert not path.name.startswith((".", "-"))


@pytest.mark.parametrize(("act", "name"), [("a/b\\c", "a_b_c-1.png"), ("漫画-Ä", "漫画-Ä-1.png"), ("..", "__-1.png")])
def test_keeps_letters_and_replaces_what_is_no_name(folder: Path, act: str, name: str) -> None:
    assert MediaFolder(folder).keep(act, PICTURE).name == name


def test_says_why_nothing_can_be_written(folder: Path) -> None:
    (folder / "file").write_text("")
    for media in (MediaFolder(folder / "file"), MediaFolder(folder / "file" / "run", private=True)):
        with pytest.raises(SaveError, match="/file' cannot be made: File exists"):
            media.keep("draft", PICTURE)
