"""An act as it is performed: its text as far as it has come, and what there is to say of it meanwhile."""

import math
from collections.abc import Callable

from boticelli_cli.events import ActDelta, ActFallback, ActRetrying, ActStarted, ActWaiting, Event
from boticelli_cli.messages import Usage
from boticelli_cli.views.gauges import Gauges
from boticelli_cli.views.layout import end_of
from boticelli_cli.views.markdown.stream import MarkdownStream
from boticelli_cli.views.record import ActRecord
from boticelli_cli.views.report import dollars, seconds_in_words

__all__ = ["LiveAct"]

_READABLE = 0.5
"""Seconds that a number stays before it changes: one that changes with every frame cannot be read."""

_LINE = 500
"""Of thoughts so many characters are kept: more than a screen is wide."""


class LiveAct:
    """An act on the screen. `text` is what it answers."""

    def __init__(
        self,
        record: ActRecord,
        text: MarkdownStream,
        gauges: Gauges,
        *,
        clean: Callable[[str], str],
        now: Callable[[], float],
    ) -> None:
        self.record = record
        self.text = text
        self._thoughts = ""
        self.has_spoken = False
        self._gauges = gauges
        self._clean = clean
        self._now = now
        self._begun: float | None = None
        self._first: float | None = None
        self._heard = 0.0
        self._thought_length = 0
        self._tokens = 0.0
        self._cost = 0.0
        self._facts: list[str] = []
        self._measured_at: float | None = None

    def hear(self, event: Event) -> None:
        match event:
            case ActStarted():
                self._begun = self._now()
            case ActWaiting() | ActRetrying() | ActFallback():
                self._heard = self._now()
            case ActDelta():
                self._first = self._now() if self._first is None else self._first
                if event.text is not None:
                    self._tokens += self._gauges.tokens(event.text)
                    self.text.add(self._clean(event.text))
                    self.has_spoken = True
                elif event.thinking is not None:
                    self._tokens += self._gauges.tokens(event.thinking)
                    self._think(event.thinking)

    def facts(self) -> list[str]:
        """Time, tokens, tokens a second and cost so far, the most telling first. They change twice a second."""
        self._measure()
        return self._facts

    def cost(self) -> float:
        """About what it has cost so far in USD; 0 where nobody knows."""
        self._measure()
        return self._cost

    def thought_line(self, width: int) -> str:
        """The end of what it has thought, as far as that fits, and how much there was in all."""
        if not self._thought_length:
            return ""
        length = f" ({self.thought_length})"
        room = max(width - len(length) - 2, 1)
        thought = next((" ".join(line.split()) for line in reversed(self._thoughts.split("\n")) if line.strip()), "")
        return f"✻ {end_of(thought, room)}{length}"

    @property
    def thought_length(self) -> str:
        """How much it has thought, in words; nothing for nothing."""
        return f"{self._thought_length:,} characters of thought" if self._thought_length else ""

    def remark(self) -> str:
        """What there is to say while there is no text."""
        waiting = self.record.waiting
        if waiting is None:
            return "waits for the first word"
        if isinstance(waiting, ActFallback):
            return f"⤳ asks {waiting.to} instead: {_in_a_row(waiting.error.message)}"
        left = max(waiting.seconds - (self._now() - self._heard), 0.0)
        if isinstance(waiting, ActWaiting):
            long = f"{_whole(math.ceil(left))} " if waiting.seconds else ""  # 0: nobody can tell
            return f"waits {long}{_in_a_row(waiting.reason)}"
        soon = f" in {_whole(math.ceil(left))}" if left else ""
        return f"↻ asks again{soon} (attempt {waiting.attempt}): {_in_a_row(waiting.error.message)}"

    def _think(self, text: str) -> None:
        self._thought_length += len(text)
        self._thoughts = (self._thoughts + self._clean(text))[-_LINE:]

    def _measure(self) -> None:
        now = self._now()
        moment = now // _READABLE  # the same for all acts: they change together
        if moment == self._measured_at or self._begun is None:
            return
        self._measured_at = moment
        self._facts = [_whole(now - self._begun)]
        if self._first is None:
            return
        if tokens := round(self._tokens):
            self._facts.append(f"~{tokens:,} token{'s' if tokens > 1 else ''}")
            if now - self._first >= 1:
                self._facts.append(f"{self._tokens / (now - self._first):.0f} tokens/s")
        self._cost = self._price()
        if cost := dollars(self._cost):
            self._facts.append(f"~{cost}")

    def _price(self) -> float:
        started = self.record.started
        if started is None:
            return 0.0
        used = Usage(input=started.expected_input or 0, output=round(self._tokens))
        return self._gauges.cost_usd(self.record.model, used) or 0.0


def _in_a_row(text: str) -> str:
    return " ".join(text.split())


def _whole(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 60 else seconds_in_words(seconds)
