"""What every view looks like from outside."""

from typing import Protocol

from boticelli_cli.events import Event

__all__ = ["Moving", "Still", "View"]


class Moving(Protocol):
    """What is drawn again as time goes by: `tick` many times a second, `redraw` when the terminal may have lost it."""

    def tick(self) -> None: ...

    def redraw(self) -> None: ...


class View(Protocol):
    """Shows the events of a run, one after another. `close` leaves the terminal as it was found.

    `moving` is that part of it, if there is one, in which something changes without an event.
    """

    @property
    def moving(self) -> Moving | None: ...

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Still:
    """What a view is in which nothing moves by itself."""

    @property
    def moving(self) -> None:
        return None

    def close(self) -> None:
        pass
