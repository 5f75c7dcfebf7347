"""An act that flows down the screen: its text stands where it will stay, and below it what is said of it meanwhile."""

from boticelli_cli.views.images import Picture, encode
from boticelli_cli.views.layout import Layout
from boticelli_cli.views.live_act import LiveAct
from boticelli_cli.views.manner import Manner
from boticelli_cli.views.record import Record
from boticelli_cli.views.report import media_line, not_run, progress, unusual_end
from boticelli_cli.views.rows import Row

__all__ = ["Flow"]


class Flow:
    """The rows of an act: those that are done, each once, and those that may still change.

    Where headings are wished for, they begin with the act's name and end with how it went; else there is the answer
    alone.
    """

    def __init__(self, act: LiveAct, record: Record, manner: Manner, *, quiet: bool) -> None:
        self.act = act
        self._run = record
        self._headings = manner.headings
        self._quiet = quiet
        self._pictures = manner.pictures
        self._has_heading = not manner.headings

    def done(self, layout: Layout, room: int) -> list[Row | Picture]:
        """What has come to be for good: as much that the rest fits into so many rows, if that can be."""
        space = max(room - len(self._heading(layout)) - 1, 1)
        crowded = len(self.act.text.rest(layout.columns, space + 1)) > space
        # Half of it at once, so that what is below has not to move with every row.
        rows = self.act.text.take(layout.columns, max(space // 2, 1) if crowded else None)
        return [*self._take_heading(layout), *rows] if rows else []

    def live(self, layout: Layout, room: int) -> list[Row]:
        """What may still change, in at most so many rows."""
        heading = self._heading(layout)
        edge = [self._edge(layout)]
        space = room - len(heading) - len(edge)
        if space < 1:  # a very small screen: the newest text comes first
            heading, edge, space = [], edge if room > 1 else [], max(room - 1, 1)
        return [*heading, *self._body(layout, space), *edge]

    def end(self, layout: Layout) -> list[Row | Picture]:
        """All that is left of an act that has ended, or will not go on."""
        status = self.act.record.status
        if status in ("planned", "interrupted") and not (self.act.has_spoken or self.act.record.media):
            return []
        self.act.text.end()
        heading = self._take_heading(layout)
        text = self.act.text.take(layout.columns)
        return [*heading, *text, *self._media(layout), *self._footer(layout), *([()] if self._headings else [])]

    def _take_heading(self, layout: Layout) -> list[Row]:
        heading = self._heading(layout)
        self._has_heading = True
        return heading

    def _heading(self, layout: Layout) -> list[Row]:
        """The act's name, and what it has thought, folded; nothing once that has been printed."""
        if self._has_heading:
            return []
        record = self.act.record
        rows = [layout.row(("── ", "dim"), (record.planned.act, "bold"), (f" · {record.model} ──", "dim"))]
        if thought := self.act.thought_line(layout.columns):
            rows.append(layout.row((thought, "dim italic")))
        return rows

    def _body(self, layout: Layout, space: int) -> list[Row]:
        if self.act.has_spoken:
            return self.act.text.rest(layout.columns, space)
        thought = self.act.thought_line(layout.columns) if not self._headings else ""
        if thought and self.act.record.waiting is None:
            return [layout.row((thought, "dim italic"))]
        return layout.rows((self.act.remark(), "dim italic"))[:space]

    def _edge(self, layout: Layout) -> Row:
        """What closes the act below: how long, how much, how fast, at what price."""
        if self._headings:
            return layout.rule("", self.act.facts())
        thought = [self.act.thought_length] if self.act.thought_length and self.act.has_spoken else []
        return layout.rule(self.act.record.model, [*self.act.facts(), *thought])

    def _media(self, layout: Layout) -> list[Row | Picture]:
        """What the act has made, each with the file that it is in."""
        rows: list[Row | Picture] = []
        for kept in self.act.record.media:
            if self._pictures is not None and kept.media.kind == "image" and kept.media.data is not None:
                room = max(layout.lines - 2, 1)
                picture = encode(self._pictures, kept.media.data, columns=layout.columns, rows=room)
                rows += [picture] if picture is not None else []
            rows += layout.rows((media_line(kept), "dim"))
        return rows

    def _footer(self, layout: Layout) -> list[Row]:
        """How it went."""
        record = self.act.record
        if record.status == "skipped":
            return layout.rows((f"{not_run(record)}: {record.reason}", "dim"))
        if record.error is not None:  # of an answer alone, the panel below says as much
            told = f"✗ {record.planned.act} · {record.error.message}"
            return layout.rows((told, "red")) if self._headings else []
        if record.status == "interrupted":
            return layout.rows(("(interrupted before its end)", "dim")) if self.act.has_spoken else []
        if record.finished is None or self._quiet:
            return []
        if self._headings:
            return layout.rows((progress(record.finished, self._run) or "", "dim"))
        why = unusual_end(record.finished, made_media=bool(record.media or record.sound))
        return layout.rows((why, "yellow")) if why else []
