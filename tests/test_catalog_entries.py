"""What the catalogue says of models, entry by entry, and how it is read."""

from datetime import date
from typing import get_args, get_type_hints

import pytest

from boticelli_cli.catalog_entries import Call, Limits, Model, Price, parse_entries, read_entries
from boticelli_cli.messages import MediaKind

MODELS = read_entries().models
KINDS = {"text", *get_args(MediaKind)}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_entry_is_well_formed(model: Model) -> None:
    allowed = {name: get_args(hint) for name, hint in get_type_hints(Model).items()}
    assert model.call in get_args(Call)
    assert model.input
    assert {*model.input, *model.output} <= KINDS
    assert model.status in get_args(allowed["status"][0])
    assert model.live_turns is None or model.live_turns in get_args(allowed["live_turns"][0])
    assert model.thinking is None or model.thinking in get_args(allowed["thinking"][0])
    for day in (model.shutdown, model.earliest_shutdown, *(price.since for price in model.price)):
        assert day is None or type(day) is date
    assert model.source


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_entry_agrees_with_itself(model: Model) -> None:
    assert (model.live_turns is not None) == (model.call == "live")
    assert model.live_text is None or model.call == "live"
    assert not model.thinking_levels or model.thinking == "level"
    assert model.thinking_budget is None or model.thinking == "budget"
    assert model.thinking_off is None or model.thinking == "budget"
    assert model.thinking_off is not False or model.thinking_budget is not None
    assert model.shutdown is None or model.earliest_shutdown is None
    assert model.shutdown is not None or model.status != "shutdown"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_replacement_is_in_the_catalogue(model: Model) -> None:
    assert model.replaced_by is None or model.replaced_by in {other.id for other in MODELS} - {model.id}


def test_every_limit_is_of_a_known_model() -> None:
    for provider, tiers in read_entries().tiers.items():
        known = {model.id for model in MODELS if model.provider == provider}
        assert all(set(models) <= known for models in tiers.values())


def test_no_model_is_told_of_twice() -> None:
    assert len({(model.provider, model.id) for model in MODELS}) == len(MODELS)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        parse_entries(b"models: {x: {provider: p, call: sse, colour: red}}\ntiers: {}")


def test_reads_prices_and_limits() -> None:
    entries = parse_entries(
        b"models: {x: {provider: p, call: sse, price: [{input: 1.0}, {since: 2027-01-01, input: 2.0}]}}\n"
        b"tiers: {p: {free: {x: {rpm: 5}}}}"
    )
    model = entries.models[0]
    assert model.price_on(date(2026, 12, 31)) == Price(input=1.0)
    assert model.price_on(date(2027, 1, 1)) == Price(input=2.0, since=date(2027, 1, 1))
    assert Model("y", "p", "sse").price_on(date(2027, 1, 1)) is None
    assert entries.tiers["p"]["free"]["x"] == Limits(rpm=5)


@pytest.mark.parametrize(
    ("model", "today", "gone"),
    [
        (Model("x", "p", "sse"), date(2030, 1, 1), False),
        (Model("x", "p", "sse", status="shutdown"), date(2020, 1, 1), True),
        (Model("x", "p", "sse", shutdown=date(2026, 12, 1)), date(2026, 11, 30), False),
        (Model("x", "p", "sse", shutdown=date(2026, 12, 1)), date(2026, 12, 1), True),
        (Model("x", "p", "sse", earliest_shutdown=date(2026, 12, 1)), date(2030, 1, 1), False),
    ],
)
def test_knows_when_a_model_is_gone(model: Model, today: date, gone: bool) -> None:
    assert model.is_gone(today) is gone
