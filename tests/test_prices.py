"""What an answer costs."""

from datetime import date

import genai_prices
import pytest

from boticelli_cli.catalog import Catalog, Model, Price
from boticelli_cli.messages import Usage
from boticelli_cli.prices import cost_usd

CATALOG = Catalog.builtin()
NOVEMBER, DECEMBER = date(2026, 11, 21), date(2026, 12, 1)
MILLION = 1_000_000


def cost(model: str, usage: Usage, today: date = NOVEMBER, **prices: Price) -> float | None:
    named = {name.replace("_", "-"): price for name, price in prices.items()}
    return cost_usd("gemini", [model], usage, catalog=CATALOG, today=today, prices=named)


def test_prices_come_from_the_list_that_everybody_shares() -> None:
    assert cost("gemini-3.5-flash-lite", Usage(input=MILLION, output=MILLION)) == pytest.approx(0.3 + 2.5)


def test_cached_and_thinking_tokens_are_counted_once() -> None:
    usage = Usage(input=MILLION, output=MILLION, cached_input=MILLION // 2, thinking=MILLION // 2)
    assert cost("gemini-3.5-flash-lite", usage) == pytest.approx(0.15 + 0.015 + 2.5)


def test_sound_has_a_price_of_its_own() -> None:
    usage = Usage(input=MILLION, output=MILLION, output_audio=MILLION)
    assert cost("gemini-3.8-live", usage) == pytest.approx(0.75 + 12)


def test_the_users_price_wins() -> None:
    usage = Usage(input=MILLION, output=MILLION, cached_input=MILLION // 2)
    assert cost("gemini-3.8-flash", usage, gemini_3_8_flash=Price(1, 2)) != pytest.approx(3)
    mine = {"gemini/gemini-3.8-flash": Price(1, 2)}
    assert cost_usd("gemini", ["gemini-3.8-flash"], usage, catalog=CATALOG, today=NOVEMBER, prices=mine) == 3
    mine = {"gemini-3.8-flash": Price(1, 2, cached_input=0)}
    assert cost_usd("gemini", ["gemini-3.8-flash"], usage, catalog=CATALOG, today=NOVEMBER, prices=mine) == 2.5


def test_the_users_price_wins_also_for_the_name_that_was_asked_for() -> None:
    names = ["gemini-3.8-flash-001", "gemini-3.8-flash"]
    usage, mine = Usage(input=MILLION, output=MILLION), {"gemini-3.8-flash": Price(100, 0)}
    assert cost_usd("gemini", names, usage, catalog=CATALOG, today=NOVEMBER, prices=mine) == 100


def test_the_catalogue_fills_in_by_the_day() -> None:
    usage = Usage(input=MILLION, output=MILLION)
    assert cost("gemini-4-hydrogen", usage) == pytest.approx(1.5 + 7.5)
    assert cost("gemini-4-carbon", usage) == pytest.approx(2 + 10)
    assert cost("gemini-4-carbon", usage, DECEMBER) == pytest.approx(4 + 20)


@pytest.mark.parametrize("model", ["gemini-9-neon", "gemini-3.8-flash-foo", "gemini-3.7-flash-lite", ""])
def test_an_unknown_price_is_not_guessed(model: str) -> None:
    assert cost(model, Usage(input=1, output=1)) is None


def test_a_version_of_a_model_costs_what_the_model_does() -> None:
    usage = Usage(input=MILLION, output=MILLION)
    assert cost("gemini-3.5-flash-lite-001", usage) == cost("gemini-3.5-flash-lite", usage)


def test_without_counts_there_is_no_price() -> None:
    assert cost("gemini-3.8-flash", Usage(output=5)) is None
    assert cost("gemini-3.8-flash", Usage(input=5)) is None
    assert cost("gemini-3.8-flash", Usage(input=1, output=1, cached_input=2)) is None
    assert cost_usd("elsewhere", ["m"], Usage(input=1, output=1), catalog=CATALOG, today=NOVEMBER) is None


def test_a_price_that_lacks_what_was_used_is_none() -> None:
    usage = Usage(input=MILLION, output=MILLION)
    assert cost("gemini-3.5-live-translate-preview", usage) is None
    spoken = Usage(input=MILLION, output=MILLION, input_audio=MILLION, output_audio=MILLION)
    assert cost("gemini-3.5-live-translate-preview", spoken) == pytest.approx(3.5 + 21)


def priced(provider: str, model: str, usage: Usage) -> float | None:
    return cost_usd(provider, [model], usage, catalog=CATALOG, today=NOVEMBER)


FULL = Usage(input=100_000, output=50_000, cached_input=20_000, cache_write=30_000, thinking=40_000, total=150_000)
"""Half of the input came from the cache or went there; most of the output was thinking."""


@pytest.mark.parametrize(
    ("provider", "model", "same_as"),
    [
        ("anthropic", "claude-opus-5", ("anthropic", "claude-opus-5")),
        ("anthropic", "claude-opus-4-5-20251101", ("anthropic", "claude-opus-4-5")),
        ("openai", "gpt-5.6-sol", ("openai", "gpt-5.6-sol")),
        ("openai", "gpt-5-2025-08-07", ("openai", "gpt-5")),
        ("bedrock", "us.anthropic.claude-sonnet-5", ("aws", "us.anthropic.claude-sonnet-5")),
        ("bedrock", "global.anthropic.claude-sonnet-5", ("aws", "global.anthropic.claude-sonnet-5")),
        (
            "bedrock",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            ("aws", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-pro-v1:0",
            ("aws", "amazon.nova-pro-v1:0"),
        ),
    ],
)
def test_every_providers_use_is_priced_as_the_list_says(provider: str, model: str, same_as: tuple[str, str]) -> None:
    used = genai_prices.Usage(
        input_tokens=100_000, output_tokens=50_000, cache_read_tokens=20_000, cache_write_tokens=30_000
    )
    found = genai_prices.calc_price(used, provider_id=same_as[0], model_ref=same_as[1])
    assert priced(provider, model, FULL) == pytest.approx(float(found.total_price))


def test_what_went_into_the_cache_costs_what_that_costs() -> None:
    assert priced("anthropic", "claude-opus-5", FULL) == pytest.approx(
        (50_000 * 5 + 20_000 * 0.5 + 30_000 * 6.25 + 50_000 * 25) / 1e6
    )
    mine = {"claude-opus-5": Price(1, 2, cached_input=0.1, cache_write=3)}
    cost = cost_usd("anthropic", ["claude-opus-5"], FULL, catalog=CATALOG, today=NOVEMBER, prices=mine)
    assert cost == pytest.approx((50_000 * 1 + 20_000 * 0.1 + 30_000 * 3 + 50_000 * 2) / 1e6)


def test_where_a_model_may_run_has_its_price() -> None:
    anywhere, here = (priced("bedrock", f"{where}.anthropic.claude-sonnet-5-5", FULL) for where in ("global", "us"))
    assert anywhere is not None
    assert here == pytest.approx(anywhere * 1.1)


def test_the_users_price_for_a_model_holds_in_every_region() -> None:
    mine = {"bedrock/amazon.nova-pro-v1:0": Price(1, 2)}
    usage = Usage(input=MILLION, output=MILLION)
    cost = cost_usd("bedrock", ["us.amazon.nova-pro-v1:0"], usage, catalog=CATALOG, today=NOVEMBER, prices=mine)
    assert cost == 3


def test_long_requests_cost_what_long_requests_do() -> None:
    assert priced("openai", "gpt-6.2-sol", Usage(input=200_000, output=100_000)) == pytest.approx(0.4 + 1.0)
    assert priced("openai", "gpt-6.2-sol", Usage(input=300_000, output=100_000)) == pytest.approx(1.2 + 1.5)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-opus-6"),
        ("openai", "gpt-7"),
        ("openai", "gpt-5.6-solar"),
        ("bedrock", "us.anthropic.claude-opus-9"),
        ("bedrock", "us.anthropic.claude-sonnet-5-5-mini"),
    ],
)
def test_no_other_model_lends_its_price(provider: str, model: str) -> None:
    assert priced(provider, model, FULL) is None


@pytest.mark.parametrize(
    "model", [each for each in CATALOG.models() if each.status == "ga" and each.call == "sse"], ids=lambda each: each.id
)
def test_knows_what_every_current_model_costs(model: Model) -> None:
    name = f"us.{model.id}" if model.provider == "bedrock" else model.id
    assert priced(model.provider, name, FULL) is not None
