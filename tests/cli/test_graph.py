"""`boticelli graph`."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.stories import BROKEN, CHAIN, PARALLEL, write
from tests.process import Terminal, boticelli

TREE = """\
parallel · 4 acts
├── one · rehearsal
├── two · rehearsal
└── three · rehearsal
    └── end · rehearsal ★ answers  also waits for one, two
"""

UNGIVEN = """
narrative: {name: ungiven, model: nobody/knows-it}
variables: {place: null}
acts:
  outline: {prompt: "Outline a story set at {{ place }}.", save: "{{ place }}.md"}
  edit: Cut a third of it.
output: "{{ outline }} at {{ place }}"
"""


def test_a_pipe_gets_a_plain_tree(folder: Path) -> None:
    done = boticelli("graph", write(folder, PARALLEL), env={"COLUMNS": "20"})
    assert (done.code, done.out, done.err) == (0, TREE, "")


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10)])
def test_a_terminal_shows_the_whole_tree(folder: Path, columns: int, lines: int) -> None:
    terminal = Terminal("graph", write(folder, PARALLEL), columns=columns, lines=lines)
    assert terminal.finish() == 0
    shown = terminal.everything.splitlines()
    assert "".join(terminal.everything.split()) == "".join(TREE.split())
    assert shown[:4] == TREE.splitlines()[:4]
    assert b"\x1b[" in terminal.raw
    if columns >= 80:
        assert shown == TREE.splitlines()


def test_colours_are_for_terminals_that_have_them_and_for_who_asks(folder: Path) -> None:
    story = write(folder, PARALLEL)
    for env in ({"TERM": "dumb"}, {"NO_COLOR": "1"}):
        terminal = Terminal("graph", story, env=env)
        assert terminal.finish() == 0
        assert b"\x1b[1;36m" not in terminal.raw
        assert terminal.everything == TREE.rstrip()
    assert "\x1b[1;36mone" in boticelli("graph", story, env={"FORCE_COLOR": "1", "TERM": "xterm"}).out
    assert boticelli("graph", story, env={"FORCE_COLOR": ""}).out == TREE


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("mermaid", '---\ntitle: "parallel"\n---\nflowchart TD\n    a0["one<br/>rehearsal"]\n'),
        ("dot", 'digraph "parallel" {\n'),
        ("svg", '<svg xmlns="http://www.w3.org/2000/svg" '),
        ("json", '{\n  "narrative": "parallel",\n'),
        ("tree", "parallel · 4 acts\n"),
    ],
)
def test_speaks_the_languages_of_other_programs(folder: Path, name: str, start: str) -> None:
    story = write(folder, PARALLEL)
    done = boticelli("graph", story, "--format", name)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(start)
    assert done.out.endswith("\n")


def test_writes_a_file_as_its_name_ends(folder: Path) -> None:
    story = write(folder, PARALLEL)
    for file, start in (("a.svg", "<svg"), ("b.MMD", "---"), ("c.txt", TREE)):
        done = boticelli("graph", story, "-o", f"pictures/{file}")
        assert (done.code, done.out, done.err) == (0, "", f"picture written to pictures/{file}\n")
        assert (folder / "pictures" / file).read_text().startswith(start)
    assert boticelli("graph", story, "-q", "-o", "a.svg", "--format", "dot").err == ""
    assert (folder / "a.svg").read_text() == boticelli("graph", story, "--format", "dot").out


def test_gives_the_plan_as_json_as_a_dry_run_does(folder: Path) -> None:
    story = write(folder, PARALLEL)
    planned = boticelli("run", story, "--dry-run", "--format", "json").out
    assert json.loads(boticelli("graph", story, "--format", "json").out) == json.loads(planned)


def test_needs_no_values_no_keys_and_no_known_models(folder: Path) -> None:
    done = boticelli("graph", write(folder, UNGIVEN))
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "ungiven · 2 acts · the answer is made of a template\n"
        "└── outline · nobody/knows-it → {{ place }}.md\n"
        "  ↓ edit · nobody/knows-it\n"
    )


def test_draws_a_part_with_another_model(folder: Path) -> None:
    story = write(folder, PARALLEL)
    assert boticelli("graph", story, "--only", "two", "-m", "gemini-3.8-flash").out == (
        "parallel · 1 act\n└── two · gemini-3.8-flash ★ answers\n"
    )
    assert boticelli("graph", story, "--from", "three").out == TREE
    done = boticelli("graph", story, "--only", "twoo")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: there is no act 'twoo' to run; did you mean 'two'?\n"


def test_reads_stdin() -> None:
    assert boticelli("graph", "-", stdin=CHAIN).out == (
        "chain · 2 acts\n└── outline · rehearsal/fast\n  ↓ edit · rehearsal/fast ★ answers\n"
    )


def test_tells_mistakes_as_a_run_does(folder: Path) -> None:
    story = write(folder, BROKEN)
    done, run = boticelli("graph", story), boticelli("run", story)
    assert (done.code, done.out, done.err) == (2, "", run.err)
    failed = boticelli("graph", story, "--format", "json")
    assert failed.code == 2
    assert json.loads(failed.out)["status"] == "failed"


def test_refuses_to_write_over_the_narrative(folder: Path) -> None:
    story = write(folder, PARALLEL)
    done = boticelli("graph", story, "-o", story)
    assert done.code == 2
    assert "is the narrative itself" in done.err
    assert (folder / story).read_text() == PARALLEL


def test_tells_warnings_beside_the_picture(folder: Path) -> None:
    old = '[narrative]\nname = "old"\nskip_content_generation = true\n[toc]\norder = ["a"]\n[acts]\na = "Say hello."\n'
    done = boticelli("graph", write(folder, old, "old.toml"))
    assert done.code == 0
    assert "old · 1 act" in done.out
    assert done.err.startswith("old.toml:3:1: warning: 'skip_content_generation'")
    assert boticelli("graph", "old.toml", "-q").err == ""


def test_a_title_does_not_command_the_terminal(folder: Path) -> None:
    story = write(folder, 'narrative: {name: "a\\e]0;owned\\a\\nb"}\nacts: {a: One.}')
    terminal = Terminal("graph", story)
    assert terminal.finish() == 0
    assert b"\x1b]0;" not in terminal.raw
    ElementTree.fromstring(boticelli("graph", story, "--format", "svg").out)


def test_the_tutorial_shows_what_is_drawn(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
    story = re.findall(r"```yaml\n(narrative: \{name: critics.*?)```", text, re.DOTALL)[0]
    shown = re.findall(r"`boticelli graph critics.yaml` draws it:\n\n```text\n(.*?)```", text, re.DOTALL)[0]
    assert boticelli("graph", write(folder, story)).out == shown
