"""Addresses: which face a request is for, and what it asks, by its method and path alone. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from boticelli_cli.gateway.base import FaceName

__all__ = ["Action", "Target", "face_of_caller", "target_of"]

Action = Literal["answer", "stream", "count", "models", "model"]
"""To answer, as the body says or streamed; to count tokens; to list the models, or to tell of one."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for. `model` is empty where the body names it; `method` is the only one that is taken.

    `face` is `None` where only the caller's headers tell: lists of models stand at the same address for several.
    """

    face: FaceName | None
    action: Action
    method: Literal["GET", "POST"]
    model: str = ""


_FIXED = {
    "/v1/messages": Target("anthropic", "answer", "POST"),
    "/v1/messages/count_tokens": Target("anthropic", "count", "POST"),
    "/v1/chat/completions": Target("openai", "answer", "POST"),
    "/v1/models": Target(None, "models", "GET"),
}

_GEMINI = re.compile(r"(?P<own>/gemini)?/(?P<version>v1|v1beta|v1alpha)/models(?:/(?P<rest>.+))?", re.DOTALL)

_ACTIONS: dict[str, Action] = {
    "generateContent": "answer",
    "streamGenerateContent": "stream",
    "countTokens": "count",
}

_OTHER_ACTION = re.compile(r"[a-z]+(?:[A-Z][a-z]+)+")
"""What else Google does with models: `embedContent`. Tags of models are not written so."""


def target_of(path: str) -> Target | None:
    """What a path, decoded, is for; `None` where it is none of the faces'. Names of models may hold `/` and `:`."""
    path = path.rstrip("/") if path != "/" else path
    if (fixed := _FIXED.get(path)) is not None:
        return fixed
    found = _GEMINI.fullmatch(path)
    if found is None:
        return None
    rest: str = found["rest"] or ""
    model, _, action = rest.rpartition(":")
    if model and action in _ACTIONS:
        return Target("gemini", _ACTIONS[action], "POST", model)
    if model and _OTHER_ACTION.fullmatch(action):
        return None
    face: FaceName | None = None if found["version"] == "v1" and not found["own"] else "gemini"
    return Target(face, "model", "GET", rest) if rest else Target(face, "models", "GET")


def face_of_caller(headers: Mapping[str, str], query: Mapping[str, str]) -> FaceName:
    """Whose client asks, where the address does not say it: each sends headers that no other does."""
    if "anthropic-version" in headers or ("x-api-key" in headers and "authorization" not in headers):
        return "anthropic"
    if "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in query:
        return "gemini"
    return "openai"
