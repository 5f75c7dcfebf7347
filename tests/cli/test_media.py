"""What models make, from the command line: real processes, and the fake of Gemini."""

import base64
import json
import stat
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.cli.keeper import Keeper
from boticelli_cli.messages import Media
from boticelli_cli.views.record import Record
from tests.cli.stories import write
from tests.fakes.behaviours import Answer
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import sine
from tests.fakes.serving import serving
from tests.pictures import gif, png
from tests.process import Finished, boticelli
from tests.views.telling import Teller

ONE, OTHER = png(30, 20), gif(4, 4)
PICTURES = Answer(text="Here they are.", media=(("image/png", ONE), ("image/gif", OTHER)))
STORY = """\
narrative: {name: pictures, model: gemini-3.8-flash}
acts:
  Entwürfe: Draw two.
  words: Describe them.
"""
SPOKEN = """\
narrative: {name: talk, model: gemini-3.8-live}
acts:
  one: First.
  two: Second.
"""


@pytest.fixture
def fake() -> Iterator[FakeGemini]:
    with serving(FakeGemini()) as fake:
        yield fake


@pytest.fixture
def env(fake: FakeGemini, tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose Gemini is the fake."""
    return {
        "GEMINI_API_KEY": "test-key",
        "GOOGLE_GEMINI_BASE_URL": fake.tls_url,
        "SSL_CERT_FILE": fake.ca_file,
        "HOME": str(tmp_path),
    }


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where media are kept unless somebody names another folder."""
    return tmp_path / "home" / "media"


def run(fake: FakeGemini, env: dict[str, str], folder: Path, *arguments: str) -> Finished:
    fake.script.append(PICTURES)
    done = boticelli("run", write(folder, STORY), *arguments, env=env)
    assert "Traceback" not in done.err
    return done


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("shown_as", ["text", "plain"])
def test_pictures_are_kept_and_told_beside_the_answer(
    fake: FakeGemini, env: dict[str, str], folder: Path, kept: Path, shown_as: str
) -> None:
    done = run(fake, env, folder, "--format", shown_as)
    assert done.code == 0
    assert done.out.endswith("You said: Describe them.\n" + "\n" * (shown_as == "plain"))
    assert "▣" not in done.out
    [of_run] = kept.iterdir()
    assert files(of_run) == {"Entwürfe-1.png": ONE, "Entwürfe-2.gif": OTHER}
    lines = [line for line in done.err.splitlines() if line.startswith("▣")]
    place = f"~/home/media/{of_run.name}/Entwürfe"
    assert lines == [
        f"▣ Entwürfe · image/png, {len(ONE)} bytes → {place}-1.png",
        f"▣ Entwürfe · image/gif, {len(OTHER)} bytes → {place}-2.gif",
    ]


def test_json_tells_where_each_picture_is(fake: FakeGemini, env: dict[str, str], folder: Path) -> None:
    done = run(fake, env, folder, "--format", "json", "--save-media", "made/here")
    acts: dict[str, Any] = json.loads(done.out)["acts"]
    assert acts["Entwürfe"]["text"] == "Here they are."
    assert acts["Entwürfe"]["media"] == [
        {"mime": "image/png", "path": str(folder / "made/here/Entwürfe-1.png"), "bytes": len(ONE)},
        {"mime": "image/gif", "path": str(folder / "made/here/Entwürfe-2.gif"), "bytes": len(OTHER)},
    ]
    assert "media" not in acts["words"]
    assert files(folder / "made" / "here") == {"Entwürfe-1.png": ONE, "Entwürfe-2.gif": OTHER}


def test_a_named_folder_gathers_the_pictures_of_all_runs(
    fake: FakeGemini, env: dict[str, str], folder: Path, kept: Path
) -> None:
    env["BOTICELLI_SAVE_MEDIA"] = "made"
    assert run(fake, env, folder, "-q").err == ""
    done = run(fake, env, folder, "--format", "jsonl")  # which writes none unless asked
    assert done.err.count("▣") == 2
    assert set(files(folder / "made")) == {f"Entwürfe-{name}" for name in ("1.png", "2.gif", "3.png", "4.gif")}
    assert not kept.exists()


def test_jsonl_carries_the_bytes_and_writes_none(
    fake: FakeGemini, env: dict[str, str], folder: Path, kept: Path
) -> None:
    done = run(fake, env, folder, "--format", "jsonl")
    media = [event["media"] for event in map(json.loads, done.out.splitlines()) if "media" in event]
    assert [base64.b64decode(each["data"]) for each in media] == [ONE, OTHER]
    assert not kept.exists()


def test_a_folder_that_takes_no_files_is_refused_before_anything_is_sent(
    fake: FakeGemini, env: dict[str, str], folder: Path
) -> None:
    done = run(fake, env, folder, "--save-media", "story.yaml")
    assert (done.code, fake.connections) == (2, 0)
    assert done.err == "error: --save-media: 'story.yaml' cannot be written to: this is no folder\n"


def test_the_users_data_folder_has_what_nobody_named_a_place_for(
    fake: FakeGemini, env: dict[str, str], tmp_path: Path
) -> None:
    fake.script.append(Answer(text="", media=(("image/png", ONE),)))
    data = {"BOTICELLI_HOME": "", "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_STATE_HOME": str(tmp_path / "state")}
    done = boticelli("stream", "Draw.", env={**env, **data})
    assert (done.code, done.out) == (0, "")
    assert "empty" not in done.err  # a picture alone is an answer
    [picture] = (tmp_path / "data" / "boticelli" / "media").glob("*/answer-1.png")
    assert picture.read_bytes() == ONE
    assert [stat.S_IMODE(each.stat().st_mode) for each in (picture, picture.parent)] == [0o600, 0o700]


def test_a_picture_that_cannot_be_kept_is_told_and_ends_nothing(
    fake: FakeGemini, env: dict[str, str], folder: Path, kept: Path
) -> None:
    kept.parent.mkdir()
    kept.write_text("in the way")
    done = run(fake, env, folder, "-q")
    assert (done.code, done.out) == (0, "You said: Describe them.\n")
    first, second = done.err.splitlines()
    assert first.startswith(f"▣ Entwürfe · image/png, {len(ONE)} bytes · '{kept}' cannot be made")
    assert "image/gif" in second


def test_a_sound_is_kept_though_nobody_asked(fake: FakeGemini, env: dict[str, str], kept: Path) -> None:
    done = boticelli("stream", "-m", "gemini-3.8-live", "one two", env=env)
    assert (done.code, done.out) == (0, "You said: one two\n")
    [of_run] = kept.iterdir()
    assert f"▣ answer · audio/wav, 4 kB → ~/home/media/{of_run.name}/answer-1.wav" in done.err
    assert " · spoken\n" in done.err
    with wave.open(str(of_run / "answer-1.wav")) as sound:
        assert sound.readframes(sound.getnframes()) == sine(0.04) * 2


def test_the_sound_that_goes_into_a_file_is_kept_there_alone_and_the_others_beside(
    fake: FakeGemini, env: dict[str, str], folder: Path
) -> None:
    story = write(folder, SPOKEN)
    done = boticelli("run", story, "--save-audio", "two.wav", "--save-media", "made", env=env)
    assert done.code == 0
    assert "sound of two written to two.wav" in done.err
    assert set(files(folder / "made")) == {"one-1.wav"}
    assert (folder / "two.wav").exists()


def test_a_sound_that_cannot_go_where_it_should_is_kept_all_the_same(
    fake: FakeGemini, env: dict[str, str], kept: Path
) -> None:
    done = boticelli("stream", "-m", "gemini-3.8-live", "one", "--save-audio", "/dev/full", env=env)
    assert done.code == 1
    assert "error: '/dev/full' cannot be written: No space left on device" in done.err
    [sound] = kept.glob("*/answer-1.wav")
    assert f"▣ answer · audio/wav, 2 kB → ~/home/media/{sound.parent.name}/answer-1.wav" in done.err


async def test_what_a_named_folder_does_not_take_goes_into_our_own(folder: Path, kept: Path) -> None:
    (folder / "gone").write_text("a file by now")
    tell, record = Teller(), Record()
    keeper = Keeper(record, named=folder / "gone")
    for event in (tell.run("a"), tell.started("a"), tell.made("a", ONE)):
        await keeper.keep(event)
        record.add(event)
    [piece] = record.acts["a"].media
    assert piece.path == kept / "r" / "a-1.png"
    assert piece.path.read_bytes() == ONE
    assert piece.problem == f"'{folder / 'gone'}' cannot be made: File exists"


async def test_what_is_elsewhere_is_not_fetched() -> None:
    tell, record = Teller(), Record()
    keeper = Keeper(record)
    film = replace(tell.made("a", b""), media=Media("video", "video/mp4", url="https://example.com/film"))
    for event in (tell.run("a"), tell.started("a"), film):
        await keeper.keep(event)
        record.add(event)
    [piece] = record.acts["a"].media
    assert (piece.media.url, piece.path, piece.problem) == ("https://example.com/film", None, None)
