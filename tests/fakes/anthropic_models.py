"""The models that the fake Anthropic service has, and what each of them takes."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Model:
    """`sampling`: it takes temperature and the like, but not temperature and top_p together.

    `budget`, `adaptive`: how it may be asked to think; `effort`: whether it may be told how hard. `tells`: it tells what
    it thinks unless it is asked not to. `off`: how it may be kept from thinking, if at all. `forced`: it can be made to
    call a tool. `prefill`: an answer may be begun for it.
    """

    name: str
    sampling: bool = False
    budget: bool = False
    adaptive: bool = True
    effort: bool = True
    tells: bool = False
    off: str | None = "disabled"
    forced: bool = True
    prefill: bool = False
    output_limit: int = 128_000

    @property
    def json(self) -> dict[str, Any]:
        return {
            "type": "model",
            "id": self.name,
            "display_name": self.name.replace("-", " ").title(),
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
            "max_input_tokens": 200_000,
            "max_tokens": self.output_limit,
        }


def _older(name: str) -> Model:
    return Model(
        name, sampling=True, budget=True, adaptive=False, effort=False, tells=True, prefill=True, output_limit=64_000
    )


MODELS = (
    _older("claude-haiku-4-5"),
    _older("claude-sonnet-4-5"),
    Model("claude-sonnet-4-6", sampling=True, budget=True, tells=True),
    Model("claude-opus-4-6", sampling=True, budget=True, tells=True),
    Model("claude-opus-4-7"),
    Model("claude-sonnet-5"),
    Model("claude-opus-5-5", off=None, forced=False),
    Model("claude-sonnet-5-5", off="between_tools", forced=False),
    Model("claude-haiku-5-5"),
)


def table(*more: str) -> dict[str, Model]:
    return {model.name: model for model in (*MODELS, *(Model(name) for name in more))}
