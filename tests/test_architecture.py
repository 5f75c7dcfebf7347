"""Who may import whom. Data goes one way, and nothing imports upward."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "boticelli_cli"

MAP: dict[str, set[str]] = {
    # words
    "errors": set(),
    "messages": set(),
    "events": {"errors", "messages"},
    # pure, but for reading files
    "catalog_entries": set(),
    "catalog": {"errors", "catalog_entries"},
    "routes": set(),
    "grants": set(),
    "option_words": {"messages"},
    "fitting": {"messages", "catalog_entries", "fitting_thinking", "option_words"},
    "fitting_thinking": {"messages", "catalog_entries"},
    "narrative": {"errors", "messages"},
    "prices": {"messages", "catalog"},
    "private_file": {"errors", "narrative"},
    "sqlite_file": set(),
    "keystore": {"errors", "narrative", "private_file"},
    "issued_keys": {"errors", "grants", "narrative", "private_file"},
    "config_document": {"errors", "grants", "narrative", "routes"},
    "config_file": {"errors", "narrative", "config_document"},
    "config_providers": {"errors", "config_file", "config_document", "routes"},
    "config_accounts": {"narrative", "config_file", "config_document", "config_providers"},
    "config_account_checks": {
        *("errors", "catalog", "config_file", "config_document", "config_providers", "config_accounts"),
    },
    "config_routes": {"errors", "narrative", "catalog", "config_file", "config_document", "config_providers", "routes"},
    "config_gateway": {"errors", "grants", "config_file", "config_document"},
    "config": {
        *("errors", "narrative", "catalog", "routes", "keystore"),
        *("config_file", "config_providers", "config_accounts", "config_account_checks", "config_routes"),
        "config_gateway",
    },
    "credentials": {"errors", "narrative", "config", "keystore"},
    "wire": {"errors", "messages", "option_words"},
    # the outside world
    "drivers": {"errors", "messages", "catalog", "wire"},
    "drivers.base": {"errors", "messages"},
    # both know only drivers.base
    "routing": {
        *("errors", "messages", "catalog", "fitting", "option_words", "routes", "sqlite_file", "drivers.base"),
    },
    "runs": {"errors", "messages", "events", "narrative", "drivers.base"},
    # to people
    "views": {"errors", "messages", "events"},
    "gateway": {"errors", "messages", "grants", "sqlite_file", "drivers.base", "wire"},
    "sharing": {"errors", "catalog", "grants", "routing", "gateway"},
    # the parts, joined
    "listings": {"catalog", "config", "runs"},
    "limit_states": {"catalog", "config", "routing"},
    "account_drivers": {
        *("errors", "messages", "catalog", "fitting", "config", "credentials", "keystore", "listings"),
        *("wire", "drivers"),
    },
    "providers": {
        *("errors", "messages", "catalog", "config", "limit_states", "account_drivers", "drivers", "routing"),
    },
    "model_checks": {
        *("errors", "messages", "catalog", "fitting", "config", "narrative", "providers", "drivers", "routing", "runs"),
    },
    "inventory": {
        *("errors", "catalog", "config", "listings", "limit_states", "account_drivers", "providers", "drivers"),
    },
    "app": {
        *("errors", "messages", "events", "catalog", "fitting", "prices", "config", "narrative"),
        *("drivers", "routing", "runs", "listings", "providers", "model_checks"),
    },
    "keys": {"errors", "config", "keystore", "limit_states"},
    "gateway_keys": {"errors", "grants", "config", "config_gateway", "issued_keys", "gateway"},
    "doctor": {
        *(
            "errors",
            "narrative",
            "catalog",
            "config",
            "credentials",
            "keystore",
            "limit_states",
            "account_drivers",
            "drivers",
            "routing",
        ),
    },
    "serving": {
        *("errors", "messages", "catalog", "prices", "config", "private_file", "listings", "providers"),
        *("drivers.base", "routing", "sharing", "gateway", "gateway_keys"),
    },
    "gateway_process": {"errors", "config", "gateway", "serving"},
    "cli": {
        *("app", "inventory", "keys", "gateway_keys", "gateway_process", "doctor", "errors", "events", "views"),
    },
    "__init__": {"app", "errors", "events", "messages", "narrative"},
    "__main__": {"cli"},
}
"""What each part may import of the others. A part that is not here yet is let in by writing it here first."""

OWNERS: dict[str, set[str]] = {
    r"import httpx|from httpx": {"drivers/http.py"},
    r"os\.environ|os\.getenv": {"config.py"},
    r"import yaml\b": {"narrative/yaml.py", "catalog_entries.py"},
    r"import tomllib": {"narrative/toml.py"},
    r"asyncio\.run\(": {"cli/play.py"},
    r"import redis|from redis": {"sharing/client.py", "sharing/link.py"},
}
"""What only these modules do."""


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts)


def part_of(module: str) -> str:
    return module if module == "drivers.base" else module.partition(".")[0]


def imports_of(path: Path) -> set[str]:
    """The modules of this package that a module imports, anywhere in it, as names below the package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            base = node.module or ""
            found |= {f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names}
    return {name.removeprefix("boticelli_cli.") for name in found if name.startswith("boticelli_cli.")}


def is_module(name: str) -> bool:
    if not name.startswith("boticelli_cli."):
        return False
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def wrong_imports(path: Path, root: Path = ROOT) -> list[str]:
    module = name_of(path, root)
    part = part_of(module)
    wrong = []
    for imported in imports_of(path):
        other = part_of(imported)
        allowed = MAP[part]
        if other.partition(".")[0] == part.partition(".")[0]:
            continue
        if other not in allowed and other.partition(".")[0] not in allowed:
            wrong.append(f"{module} imports {imported}")
    return wrong


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_what_the_map_allows(path: Path) -> None:
    assert part_of(name_of(path)) in MAP, "a new part has to be put on the map"
    assert wrong_imports(path) == []


def test_the_map_itself_has_no_ring() -> None:
    graph = {part: {other for other in others if other in MAP} for part, others in MAP.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        if path.name != "__init__.py":
            graph[name_of(path)] = imports_of(path)
    assert list(TopologicalSorter(graph).static_order())


def test_a_planted_import_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "boticelli_cli" / "messages.py"
    copy.parent.mkdir()
    copy.write_text((ROOT / "messages.py").read_text() + "\nfrom boticelli_cli.app import run\n")
    assert wrong_imports(copy, tmp_path / "boticelli_cli") == ["messages imports app"]


@pytest.mark.parametrize(("pattern", "owners"), OWNERS.items(), ids=OWNERS)
def test_some_things_are_done_in_one_place(pattern: str, owners: set[str]) -> None:
    elsewhere = [
        name_of(path)
        for path in modules()
        if path.relative_to(ROOT).as_posix() not in owners and re.search(pattern, path.read_text())
    ]
    assert elsewhere == []


@pytest.mark.parametrize("path", sorted(ROOT.rglob("__init__.py")), ids=name_of)
def test_every_package_says_what_lives_in_it_and_what_it_does_not_know(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert docstring.count(".") >= 2


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 450
    assert path.stem not in ("utils", "helpers", "common", "manager", "shared")
