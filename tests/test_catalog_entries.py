"""What the catalogue says of models, entry by entry, and how it is read."""

from datetime import date
from typing import get_args, get_type_hints

import pytest

from boticelli_cli.catalog_entries import Call, Limits, Model, Price, parse_entries, parse_families, read_entries
from boticelli_cli.messages import MediaKind

PROVIDERS = ("gemini", "anthropic", "openai", "bedrock")
MODELS = [model for provider in PROVIDERS for model in read_entries(provider).models]
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
    assert not model.thinking_levels or model.thinking in ("level", "effort", "adaptive")
    assert model.thinking_budget is None or model.thinking == "budget"
    assert model.thinking_off is None or model.thinking in ("budget", "effort", "adaptive")
    assert model.thinking_off is not False or model.thinking_budget is not None or model.thinking != "budget"
    assert model.budget_in_output is None or model.thinking == "budget"
    assert model.thinking_auto is None or model.thinking == "budget"
    assert model.shutdown is None or model.earliest_shutdown is None
    assert model.shutdown is not None or model.status != "shutdown"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_replacement_is_in_the_catalogue(model: Model) -> None:
    mine = {other.id for other in MODELS if other.provider == model.provider} - {model.id}
    assert model.replaced_by is None or model.replaced_by in mine


def test_every_limit_is_of_a_known_model() -> None:
    for provider in PROVIDERS:
        known = {model.id for model in MODELS if model.provider == provider}
        assert all(set(models) <= known for models in read_entries(provider).tiers.values())


def test_no_model_is_told_of_twice() -> None:
    assert len({(model.provider, model.id) for model in MODELS}) == len(MODELS)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        parse_entries(b"models: {x: {call: sse, colour: red}}\ntiers: {}", "p")
    with pytest.raises(TypeError, match="colour"):
        parse_families(b"families: [{of: [p], match: x, colour: red}]", "p")


def test_reads_prices_and_limits() -> None:
    entries = parse_entries(
        b"models: {x: {call: sse, price: [{input: 1.0}, {since: 2027-01-01, input: 2.0}]}}\n"
        b"tiers: {free: {x: {rpm: 5}}}",
        "p",
    )
    model = entries.models[0]
    assert model.price_on(date(2026, 12, 31)) == Price(input=1.0)
    assert model.price_on(date(2027, 1, 1)) == Price(input=2.0, since=date(2027, 1, 1))
    assert Model("y", "p", "sse").price_on(date(2027, 1, 1)) is None
    assert entries.tiers["free"]["x"] == Limits(rpm=5)


def test_long_requests_may_have_a_price_of_their_own() -> None:
    entries = parse_entries(
        b"models: {x: {call: sse, price: [{input: 1.0}, {over_tokens: 100, input: 2.0}]}}\ntiers: {}", "p"
    )
    prices = [entries.models[0].price_on(date(2027, 1, 1), tokens) for tokens in (0, 100, 101)]
    assert [price.input if price else None for price in prices] == [1.0, 1.0, 2.0]


def test_a_family_says_what_an_entry_does_not() -> None:
    families = parse_families(
        b"families:\n"
        b"  - {of: [p, q], match: 'x.*', sampling: false, stop: false, refuses: [a]}\n"
        b"  - {of: [p], match: 'xy', stop: true}\n"
        b"  - {of: [q], match: 'xy', system: false}",
        "p",
    )
    entries = parse_entries(b"models: {x: {call: sse, sampling: true}, xy: {call: sse}}\ntiers: {}", "p", families)
    assert entries.models == (
        Model("x", "p", "sse", sampling=True, stop=False, refuses=("a",)),
        Model("xy", "p", "sse", sampling=False, stop=True, refuses=("a",)),
    )
    assert entries.with_family(Model("xz", "p", "sse", stop=True)) == Model(
        "xz", "p", "sse", sampling=False, stop=True, refuses=("a",)
    )
    assert entries.with_family(Model("z", "p", "sse")) == Model("z", "p", "sse")


@pytest.mark.parametrize("provider", ["rehearsal", "elsewhere", "families", "../models/gemini", ""])
def test_of_other_providers_nothing_is_known(provider: str) -> None:
    assert read_entries(provider).models == ()


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
