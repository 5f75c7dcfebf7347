"""Every narrative that is shipped or shown runs, rehearsed."""

import json
import re
from pathlib import Path

import pytest

from tests.process import boticelli

ROOT = Path(__file__).parent.parent
NARRATIVES = sorted(path for path in (ROOT / "narratives").iterdir() if path.suffix in (".yaml", ".toml"))


def shown() -> list[tuple[str, str]]:
    """The narratives in the documentation: code blocks that begin like one."""
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, (kind, text) in enumerate(re.findall(r"```(yaml|toml)\n(.*?)```", page.read_text(), re.DOTALL)):
            if re.search(r"^(narrative:|\[narrati)", text, re.MULTILINE) and not text.startswith("# broken"):
                found.append((f"{page.stem}-{number}.{kind}", text))
    return found


@pytest.mark.parametrize("path", NARRATIVES, ids=lambda path: path.name)
def test_a_shipped_narrative_runs(path: Path) -> None:
    done = boticelli("run", str(path), "-m", "rehearsal/fast", "--format", "json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["output"]
    assert {act["status"] for act in result["acts"].values()} == {"finished"}


@pytest.mark.parametrize(("name", "text"), shown(), ids=[name for name, _ in shown()])
def test_a_narrative_in_the_documentation_runs(folder: Path, name: str, text: str) -> None:
    for media in ("lighthouse.png", "storm.png"):
        (folder / media).write_bytes((ROOT / "narratives" / "lighthouse.png").read_bytes())
    (folder / name).write_text(text)
    done = boticelli("run", name, "--rehearse", "-m", "rehearsal/fast")
    assert done.code == 0, done.err
