"""What providers say that they have."""

from pathlib import Path

from boticelli_cli.catalog import Catalog, ListedModel
from boticelli_cli.listings import calls_of, keep_listing, with_listings


def test_methods_say_how_a_model_is_called() -> None:
    assert calls_of(["countTokens", "generateContent"]) == ("sse",)
    assert calls_of(["bidiGenerateContent"]) == ("live",)
    assert calls_of(["embedContent"]) == ()


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


def test_a_list_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"models": [{"name": "m", "calls": null}]}', '{"models": [{"nome": "m", "calls": []}]}'):
        (tmp_path / "models-gemini.json").write_text(text)
        assert with_listings(Catalog.builtin(), tmp_path, ["gemini"]).find("gemini/m") is None
