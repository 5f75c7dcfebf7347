"""What an answer costs: by the user's prices, else those of genai-prices, else the catalogue's.

A price that is not known is not guessed: genai-prices takes a name for any that begins alike, which here counts
only when the rest of it is a version, or when the catalogue knows the name.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from boticelli_cli.catalog import Catalog, PlacedModel, Price, bare_name
from boticelli_cli.messages import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

__all__ = ["cost_usd", "load_prices"]

_PROVIDERS = {"gemini": "google", "anthropic": "anthropic", "openai": "openai", "bedrock": "aws"}
"""The providers' names, as genai-prices has them."""

_DATE = re.compile(r"-(latest|\d{3}|\d{2}-\d{4}|\d{4}-?\d{2}-?\d{2})")

_BEDROCK_VERSION = re.compile(r"-v\d+(:\d+k?)*$")


def cost_usd(
    provider: str,
    models: Iterable[str],
    usage: Usage,
    *,
    catalog: Catalog,
    today: date,
    prices: Mapping[str, Price] | None = None,
) -> float | None:
    """What an answer cost in USD, or None when its price or its use is not known.

    `models` are the names of the model that answered, the most exact first; `prices` are the user's, by model,
    with or without its provider, and win over all others. Cached and thinking tokens are counted once: they are
    part of the input and of the output. On Bedrock it matters in which region a model may run.
    """
    models = tuple(dict.fromkeys(name for model in models for name in _names(provider, model)))
    for model in models:
        for name in (f"{provider}/{model}", model):
            if prices and name in prices:
                return _by(prices[name], usage)
    costs = (_known_cost(provider, model, usage, catalog, today) for model in models)
    return next((cost for cost in costs if cost is not None), None)


def load_prices() -> None:
    """Load the prices that are known, which takes a tenth of a second, before anybody waits for one."""
    _calculate("openai", "gpt-4o", Usage(input=1, output=1))


def _names(provider: str, model: str) -> tuple[str, ...]:
    if provider != "bedrock":
        return (model,)
    return model, model.rpartition("/")[2], bare_name(PlacedModel(provider, model))


def _known_cost(provider: str, model: str, usage: Usage, catalog: Catalog, today: date) -> float | None:
    if usage.input is None or usage.output is None or provider not in _PROVIDERS:
        return None
    known = catalog.find(f"{provider}/{model}")
    found = _calculate(_PROVIDERS[provider], model, usage)
    if found is not None and (known is not None or _is_named(found, model)):
        return round(float(found.total_price), 10)
    price = known.price_on(today, usage.input) if known is not None else None
    return _by(price, usage) if price is not None else None


def _by(price: Price, usage: Usage) -> float | None:
    """What so much use costs at a price; None when one of them is not known well enough."""
    if usage.input is None or usage.output is None:
        return None
    heard, spoken = usage.input_audio or 0, usage.output_audio or 0
    cached, kept = usage.cached_input or 0, usage.cache_write or 0
    counts = (
        (usage.input - heard - cached - kept, price.input),
        (kept, price.input if price.cache_write is None else price.cache_write),
        (heard, price.input if price.audio_input is None else price.audio_input),
        (cached, price.input if price.cached_input is None else price.cached_input),
        (usage.output - spoken, price.output),
        (spoken, price.output if price.audio_output is None else price.audio_output),
    )
    if any(count and each is None for count, each in counts):
        return None
    return round(sum(count * (each or 0.0) for count, each in counts) / 1e6, 10)


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
    name = _BEDROCK_VERSION.sub("", bare_name(PlacedModel("bedrock", model)))
    same = _BEDROCK_VERSION.sub("", found.model.id.removeprefix("regional.").removeprefix("global."))
    rest = name.removeprefix(same)
    return rest == "" or (rest != name and _DATE.fullmatch(rest) is not None)
