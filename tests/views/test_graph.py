"""The pictures of a plan."""

import io
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from boticelli_cli.events import PlannedAct
from boticelli_cli.views.graph import Graph, layers, make_graph
from boticelli_cli.views.graph_layout import lay_out
from boticelli_cli.views.graph_paint import paint_tree
from boticelli_cli.views.graph_source import dot, mermaid
from boticelli_cli.views.graph_svg import svg
from boticelli_cli.views.graph_tree import MAX_DEPTH, plain_tree, tree_lines

FEW = settings(max_examples=25, deadline=None)
SVG = "{http://www.w3.org/2000/svg}"
ODD = 'x"]; end --> y <b>&amp; `*_#35;\\n {{ }}|(1. 漢字'
"""What means something in one of the languages, or is wider than it is long."""


def planned(**waits: str) -> list[PlannedAct]:
    return [PlannedAct(name, "m", tuple(waited.split())) for name, waited in waits.items()]


def tree(acts: Sequence[PlannedAct], output_act: str | None = None) -> list[str]:
    """The lines of a tree, without the title and the models."""
    return [line.replace(" · m", "") for line in plain_tree(make_graph("t", acts, output_act)).splitlines()[1:]]


@st.composite
def plans(draw: st.DrawFn) -> list[PlannedAct]:
    """Acts under odd names that wait for one another, in an order of their own."""
    names = draw(st.lists(st.from_regex(r"\w[\w-]{0,9}", fullmatch=True), unique=True, min_size=1, max_size=14))
    texts = st.text(max_size=12) | st.just(ODD)
    acts = []
    for index, name in enumerate(names):
        waits_for = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        acts.append(PlannedAct(name, draw(texts), tuple(waits_for), draw(st.none() | texts)))
    return draw(st.permutations(acts))


def edges(graph: Graph) -> set[tuple[int, int]]:
    return {(before, number) for number, node in enumerate(graph.nodes) for before in node.after}


def reach(waits: dict[str, Sequence[str]], name: str) -> set[str]:
    return {name}.union(*(reach(waits, each) for each in waits[name]))


@FEW
@given(plans())
def test_drops_the_edges_that_follow_from_others_and_no_more(acts: list[PlannedAct]) -> None:
    graph = make_graph("t", acts)
    assert Counter(node.name for node in graph.nodes) == Counter(act.act for act in acts)
    given_waits = {act.act: act.waits_for for act in acts}
    kept = {node.name: [graph.nodes[number].name for number in node.after] for node in graph.nodes}
    for name in kept:
        assert reach(kept, name) == reach(given_waits, name)
        for each in kept[name]:
            assert each in given_waits[name]
            assert not any(each in reach(kept, other) for other in kept[name] if other != each)


@FEW
@given(plans())
def test_numbers_acts_as_they_are_written_but_none_before_what_it_waits_for(acts: list[PlannedAct]) -> None:
    graph = make_graph("t", acts)
    assert all(before < number for before, number in edges(graph))
    free = [act.act for act in acts if not act.waits_for]
    assert [node.name for node in graph.nodes if not node.after] == free


@FEW
@given(plans())
def test_a_tree_shows_every_act_once_and_every_edge(acts: list[PlannedAct]) -> None:
    graph = make_graph("t", acts)
    lines = list(tree_lines(graph))[1:]
    shown = [line.spans[0][0] for line in lines]
    assert Counter(shown) == Counter(node.name for node in graph.nodes)
    under: dict[int, str] = {}
    for line in lines:
        node = next(node for node in graph.nodes if node.name == line.spans[0][0])
        named = re.search(r"waits for (.*)$", line.spans[-1][0]) if len(line.spans) > 1 else None
        told = set(named[1].split(", ")) if named else set()
        if line.guide.endswith("↓ "):
            told.add(under[len(line.guide)])
        elif len(line.guide) > 4:
            told.add(under[len(line.guide) - 4])
        assert told == {graph.nodes[number].name for number in node.after}
        under[len(line.guide)] = node.name


def test_a_row_of_acts_stays_at_the_margin() -> None:
    assert tree(planned(outline="", draft="outline", edit="outline draft"), "edit") == [
        "└── outline",
        "  ↓ draft",
        "  ↓ edit ★ answers",
    ]


def test_an_act_stands_under_the_last_that_it_waits_for_and_names_the_others() -> None:
    assert tree(planned(language="", structure="", truth="", verdict="language structure truth")) == [
        "├── language",
        "├── structure",
        "└── truth",
        "    └── verdict  also waits for language, structure",
    ]


def test_a_tree_branches_where_acts_run_side_by_side() -> None:
    acts = planned(plan="", left="plan", more="left", right="plan", join="more right", last="join", aside="")
    assert tree(acts) == [
        "├── plan",
        "│   ├── left",
        "│   │ ↓ more",
        "│   └── right",
        "│       └── join  also waits for more",
        "│         ↓ last",
        "└── aside",
    ]


def test_a_tree_that_grows_deep_begins_anew_at_the_margin() -> None:
    waits = {"j0": ""}
    for number in range(1, 100):
        waits |= {f"l{number}": f"j{number - 1}", f"r{number}": f"j{number - 1}", f"j{number}": f"l{number} r{number}"}
    lines = tree(planned(**waits))
    assert len(lines) == len(waits)
    assert max(len(line.partition("j")[0]) for line in lines if "j" in line) <= 4 * (MAX_DEPTH + 1)
    assert any(re.fullmatch(r"[├└]── j\d+  waits for l\d+, r\d+", line) for line in lines)


def test_tells_the_model_the_file_and_what_answers() -> None:
    acts = [PlannedAct("a", "gemini", (), "out/{{ x }}.md"), PlannedAct("b", "", ())]
    assert plain_tree(make_graph("story", acts, "a")).splitlines() == [
        "story · 2 acts",
        "├── a · gemini → out/{{ x }}.md ★ answers",
        "└── b",
    ]
    assert plain_tree(make_graph("story", acts[:1])).startswith("story · 1 act · the answer is made of a template\n")


def test_no_text_commands_a_terminal_or_breaks_a_line() -> None:
    graph = make_graph("a\nb\x1b[2J", [PlannedAct("a", "m\r\x9b", (), "\ud800\u2028.md")])
    for draw in (plain_tree, mermaid, dot, svg):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\ud800]", draw(graph))
    assert len(plain_tree(graph).splitlines()) == 2


@FEW
@given(plans(), st.integers(10, 100))
def test_a_terminal_gets_the_whole_tree_at_any_width(acts: list[PlannedAct], width: int) -> None:
    graph = make_graph(ODD, acts)
    out = io.StringIO()
    paint_tree(graph, Console(file=out, width=width, highlight=False, color_system=None), wrap=True)
    said = re.sub(r"[│├└─↓\s]", "", out.getvalue())
    assert said == re.sub(r"[│├└─↓\s]", "", plain_tree(graph))


def test_what_is_wrapped_stands_beside_its_guide() -> None:
    critics = {f"critic-{number}": "a" for number in range(9)}
    graph = make_graph("t", planned(a="", **critics, z=" ".join(critics)))
    out = io.StringIO()
    paint_tree(graph, Console(file=out, width=40, highlight=False, color_system=None), wrap=True)
    lines = out.getvalue().splitlines()
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[-3:] == [
        "              critic-2, critic-3,",
        "              critic-4, critic-5,",
        "              critic-6, critic-7",
    ]


@pytest.mark.parametrize("shape", ["row", "wide", "joined"])
@pytest.mark.parametrize("draw", [plain_tree, mermaid, dot, svg])
def test_draws_ten_thousand_acts(shape: str, draw: object) -> None:
    names = [f"a{number}" for number in range(10_000)]
    waits = {
        "row": lambda number: names[max(number - 1, 0) : number],
        "wide": lambda number: names[:-1] if number == 9_999 else [],
        "joined": lambda number: names[max(number - 3, 0) : number : 2],
    }[shape]
    graph = make_graph("t", [PlannedAct(name, "m", tuple(waits(number))) for number, name in enumerate(names)])
    text = draw(graph)  # type: ignore[operator]
    assert text.count("a9999") >= 1
    assert len(text) < 8_000_000


@FEW
@given(plans())
def test_mermaid_has_every_act_and_edge_once(acts: list[PlannedAct]) -> None:
    graph = make_graph(ODD, acts, acts[0].act)
    fence, title, end, head, *lines = mermaid(graph).splitlines()
    assert (fence, title[:8], end, head) == ("---", 'title: "', "---", "flowchart TD")
    boxes = [found for line in lines if (found := re.fullmatch(r'    a(\d+)\["([^"]*)"\](:::answer)?', line))]
    arrows = [found for line in lines if (found := re.fullmatch(r"    a(\d+) --> a(\d+)", line))]
    assert len(lines) == len(boxes) + len(arrows) + 1
    assert [int(found[1]) for found in boxes] == list(range(len(graph.nodes)))
    assert [graph.nodes[int(found[1])].answers for found in boxes] == [found[3] is not None for found in boxes]
    assert sorted((int(found[1]), int(found[2])) for found in arrows) == sorted(edges(graph))
    for found, node in zip(boxes, graph.nodes, strict=True):
        label = found[2].split("<br/>")
        assert not re.search(r"[<>`*&\\\[\](){}|]", "".join(label))
        decoded = [re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), text) for text in label]
        assert decoded == box_of(node.name, node.model, node.save)


@settings(max_examples=15, deadline=None)  # the parser is slow
@given(plans())
def test_dot_has_every_act_and_edge_once(acts: list[PlannedAct]) -> None:
    graph = make_graph(ODD, acts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyparsing's own
        (parsed,) = pydot.graph_from_dot_data(dot(graph))
    nodes = {node.get_name(): node for node in parsed.get_nodes() if node.get_name() not in ("node", "graph")}
    assert list(nodes) == [f"a{number}" for number in range(len(graph.nodes))]
    found = sorted((int(edge.get_source()[1:]), int(edge.get_destination()[1:])) for edge in parsed.get_edges())
    assert found == sorted(edges(graph))
    for node, drawn in zip(graph.nodes, nodes.values(), strict=True):
        label = drawn.get_label()
        assert label[0] == label[-1] == '"'
        lines = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], label[1:-1])
        assert lines.replace("&amp;", "&").split("\n") == box_of(node.name, node.model, node.save)


@FEW
@given(plans())
def test_svg_has_every_act_and_edge_once(acts: list[PlannedAct]) -> None:
    graph = make_graph(ODD, acts, acts[0].act)
    picture = ElementTree.fromstring(svg(graph))
    assert picture.findtext(f"{SVG}title") == ODD
    drawn = [
        (group.get("id"), [text.text for text in group.iter(f"{SVG}text")]) for group in picture.findall(f"{SVG}g")
    ]
    assert drawn == [
        (f"a{number}", box_of(node.name, node.model, node.save)) for number, node in enumerate(graph.nodes)
    ]
    paths = [path for path in picture.iter(f"{SVG}path") if path.get("class") == "edge"]
    assert sorted((path.get("data-from"), path.get("data-to")) for path in paths) == sorted(
        (f"a{before}", f"a{number}") for before, number in edges(graph)
    )
    assert [group.get("id") for group in picture.findall(f"{SVG}g") if "answer" in str(group.get("class"))] == [
        f"a{number}" for number, node in enumerate(graph.nodes) if node.answers
    ]


@FEW
@given(plans())
def test_boxes_lie_below_what_they_wait_for_and_never_on_one_another(acts: list[PlannedAct]) -> None:
    graph = make_graph("t", acts)
    picture = ElementTree.fromstring(svg(graph))
    width, height = (float(str(picture.get(name))) for name in ("width", "height"))
    boxes = [
        tuple(float(str(rect.get(name))) for name in ("x", "y", "width", "height"))
        for rect in picture.iter(f"{SVG}rect")
    ]
    for index, (x, y, wide, high) in enumerate(boxes):
        assert x >= 0
        assert x + wide <= width
        assert y + high <= height
        assert wide >= cell_len(graph.nodes[index].name) * 8
        for other_x, other_y, other_wide, other_high in boxes[:index]:
            assert x >= other_x + other_wide or other_x >= x + wide or y >= other_y + other_high or other_y >= y + high
    assert all(boxes[before][1] + boxes[before][3] < boxes[number][1] for before, number in edges(graph))


@FEW
@given(plans())
def test_long_edges_pass_between_the_boxes(acts: list[PlannedAct]) -> None:
    graph = make_graph("t", acts)
    levels = layers(graph)
    layout = lay_out(graph, [50.0] * len(graph.nodes))
    for (start, end), way in layout.ways.items():
        assert len(way) == levels[end] - levels[start] - 1
        for level, place in enumerate(way, levels[start] + 1):
            others = [middle for middle, own in zip(layout.middles, levels, strict=True) if own == level]
            assert all(abs(place - middle) > 25 for middle in others)


def test_untangles_edges_that_would_cross() -> None:
    graph = make_graph("t", planned(a="", b="", c="", x="c", y="b", z="a"))
    middles = dict(zip("abcxyz", lay_out(graph, [40.0] * 6).middles, strict=True))
    for upper, lower in ("az", "by", "cx"):
        assert middles[upper] == pytest.approx(middles[lower])


def box_of(name: str, model: str, save: str | None) -> list[str]:
    """What stands in the box of an act."""
    return [text for text in (name, model, f"→ {save}" if save is not None else "") if text]
