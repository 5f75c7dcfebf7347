"""Pictures for terminals: each is taken apart again, as a terminal would."""

import re
from base64 import b64decode
from collections.abc import Callable

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.views.image_size import image_size
from boticelli_cli.views.images import ImageProtocol, Picture, encode, protocol
from tests.pictures import gif, jpeg, png, webp_extended, webp_lossless, webp_lossy

KITTY, ITERM = ImageProtocol.kitty, ImageProtocol.iterm
FORMS = [png, gif, jpeg, webp_lossy, webp_lossless, webp_extended]


def from_kitty(sequence: str) -> tuple[dict[str, str], bytes]:
    """The keys and the bytes of a picture in kitty's protocol, which has to be all that there is."""
    chunks = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{keys};{text}\x1b\\" for keys, text in chunks) == sequence
    read = [dict(pair.split("=") for pair in keys.split(",")) for keys, _ in chunks]
    assert [keys["m"] for keys in read] == ["1"] * (len(chunks) - 1) + ["0"]
    assert all(keys.keys() == {"m"} for keys in read[1:])
    assert all(len(text) == 4096 for _, text in chunks[:-1])
    assert 0 < len(chunks[-1][1]) <= 4096
    return read[0], b64decode("".join(text for _, text in chunks), validate=True)


def from_iterm(sequence: str) -> tuple[dict[str, str], bytes]:
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07", sequence)
    assert found is not None
    keys = dict(pair.split("=") for pair in found[1].split(";"))
    data = b64decode(found[2], validate=True)
    assert keys["size"] == str(len(data))
    return keys, data


def shown(wanted: ImageProtocol, data: bytes, columns: int = 80, rows: int = 24) -> Picture:
    picture = encode(wanted, data, columns=columns, rows=rows)
    assert picture is not None
    return picture


@given(filler=st.binary(max_size=10_000), width=st.integers(1, 50), height=st.integers(1, 50))
def test_kitty_gets_the_whole_png_in_chunks_and_is_not_to_answer(filler: bytes, width: int, height: int) -> None:
    data = png(width, height, filler=filler)
    picture = shown(KITTY, data)
    keys, received = from_kitty(picture.sequence)
    assert received == data
    del keys["m"]
    assert keys == {"a": "T", "f": "100", "q": "2", "C": "1", "c": str(picture.columns), "r": str(picture.rows)}


@pytest.mark.parametrize("form", FORMS)
def test_iterm_gets_every_form_of_picture_inline(form: Callable[[int, int], bytes]) -> None:
    data = form(300, 200)
    picture = shown(ITERM, data)
    keys, received = from_iterm(picture.sequence)
    assert received == data
    assert (keys["inline"], keys["preserveAspectRatio"]) == ("1", "1")
    assert (keys["width"], keys["height"]) == ("30", "10") == (str(picture.columns), str(picture.rows))


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), columns=st.integers(1, 200), rows=st.integers(1, 100))
def test_a_picture_stays_in_its_room_and_in_its_proportions(width: int, height: int, columns: int, rows: int) -> None:
    picture = shown(KITTY, png(width, height), columns, rows)
    assert 1 <= picture.columns <= columns
    assert 1 <= picture.rows <= rows
    wide, high = width / 10, height / 20  # in cells, which are twice as high as wide
    # There is one scale at which each side is right to half a cell; a side of one cell may have been less.
    least = max(
        (picture.columns - 0.5) / wide * (picture.columns > 1), (picture.rows - 0.5) / high * (picture.rows > 1)
    )
    most = min((picture.columns + 0.5) / wide, (picture.rows + 0.5) / high)
    assert least <= most + 1e-9


@pytest.mark.parametrize(
    ("size", "room", "cells"),
    [
        ((1, 1), (80, 24), (1, 1)),
        ((400, 400), (80, 24), (40, 20)),
        ((4000, 4000), (80, 24), (48, 24)),
        ((4000, 1000), (80, 24), (80, 10)),
        ((1000, 4000), (80, 24), (12, 24)),
        ((5000, 1), (80, 24), (80, 1)),
    ],
)
def test_a_large_picture_is_made_smaller_and_a_small_one_not_larger(
    size: tuple[int, int], room: tuple[int, int], cells: tuple[int, int]
) -> None:
    picture = shown(KITTY, png(*size), *room)
    assert (picture.columns, picture.rows) == cells


@pytest.mark.parametrize("form", FORMS)
@given(width=st.integers(1, 16383), height=st.integers(1, 16383))
def test_the_size_is_read_from_every_form(form: Callable[[int, int], bytes], width: int, height: int) -> None:
    assert image_size(form(width, height)) == (width, height)


@pytest.mark.parametrize("frame", [0xC1, 0xC2, 0xC9, 0xCF])
def test_the_size_of_a_progressive_jpeg_is_read(frame: int) -> None:
    assert image_size(jpeg(640, 480, frame=frame)) == (640, 480)


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_that_ends_too_soon_has_no_size(form: Callable[[int, int], bytes]) -> None:
    data = form(300, 200)
    known = [image_size(data[:length]) for length in range(len(data))]
    assert set(known) <= {None, (300, 200)}
    assert known[:16] == [None] * 16 if form is not gif else known[:10] == [None] * 10


@given(st.binary(max_size=100), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"RIFF1234WEBP", b"GIF89a"]))
def test_whatever_the_bytes_are_nothing_breaks(data: bytes, head: bytes) -> None:
    size = image_size(head + data)
    assert size is None or min(size) > 0
    assert (encode(ITERM, head + data, columns=80, rows=24) is None) == (size is None)


def test_what_cannot_be_shown_is_not() -> None:
    large = png(2, 2, filler=bytes(10_000_000))
    assert encode(KITTY, large, columns=80, rows=24) is None
    assert encode(ITERM, large, columns=80, rows=24) is None
    assert encode(ITERM, b"<svg/>", columns=80, rows=24) is None
    assert encode(ITERM, png(0, 5), columns=80, rows=24) is None
    assert encode(ITERM, png(5, 5), columns=0, rows=24) is None
    assert encode(KITTY, png(5, 5), columns=80, rows=0) is None


@pytest.mark.parametrize("form", FORMS[1:])
def test_kitty_takes_nothing_but_png(form: Callable[[int, int], bytes]) -> None:
    assert encode(KITTY, form(300, 200), columns=80, rows=24) is None


@pytest.mark.parametrize("line", [0, 3, 9])
def test_a_block_takes_exactly_its_rows_wherever_it_begins(line: int) -> None:
    screen = pyte.HistoryScreen(40, 10)
    terminal = pyte.Stream(screen)
    terminal.feed("".join(f"before {number}\r\n" for number in range(line)))
    picture = shown(ITERM, png(50, 80), 40, 9)
    assert picture.rows == 4
    terminal.feed(picture.block.replace("\n", "\r\n") + "after")
    above = ["".join(row[x].data for x in range(40)) for row in screen.history.top]
    lines = [each.rstrip() for each in [*above, *screen.display]]
    assert lines[: line + 5] == [*(f"before {number}" for number in range(line)), "", "", "", "", "after"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, KITTY),
        ({"TERM": "xterm-ghostty"}, KITTY),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, ITERM),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, ITERM),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, ITERM),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux,1,0"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "screen.xterm-256color", "LC_TERMINAL": "iTerm2"}, None),
        ({"TERM": "xterm-kitty", "ZELLIJ": "0"}, None),
        ({"TERM": "xterm-kitty", "BOTICELLI_IMAGES": "0"}, None),
        ({"TERM": "xterm-kitty", "BOTICELLI_IMAGES": "never"}, None),
        ({"TERM": "xterm-kitty", "BOTICELLI_IMAGES": ""}, KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "BOTICELLI_IMAGES": "iterm"}, ITERM),
    ],
)
def test_knows_the_terminal_by_its_environment(environ: dict[str, str], expected: ImageProtocol | None) -> None:
    assert protocol(environ) is expected
