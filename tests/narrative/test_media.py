"""Parts of a turn: what they are taken for, and what is wrong with them."""

import base64
from pathlib import Path

import pytest

from boticelli_cli.messages import Media, Text
from boticelli_cli.narrative.media import attachment, infer_mime, open_part
from boticelli_cli.narrative.model import Narrative
from tests.narrative.writing import mistakes, narrative

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
ENCODED = base64.b64encode(PNG).decode()


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    (folder / "a.png").write_bytes(PNG)
    (folder / "unnamed").write_bytes(PNG)
    (folder / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "a.txt").write_text("wörter\n")
    (folder / "latin.txt").write_bytes(b"caf\xe9")


def story(part: str) -> str:
    return f"narrative: {{name: n}}\nacts:\n  a:\n    input:\n      - {part}\n"


def parts(text: str) -> list[Text | Media]:
    told: Narrative = narrative(story(text))
    return [open_part(part, told.folder, {}) for part in told.acts[0].input]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("Just words.", Text("Just words.")),
        ("{type: text, file: a.txt}", Text("wörter\n")),
        ("{type: text, base64: d8O2cnRlcg==}", Text("wörter")),
        ("{type: image, file: a.png}", Media("image", "image/png", PNG, None, "a.png")),
        ("{type: image, file: unnamed}", Media("image", "image/png", PNG, None, "unnamed")),
        (
            "{type: document, file: a.pdf, filename: plan.pdf}",
            Media("document", "application/pdf", b"%PDF-1.7\n", None, "plan.pdf"),
        ),
        ("{type: document, content: words}", Media("document", "text/plain", b"words", None, None)),
        (f"{{type: image, base64: {ENCODED}}}", Media("image", "image/png", PNG)),
        (f"{{type: image, base64: 'data:image/webp;base64,{ENCODED}'}}", Media("image", "image/webp", PNG)),
        (
            "{type: image, url: 'https://example.com/a%20b.jpg?key=secret'}",
            Media("image", "image/jpeg", None, "https://example.com/a%20b.jpg?key=secret", "a b.jpg"),
        ),
        (
            "{type: audio, url: gs://bucket/pitch, mime: audio/mp3}",
            Media("audio", "audio/mp3", None, "gs://bucket/pitch", "pitch"),
        ),
    ],
)
def test_opens_every_kind_of_part(part: str, expected: Text | Media) -> None:
    assert parts(part) == [expected]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{type: image, file: b.png}", "there is no file 'b.png'"),
        ("{type: image, file: .}", "'.' is a folder, not a file"),
        (
            "{type: image, file: a.pdf}",
            "'a.pdf' is application/pdf, not an image; set 'type: document' or another 'mime'",
        ),
        ("{type: video, url: 'https://x.org/a.png'}", "'a.png' is image/png, not a video"),
        ("{type: image}", "it has no content; give one of file, url, base64"),
        (
            "{type: image, file: a.png, url: 'https://x.org/a.png'}",
            "its content is given 2 times, as file and url; give one",
        ),
        ("{type: image, content: words}", "'content' is for text; give one of file, url, base64"),
        ("{type: text, url: 'https://x.org/a.txt'}", "text cannot come from a url"),
        ("{type: image, url: 'ftp://x.org/a.png'}", "a url starts with one of http://, https://, gs://"),
        ("{type: image, url: 'file:///etc/passwd'}", "a url starts with one of"),
        ("{type: image, base64: '***'}", "this is not base64"),
        ("{type: image, base64: 'data:image/png,xx'}", "a data: URL has to be"),
        ("{type: image, base64: AAAA}", "its media type cannot be told; give it with 'mime'"),
        ('{type: image, file: "a\\0b"}', "there is no file"),
        ("{type: imag, file: a.png}", "did you mean 'image'?"),
        ("{file: a.png}", "'type' is missing"),
        ("{type: image, file: '{{ a }}'}", "unknown name 'a' in a template"),
        ("[a]", "must be a mapping"),
    ],
)
def test_tells_what_is_wrong_before_anything_is_sent(part: str, said: str) -> None:
    found = mistakes(story(part))
    assert len(found) == 1, found
    assert said in found[0]


def test_a_text_file_that_is_no_text_is_told_when_it_is_opened() -> None:
    with pytest.raises(Exception, match=r"'latin.txt' is not UTF-8 text"):
        parts("{type: text, file: latin.txt}")


def test_paths_are_relative_to_the_narrative(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "b.png").write_bytes(PNG)
    told = narrative(story("{type: image, file: b.png}"), "deep/story.yaml")
    assert open_part(told.acts[0].input[0], told.folder, {}) == Media("image", "image/png", PNG, None, "b.png")


@pytest.mark.parametrize(
    ("name", "mime"),
    [("a.MD", "text/markdown"), ("a.mp3", "audio/mpeg"), ("a.webp", "image/webp"), ("a.mp4", "video/mp4"), ("a", None)],
)
def test_infers_the_type_of_a_name(name: str, mime: str | None) -> None:
    assert infer_mime(name) == mime


def test_an_attachment_is_known_by_its_bytes() -> None:
    assert attachment(PNG, None).kind == "image"
    assert attachment(b"plain words", None) == Media("document", "text/plain", b"plain words")
