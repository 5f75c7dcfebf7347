"""The manner in which a run is shown: what was wished for, and what the terminal can."""

from dataclasses import dataclass

from boticelli_cli.views.images import ImageProtocol

__all__ = ["Manner"]


@dataclass(frozen=True, slots=True)
class Manner:
    """With `headings`, what is said of acts and of the run is shown too; without, nothing but the answer.

    `verbose` says more at the end; `again` is the command that was typed, and empty where it is not to be told;
    `pictures` is how the terminal takes them, if it does.
    """

    headings: bool = True
    verbose: bool = False
    again: str = ""
    pictures: ImageProtocol | None = None
