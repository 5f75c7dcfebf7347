"""How an act's settings become a request: to ask a model, or to see beforehand what it takes."""

from collections.abc import Iterable

from boticelli_cli.messages import Message, Request
from boticelli_cli.narrative.model import Settings

__all__ = ["request_of"]


def request_of(settings: Settings, messages: Iterable[Message], *, system: str | None) -> Request:
    """The request that puts messages to a model as the settings say. `system` is what their template came to."""
    return Request(
        model=settings.model or "",
        messages=tuple(messages),
        system=system or None,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=settings.stop or (),
        thinking=settings.thinking,
        options=settings.options or {},
        timeout=settings.timeout,
        retries=settings.retries,
        fallback=settings.fallback or (),
    )
