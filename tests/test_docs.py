"""What the documentation says is so."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import boticelli_cli
from tests.commands_page import PAGE, page

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_command_reference_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_readme_shows_the_narrative_that_it_runs() -> None:
    story = (ROOT / "narratives" / "lighthouse.yaml").read_text().partition("\n")[2]
    assert f"```yaml\n{story}```" in (ROOT / "README.md").read_text()


def test_ci_calls_the_readmes_test_command_exactly() -> None:
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first = re.search(r"^## (\S+)", (ROOT / "docs" / "changelog.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == version == boticelli_cli.__version__


def test_the_shown_mistakes_are_what_is_said(folder: Path) -> None:
    text = (ROOT / "README.md").read_text()
    story, said = re.findall(r"```yaml\n(# broken.yaml\n.*?)```.*?```text\n(.*?)```", text, re.DOTALL)[0]
    (folder / "broken.yaml").write_text(story)
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "boticelli_cli", "run", "broken.yaml"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == said.split("\n", 1)[1]
