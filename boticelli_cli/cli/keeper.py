"""The keeper of a run's media: what a model has made has been paid for, so it is in a file before it is shown."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from boticelli_cli.errors import SaveError
from boticelli_cli.events import ActDelta, Event, RunStarted

if TYPE_CHECKING:
    from boticelli_cli.app import Media, MediaFolder
    from boticelli_cli.views.record import KeptMedia, Record

__all__ = ["Keeper"]


class Keeper:
    """Writes each piece of media to a file as it arrives, and tells the record where it is.

    They go into the `named` folder; into our own where there is none, or where it takes no file. With
    `but_the_sound` of the act that answers, which then goes somewhere else.
    """

    def __init__(self, record: "Record", *, named: Path | None = None, but_the_sound: bool = False) -> None:
        self._record = record
        self._named = named
        self._but_the_sound = but_the_sound
        self._folders: list[MediaFolder] = []

    async def keep(self, event: Event) -> None:
        """Keep what an event brings. To be called before the event is shown."""
        if isinstance(event, RunStarted):
            self._folders = _folders(event.run, self._named)
        elif isinstance(event, ActDelta) and event.media is not None:
            answers = event.act == self._record.output_act
            if not (self._but_the_sound and answers and event.media.kind == "audio"):
                self._record.keep(await asyncio.to_thread(self.write, event.act, event.media))

    def write(self, act: str, media: "Media") -> "KeptMedia":
        """Write a piece of media to the first folder that takes it. One that none takes is told to be nowhere."""
        from boticelli_cli.views.record import KeptMedia

        problem = None
        for folder in self._folders if media.data is not None else ():
            try:
                path = folder.keep(act, media)
            except SaveError as error:
                problem = problem or error.message
            else:
                return KeptMedia(act, media, path, _place(path), problem)
        return KeptMedia(act, media, problem=problem)


def _folders(run: str, named: Path | None) -> "list[MediaFolder]":
    from boticelli_cli.app import media_folders

    return media_folders(run, named)


def _place(path: Path) -> str:
    """A path as people write it, with `~` for their home."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere; or nobody knows where home is
        return str(path)
