"""What providers say that they have."""

from pathlib import Path

from boticelli_cli.catalog import Catalog, ListedModel
from boticelli_cli.listings import calls_of, keep_listing, with_listings


def test_methods_say_how_a_model_is_called() -> None:
    assert calls_of(["countTokens", "generateContent"]) == ("sse",)
    assert calls_of(["bidiGenerateContent"]) == ("live",)
    assert calls_of(["embedContent"]) == ()
    assert calls_of([]) == ("sse",)


def test_what_is_kept_is_known_the_next_time(tmp_path: Path) -> None:
    listed = [
        ListedModel("gemini-9-neon", 5, 6, ("live",)),
        ListedModel("embedding-1"),
        ListedModel("gemini-3.8-flash"),
    ]
    keep_listing(tmp_path / "cache", "gemini", listed)
    catalog = with_listings(Catalog.builtin(), tmp_path / "cache", ["gemini", "openai"])
    assert catalog.call_of("gemini-9-neon") == "live"
    assert catalog.find("gemini/embedding-1") is None
    found = catalog.find("gemini-3.8-flash")
    assert found is not None
    assert found.source is not None


def test_what_other_providers_list_is_kept_as_well(tmp_path: Path) -> None:
    listed = [ListedModel(name, calls=calls_of(())) for name in ("gpt-7", "gpt-4o-2024-08-06", "text-embedding-4")]
    keep_listing(tmp_path, "openai", listed)
    keep_listing(tmp_path, "local", [ListedModel("qwen3:8b", calls=calls_of(()))])
    catalog = with_listings(Catalog.builtin().with_providers(["local"]), tmp_path, ["openai", "local"])
    assert {"openai/gpt-7", "local/qwen3:8b"} <= {f"{model.provider}/{model.id}" for model in catalog.models()}
    found = [catalog.find(name) for name in ("gpt-7", "local/qwen3:8b", "gpt-4o-2024-08-06", "text-embedding-4")]
    assert [model and model.id for model in found] == ["gpt-7", "qwen3:8b", "gpt-4o", None]


def test_a_list_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"models": [{"name": "m", "calls": null}]}', '{"models": [{"nome": "m", "calls": []}]}'):
        (tmp_path / "models-gemini.json").write_text(text)
        assert with_listings(Catalog.builtin(), tmp_path, ["gemini"]).find("gemini/m") is None
