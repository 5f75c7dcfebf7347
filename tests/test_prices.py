"""What an answer costs."""

from datetime import date

import pytest

from boticelli_cli.catalog import Catalog, Price
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
