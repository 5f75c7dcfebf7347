"""The graph in the languages of other programs: Mermaid's and Graphviz's."""

import json
import re

from boticelli_cli.views.graph import Graph, Node

__all__ = ["dot", "mermaid"]


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, as GitHub and many editors show it (https://mermaid.js.org/syntax/flowchart.html).

    The ids are numbers after an `a`, as words like `end` mean something to Mermaid.
    """
    lines = ["---", f"title: {json.dumps(graph.title, ensure_ascii=False)}", "---", "flowchart TD"]
    for number, node in enumerate(graph.nodes):
        answer = ":::answer" if node.answers else ""
        lines.append(f'    a{number}["{"<br/>".join(map(_for_mermaid, _label(node)))}"]{answer}')
    for number, node in enumerate(graph.nodes):
        lines += [f"    a{before} --> a{number}" for before in node.after]
    if any(node.answers for node in graph.nodes):
        lines.append("    classDef answer stroke-width:3px")
    return "\n".join(lines)


def dot(graph: Graph) -> str:
    """A graph for Graphviz, in DOT (https://graphviz.org/doc/info/lang.html)."""
    lines = [
        f"digraph {_for_dot(graph.title)} {{",
        f"    graph [rankdir=TB, label={_for_dot(graph.title)}, labelloc=t, fontname={_FONT}];",
        f"    node [shape=box, style=rounded, fontname={_FONT}];",
    ]
    for number, node in enumerate(graph.nodes):
        answer = ", penwidth=3" if node.answers else ""
        lines.append(f"    a{number} [label={_for_dot(*_label(node))}{answer}];")
    for number, node in enumerate(graph.nodes):
        lines += [f"    a{before} -> a{number};" for before in node.after]
    return "\n".join([*lines, "}"])


_FONT = '"sans-serif"'


def _label(node: Node) -> list[str]:
    """The lines of a box."""
    saved = f"→ {node.save}" if node.save is not None else ""
    return [line for line in (node.name, node.model, saved) if line]


def _for_mermaid(text: str) -> str:
    """A text in which nothing means anything: not to Mermaid, to HTML, nor to Markdown, which labels may be read as."""
    return re.sub(r"[^\w\s./,:·→-]|(?<![^\W_])_|_(?![^\W_])", lambda found: f"#{ord(found[0])};", text)


def _for_dot(*lines: str) -> str:
    r"""Lines as one quoted text. `\n` ends a line, and `&` begins an entity, as in HTML."""
    quoted = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(quoted) + '"'
