"""What providers list of their models, whichever of them it is."""

from dataclasses import dataclass

__all__ = ["ListedModel"]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its provider lists it. The limits are in tokens.

    `methods` are what may be asked of it, as in Gemini's addresses; of others, who say nothing, there are none.
    """

    name: str
    display_name: str | None = None
    input_limit: int | None = None
    output_limit: int | None = None
    methods: tuple[str, ...] = ()
