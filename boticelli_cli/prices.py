"""What an answer costs: the prices of genai-prices, under those that the user gives.

A price that is not known is not guessed: genai-prices takes a name for any that begins alike, which here counts
only when the rest of it is a version, or the catalogue knows the name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boticelli_cli.messages import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

__all__ = ["Price", "cost_usd"]

_PROVIDERS = {"gemini": "google", "anthropic": "anthropic", "openai": "openai", "bedrock": "aws"}
"""The providers' names, as genai-prices has them."""

_VERSION = re.compile(r"-(latest|\d{3}|\d{2}-\d{4}|\d{4}-?\d{2}-?\d{2})")


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens. Cached input costs what other input does, unless it is said otherwise."""

    input: float
    output: float
    cached_input: float | None = None

    def of(self, usage: Usage) -> float | None:
        """What so much use costs; None when it is not known how much was used."""
        if usage.input is None or usage.output is None:
            return None
        cached = usage.cached_input or 0
        cached_price = self.input if self.cached_input is None else self.cached_input
        millionths = (usage.input - cached) * self.input + cached * cached_price + usage.output * self.output
        return round(millionths / 1e6, 10)


def cost_usd(
    provider: str,
    model: str,
    usage: Usage,
    *,
    prices: Mapping[str, Price] | None = None,
    known: bool = False,
) -> float | None:
    """What a model's answer cost in USD, or None when its price or its use is not known.

    `prices` are the user's, by model; `known` says that the catalogue has a model of exactly this name.
    Cached and thinking tokens are counted once: they are part of the input and of the output.
    """
    for name in (f"{provider}/{model}", model):
        if prices and name in prices:
            return prices[name].of(usage)
    if usage.input is None or usage.output is None or provider not in _PROVIDERS:
        return None
    found = _calculate(_PROVIDERS[provider], model, usage)
    if found is None or not (known or _is_named(found, model)):
        return None
    return round(float(found.total_price), 10)


def _calculate(provider: str, model: str, usage: Usage) -> "PriceCalculation | None":
    import genai_prices

    used = genai_prices.Usage(
        input_tokens=usage.input,
        cache_read_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        input_audio_tokens=usage.input_audio,
        output_audio_tokens=usage.output_audio,
    )
    try:
        return genai_prices.calc_price(used, model_ref=model, provider_id=provider)
    except (LookupError, ValueError):  # no such model; or counts that contradict one another
        return None


def _is_named(found: "PriceCalculation", model: str) -> bool:
    rest = model.removeprefix(found.model.id)
    return rest == "" or (rest != model and _VERSION.fullmatch(rest) is not None)
