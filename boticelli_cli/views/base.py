"""What every view looks like from outside."""

from typing import Protocol

from boticelli_cli.events import Event

__all__ = ["View"]


class View(Protocol):
    """Shows the events of a run, one after another. `close` leaves the terminal as it was found."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...
