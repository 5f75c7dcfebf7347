"""Whose a model is, how it is called, and what became of it."""

import subprocess
import sys
from datetime import date

import pytest

from boticelli_cli.catalog import DEFAULTS, Catalog, Limits, ListedModel, Model, PlacedModel, Resolved, place
from boticelli_cli.catalog_entries import Entries
from boticelli_cli.errors import UsageError


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gemini-3.8-flash", "gemini", "gemini-3.8-flash"),
        ("claude-sonnet-5-5", "anthropic", "claude-sonnet-5-5"),
        ("gpt-5", "openai", "gpt-5"),
        ("o3-mini", "openai", "o3-mini"),
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),
        ("us.anthropic.claude-sonnet-5", "bedrock", "us.anthropic.claude-sonnet-5"),
        ("global.amazon.nova-2-lite-v1:0", "bedrock", "global.amazon.nova-2-lite-v1:0"),
        ("us-gov.meta.llama3-3-70b-instruct-v1:0", "bedrock", "us-gov.meta.llama3-3-70b-instruct-v1:0"),
        ("deepseek.v3.2", "bedrock", "deepseek.v3.2"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
        ),
        ("anthropic.claude-opus-5-v1:0", "bedrock", "anthropic.claude-opus-5-v1:0"),
        ("rehearsal", "rehearsal", "rehearsal"),
        ("rehearsal/fast", "rehearsal", "fast"),
        ("openai/meta/llama:8b", "openai", "meta/llama:8b"),
        ("gemini/brand-new", "gemini", "brand-new"),
    ],
)
def test_places_models_by_provider_or_prefix(model: str, provider: str, name: str) -> None:
    assert place(model) == PlacedModel(provider, name)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("qwen2.5-coder", "it is not known whose model 'qwen2.5-coder' is"),
        ("llama3", "it is not known whose model 'llama3' is; write it as provider/model"),
        ("orca", "it is not known whose model 'orca' is"),
        ("", "it is not known whose model '' is"),
        ("rehearsals", "did you mean 'rehearsal'?"),
        ("gemni/x", "names unknown provider 'gemni'; did you mean 'gemini'?"),
        ("/x", "names unknown provider ''; there are gemini"),
        ("gemini/", "has no name after the slash"),
    ],
)
def test_refuses_what_nothing_places(model: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(model)
    assert said in str(caught.value)


TODAY = date(2026, 11, 21)
BUILTIN = Catalog.builtin()


def catalog(*models: Model) -> Catalog:
    return Catalog(lambda provider: Entries(tuple(model for model in models if model.provider == provider)))


def gemini(name: str, shutdown: date | None = None, replaced_by: str | None = None) -> Model:
    return Model(name, "gemini", "sse", shutdown=shutdown, replaced_by=replaced_by)


@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini/gemini-3.8-live"])
def test_finds_a_model_by_either_name(model: str) -> None:
    found = BUILTIN.find(model)
    assert found is not None
    assert (found.id, found.call, found.live_text, found.live_turns) == ("gemini-3.8-live", "live", False, "realtime")


@pytest.mark.parametrize(
    "model", ["rehearsal", "rehearsal/fast", "gemini-9", "llama3", "", "gemini/", "openai/claude-opus-5"]
)
def test_finds_nothing_of_what_it_does_not_know(model: str) -> None:
    assert BUILTIN.find(model) is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("claude-opus-4-5", "claude-opus-4-5"),
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-20250514"),
        ("claude-sonnet-4", "claude-sonnet-4-20250514"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("us.anthropic.claude-sonnet-5", "anthropic.claude-sonnet-5"),
        ("bedrock/eu.anthropic.claude-sonnet-5-v1:0", "anthropic.claude-sonnet-5"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("amazon.nova-lite-v1:0:24k", "amazon.nova-lite-v1:0"),
        (
            "bedrock/arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        ),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:1:foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
    ],
)
def test_finds_a_model_with_and_without_date_version_and_region(asked: str, found: str) -> None:
    model = BUILTIN.find(asked)
    assert model is not None
    assert model.id == found


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4-4", "gpt-5-maxi", "us.us.amazon.nova-pro-v1:0", "us.claude-opus-5", "anthropic/us.claude-opus-5"],
)
def test_does_not_take_a_model_for_another(model: str) -> None:
    assert BUILTIN.find(model) is None


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-opus-6", {"sampling": False, "thinking": "adaptive", "refuses": ("temperature", "top_p", "top_k")}),
        ("us.anthropic.claude-opus-6-v1:0", {"sampling": False, "thinking": "adaptive", "thinking_off": False}),
        ("claude-opus-4-20250514", {"sampling": True, "thinking": "budget", "refuses": ()}),
        ("claude-opus-4-1-20250805", {"sampling": "one", "thinking": "budget"}),
        ("claude-opus-4-7", {"sampling": False, "thinking": "adaptive", "thinking_off": True}),
        ("claude-opus-5", {"thinking_off": True, "forced_tools": None}),
        ("claude-opus-5-5", {"thinking_off": False, "forced_tools": False}),
        ("us.anthropic.claude-opus-5-5", {"thinking_off": False, "forced_tools": False}),
        ("claude-sonnet-5-5", {"thinking_off": False, "forced_tools": False}),
        ("claude-opus-4-10", {"sampling": False, "thinking": "adaptive"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {"sampling": True, "thinking": "none"}),
        ("claude-3-7-sonnet-latest", {"sampling": True, "thinking": "budget"}),
        ("gpt-7", {"sampling": False, "thinking": "effort", "token_limit": "max_completion_tokens", "stop": None}),
        ("gpt-12-nano", {"sampling": False, "thinking": "effort"}),
        ("o5", {"sampling": False, "stop": False, "token_limit": "max_completion_tokens"}),
        ("gpt-5.1", {"sampling": False, "stop": False, "thinking_off": True}),
        ("gpt-5.2-chat-latest", {"sampling": False, "thinking": "none", "thinking_levels": ()}),
        ("gpt-5.6-sol", {"sampling": False, "stop": None, "thinking_off": True, "thinks_with_tools": False}),
        ("gpt-6-luna", {"thinking_off": True, "thinks_with_tools": False}),
        ("gpt-6-astra", {"thinking_off": False}),
        ("gpt-4o", {"sampling": None, "thinking": "none", "max_temperature": 2.0}),
        ("mistral.mistral-7b-instruct-v0:2", {"system": False, "tools": False}),
        ("us.meta.llama3-3-70b-instruct-v1:0", {"max_temperature": 1.0}),
        ("bedrock/somebody.new-model-v1:0", {"max_temperature": 1.0}),
    ],
)
def test_knows_by_its_name_what_a_model_refuses(model: str, known: dict[str, object]) -> None:
    described = BUILTIN.describe(model)
    assert described is not None
    assert {name: getattr(described, name) for name in known} == known


def test_a_provider_may_have_anothers_models() -> None:
    mine = BUILTIN.with_providers(["work", "local"], like={"work": "anthropic"})
    names = ("claude-special", "claude-opus-5")
    mine = mine.with_listed("work", [ListedModel(name, 5, calls=("sse",)) for name in names])
    found = [mine.find(name) for name in ("work/claude-opus-5", "work/claude-special", "local/claude-opus-5")]
    assert [model and (model.id, model.context_tokens) for model in found] == [
        ("claude-opus-5", 1_000_000),
        ("claude-special", 5),
        None,
    ]
    for name in ("work/claude-opus-5", "work/claude-opus-6", "work/claude-special"):
        described = mine.describe(name)
        assert described is not None
        assert described.sampling is False
    assert mine.resolve("work/claude-opus-4-1", TODAY).model == "work/claude-opus-4-8"
    assert [model.id for model in mine.models() if model.provider == "work"] == list(names)


@pytest.mark.parametrize("model", ["rehearsal", "gemini-9", "openai/my-own", "llama3", "elsewhere/gpt-7", ""])
def test_describes_nothing_of_which_the_name_tells_nothing(model: str) -> None:
    assert BUILTIN.with_providers(["elsewhere"]).describe(model) is None


@pytest.mark.parametrize(
    ("model", "call"),
    [
        ("gemini-4-argon", "sse"),
        ("gemini-3.8-live", "live"),
        ("gemini-3.5-transcribe-live", "live"),
        ("gemini-9-live", "live"),
        ("gemini/gemini-9-live-preview", "live"),
        ("gemini-9-native-audio-latest", "live"),
        ("gemini-9-lively", "sse"),
        ("gemini-9", "sse"),
        ("openai/some-live", "sse"),
        ("rehearsal", "sse"),
        ("llama3", "sse"),
    ],
)
def test_knows_or_guesses_how_a_model_is_called(model: str, call: str) -> None:
    assert BUILTIN.call_of(model) == call


def test_the_embedded_model_needs_no_catalogue() -> None:
    code = (
        "import sys\n"
        "from datetime import date\n"
        "from boticelli_cli.catalog import Catalog\n"
        "catalog = Catalog.builtin()\n"
        "catalog.find('rehearsal'), catalog.call_of('rehearsal/fast'), catalog.resolve('rehearsal', date.min)\n"
        "assert 'yaml' not in sys.modules\n"
        "catalog.find('gemini-3.8-flash')\n"
        "assert 'yaml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("asked", "today", "model", "notice"),
    [
        ("gemini-3.8-flash", TODAY, "gemini-3.8-flash", None),
        ("gemini-9", TODAY, "gemini-9", None),
        ("llama3", TODAY, "llama3", None),
        ("rehearsal", TODAY, "rehearsal", None),
        (
            "gemini-2.0-flash-live",
            TODAY,
            "gemini-3.8-live",
            "gemini-2.0-flash-live was shut down on 2025-12-09; gemini-3.8-live answers instead",
        ),
        (
            "gemini/gemini-2.0-flash-live",
            TODAY,
            "gemini/gemini-3.8-live",
            "gemini-2.0-flash-live was shut down on 2025-12-09; gemini-3.8-live answers instead",
        ),
        (
            "gemini-2.5-pro",
            date(2026, 11, 30),
            "gemini-2.5-pro",
            "gemini-2.5-pro will be shut down on 2026-12-01; use gemini-3.8-flash instead",
        ),
        (
            "gemini-2.5-pro",
            date(2026, 12, 1),
            "gemini-3.8-flash",
            "gemini-2.5-pro was shut down on 2026-12-01; gemini-3.8-flash answers instead",
        ),
        (
            "gemini-3.7-flash",
            TODAY,
            "gemini-3.7-flash",
            "gemini-3.7-flash is deprecated; use gemini-3.8-flash instead",
        ),
        (
            "gemini-3.1-flash-lite",
            date(2027, 6, 1),
            "gemini-3.1-flash-lite",
            "gemini-3.1-flash-lite may be shut down from 2027-05-07 on; use gemini-3.5-flash-lite instead",
        ),
        (
            "gemini-live-2.5-flash-native-audio",
            date(2026, 12, 14),
            "gemini-live-2.5-flash-native-audio",
            "gemini-live-2.5-flash-native-audio was shut down on 2026-12-13, and no replacement is known",
        ),
    ],
)
def test_a_retired_model_is_served_by_its_replacement(asked: str, today: date, model: str, notice: str | None) -> None:
    assert BUILTIN.resolve(asked, today) == Resolved(model, notice)


def test_a_replacement_runs_where_its_predecessor_was_asked_to() -> None:
    gone = catalog(
        Model("amazon.a-v1:0", "bedrock", "sse", shutdown=date(2025, 1, 1), replaced_by="amazon.b-v1:0"),
        Model("amazon.b-v1:0", "bedrock", "sse"),
    )
    assert gone.resolve("us.amazon.a-v1:0", TODAY).model == "us.amazon.b-v1:0"
    assert gone.resolve("bedrock/eu.amazon.a-v1:0", TODAY).model == "bedrock/eu.amazon.b-v1:0"
    assert gone.resolve("amazon.a-v1:0", TODAY).model == "amazon.b-v1:0"


def test_follows_replacements_while_they_too_are_gone() -> None:
    chain = catalog(
        gemini("gemini-a", date(2025, 1, 1), "gemini-b"),
        gemini("gemini-b", date(2026, 12, 1), "gemini-c"),
        gemini("gemini-c"),
    )
    assert chain.resolve("gemini-a", date(2026, 11, 30)).model == "gemini-b"
    assert chain.resolve("gemini-a", date(2026, 12, 1)).model == "gemini-c"


@pytest.mark.parametrize("second", ["gemini-a", "gemini-b", "gemini-nowhere"])
def test_replacements_in_a_ring_or_nowhere_end(second: str) -> None:
    ring = catalog(
        gemini("gemini-a", date(2025, 1, 1), "gemini-b"),
        gemini("gemini-b", date(2025, 1, 1), second),
    )
    assert ring.resolve("gemini-a", TODAY) == Resolved(
        "gemini-a", "gemini-a was shut down on 2025-01-01, and no replacement is known"
    )


def test_what_a_provider_lists_fills_in_what_is_not_known() -> None:
    listed = Catalog.builtin().with_listed(
        "gemini",
        [
            ListedModel("gemini-flash-latest", 5, 6, calls=("live",)),
            ListedModel("gemini-3.8-flash", 5, 6, calls=("sse",)),
            ListedModel("gemini-9-new", 7, 8, calls=("live", "sse")),
            ListedModel("gemini-9-embedding", 7),
        ],
    )
    alias, known, new = (
        listed.find(name) for name in ("gemini-flash-latest", "gemini-3.8-flash", "gemini/gemini-9-new")
    )
    assert alias is not None
    assert (alias.call, alias.context_tokens, alias.max_output_tokens) == ("sse", 5, 6)
    assert known == BUILTIN.find("gemini-3.8-flash")
    assert new == Model("gemini-9-new", "gemini", "live", context_tokens=7, max_output_tokens=8)
    assert listed.call_of("gemini-9-new") == "live"
    assert listed.find("gemini-9-embedding") is None
    assert BUILTIN.find("gemini-9-new") is None
    assert listed.tiers("gemini") == BUILTIN.tiers("gemini")


def test_a_listed_model_is_known_by_its_name_as_any_other() -> None:
    names = ["claude-opus-4-5-20251101", "claude-opus-6", "gpt-7", "text-embedding-4", "gpt-image-3"]
    listed = BUILTIN.with_listed("anthropic", [ListedModel(name, calls=("sse",)) for name in names[:2]])
    listed = listed.with_listed("openai", [ListedModel(name, calls=("sse",)) for name in names[2:]])
    ids = {model.id for model in listed.models()}
    assert ids & set(names) == {"claude-opus-6", "gpt-7"}
    for name in ("claude-opus-6", "gpt-7"):
        found = listed.find(name)
        assert found is not None
        assert found.sampling is False


def test_every_default_model_answers() -> None:
    for provider, name in DEFAULTS.items():
        found = BUILTIN.find(name)
        assert found is not None
        assert (found.provider, found.is_gone(TODAY)) == (provider, False)


def test_knows_limits_by_tier() -> None:
    assert BUILTIN.tiers("anthropic") == ("start", "build", "scale")
    assert BUILTIN.tier_limits("anthropic", "start", "claude-opus-5-5") == Limits(rpm=1000, tpm=2_000_000)
    assert BUILTIN.tiers("bedrock") == ()
    assert BUILTIN.tiers("gemini") == ("free", "tier_1", "tier_2", "tier_3")
    assert BUILTIN.tiers("rehearsal") == ()
    free = Limits(rpm=5, tpm=250_000, rpd=20)
    assert BUILTIN.tier_limits("gemini", "free", "gemini-3.8-flash") == free
    assert BUILTIN.tier_limits("gemini", "free", "gemini/gemini-3.8-flash") == free
    assert BUILTIN.tier_limits("gemini", "free", "gemini-3.1-pro-preview") == Limits(rpm=0, rpd=0)
    assert BUILTIN.tier_limits("gemini", "tier_1", "gemini-3.8-flash") == Limits()
    assert BUILTIN.tier_limits("gemini", "gold", "gemini-9") == Limits()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gemini-3.8-flsh", "; did you mean 'gemini-3.8-flash'?"),
        ("gemini/gemini-3.8-liv", "; did you mean 'gemini-3.8-live'?"),
        ("mistral", ""),
    ],
)
def test_says_which_name_is_near(name: str, said: str) -> None:
    assert BUILTIN.nearest(name, "gemini", TODAY) == said
    assert BUILTIN.nearest(name, "openai", TODAY) == ""


def test_names_a_retired_model_only_where_no_current_one_is_near() -> None:
    some = catalog(gemini("gemini-old", date(2025, 1, 1)), gemini("gemini-olm"), gemini("gemini-quite-else"))
    assert some.nearest("gemini-oldd", "gemini", TODAY) == "; did you mean 'gemini-olm'?"
    alone = catalog(gemini("gemini-old", date(2025, 1, 1)), gemini("gemini-quite-else"))
    assert alone.nearest("gemini-oldd", "gemini", TODAY) == "; did you mean 'gemini-old'?"
