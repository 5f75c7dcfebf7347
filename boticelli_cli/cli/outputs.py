"""Where answers go beside the screen: files that were asked for, refused early and written late."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from boticelli_cli.cli.options import Format
from boticelli_cli.errors import SaveError, UsageError

if TYPE_CHECKING:
    from boticelli_cli.cli.keeper import Keeper
    from boticelli_cli.views.notes import Notes
    from boticelli_cli.views.record import Record

__all__ = ["opened_for", "refuse_folder", "refuse_output", "write_audio", "write_output"]


def refuse_output(output: Path | None, taken: Iterable[Path] = (), *, option: str = "--output") -> None:
    """Refuse a file that cannot take an answer, or is taken, before anything is sent. Raises UsageError."""
    from boticelli_cli.app import why_not_writable

    if output is not None and (why := why_not_writable(output)):
        raise UsageError(f"{option}: '{output}' cannot be written: {why}")
    if output is not None and os.path.realpath(output) in {os.path.realpath(path) for path in taken}:
        other = "an act saves to it" if option == "--output" else "something else is written to it"
        raise UsageError(f"{option}: '{output}' is the narrative itself, or {other}")


def refuse_folder(folder: Path | None, *, option: str = "--save-media") -> None:
    """Refuse a folder that can take no files, before anything is sent. Raises UsageError."""
    from boticelli_cli.app import why_no_folder

    if folder is not None and (why := why_no_folder(folder)):
        raise UsageError(f"{option}: '{folder}' cannot be written to: {why}")


@contextmanager
def opened_for(output: Path | None, chosen: Format) -> Iterator[TextIO | None]:
    """What a view writes its JSON into, instead of stdout: a file that grows, or a text that is written in the end."""
    if output is None or chosen not in (Format.json, Format.jsonl):
        yield None
    elif chosen is Format.json:
        yield StringIO()
    else:
        with _opened(output) as file:
            yield file


def write_output(path: Path, held: TextIO | None, record: "Record", notes: "Notes") -> None:
    """Write an answer, or what is held of it as JSON. Raises SaveError for a file that cannot be written."""
    from boticelli_cli.events import RunFinished

    if isinstance(held, StringIO):
        _write(path, held.getvalue(), notes)
    elif isinstance(record.end, RunFinished):
        _write(path, record.end.output, notes)
        notes.say(f"answer written to {path}")
    else:
        notes.must_say(f"'{path}' was not written: there is no whole answer")


def write_audio(path: Path, record: "Record", keeper: "Keeper | None", notes: "Notes") -> None:
    """Write what the run's answer sounded like: its own act's sound, or the last that there was."""
    from boticelli_cli.app import write_bytes
    from boticelli_cli.views.report import media_line

    acts = [act for act in record.in_order if act.sound is not None]
    act = next((each for each in acts if each.planned.act == record.output_act), acts[-1] if acts else None)
    if act is None or act.sound is None:
        notes.must_say(f"'{path}' was not written: no act has answered in sound")
        return
    try:
        write_bytes(path, act.sound.data or b"")
    except SaveError:
        if keeper is not None:
            notes.must_say(media_line(keeper.write(act.planned.act, act.sound)))
        raise
    notes.say(f"sound of {act.planned.act} written to {path}")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"--output: '{path}' cannot be written: {error.strerror}") from None
    with file:
        yield file


def _write(path: Path, text: str, notes: "Notes") -> None:
    """Write what a run came to, or if it cannot be written, tell it: it has been paid for."""
    from boticelli_cli.app import write_answer

    try:
        write_answer(path, text)
    except SaveError:
        notes.must_say(text)
        raise
