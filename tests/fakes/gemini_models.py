"""The models that the fake Gemini service has, and how each of them behaves."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Live:
    """How a model takes part in a Live session.

    `text`: it can answer in text, and only so. `seeds`: clientContent is taken only as history before the first
    realtimeInput. `thinking_level`: the setup may choose one.
    """

    text: bool = False
    seeds: bool = False
    thinking_level: bool = True


@dataclass(frozen=True)
class Model:
    name: str
    live: Live | None = None
    thinking: bool = True

    @property
    def json(self) -> dict[str, Any]:
        methods = ["bidiGenerateContent"] if self.live else ["generateContent", "countTokens", "createCachedContent"]
        return {
            "name": f"models/{self.name}",
            "version": "001",
            "displayName": self.name.replace("-", " ").title(),
            "description": f"{self.name}, as the tests know it",
            "inputTokenLimit": 131_072 if self.live else 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": methods,
            "temperature": 1,
            "topP": 0.95,
            "topK": 64,
            "maxTemperature": 2,
            "thinking": self.thinking,
        }


MODELS = (
    Model("gemini-2.5-flash"),
    Model("gemini-2.5-flash-lite"),
    Model("gemini-2.5-pro"),
    Model("gemini-2.5-flash-image", thinking=False),
    Model("gemini-2.5-flash-preview-tts", thinking=False),
    Model("gemini-3-pro-preview"),
    Model("gemini-3.1-pro-preview"),
    Model("gemini-3.6-flash"),
    Model("gemini-3.8-flash"),
    Model("gemini-3.8-flash-lite"),
    Model("gemini-3.8-pro"),
    Model("gemini-99-unheard-of"),
    Model("gemini-3.8-live", Live(seeds=True, thinking_level=False)),
    Model("gemini-3.8-live-extended-thinking", Live(seeds=True)),
    Model("gemini-3.1-flash-live-preview", Live(seeds=True)),
    Model("gemini-2.5-flash-native-audio-latest", Live()),
    Model("legacy-live-text", Live(text=True)),
)


def table(*more: str) -> dict[str, Model]:
    return {model.name: model for model in (*MODELS, *(Model(name) for name in more))}
