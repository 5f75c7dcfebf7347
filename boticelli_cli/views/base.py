"""What every view looks like from outside."""

from typing import Protocol

from boticelli_cli.events import Event

__all__ = ["Still", "View"]


class View(Protocol):
    """Shows the events of a run, one after another. `close` leaves the terminal as it was found.

    `tick` is called many times a second, `redraw` when the terminal may have lost what it showed.
    """

    def show(self, event: Event) -> None: ...

    def tick(self) -> None: ...

    def redraw(self) -> None: ...

    def close(self) -> None: ...


class Still:
    """What a view is in which nothing moves by itself."""

    def tick(self) -> None:
        pass

    def redraw(self) -> None:
        pass

    def close(self) -> None:
        pass
