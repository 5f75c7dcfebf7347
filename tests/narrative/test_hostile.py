"""Files that somebody made to do harm, or that are harmful by accident: refused, and in time."""

import time
from pathlib import Path

import pytest

from boticelli_cli.narrative.load import load, parse
from tests.narrative.writing import mistakes

SOON = 5.0
"""Seconds. Most take a few hundredths; what is quadratic takes minutes."""


def said_soon(text: str, name: str = "story.yaml") -> list[str]:
    start = time.process_time()
    said = [str(problem) for problem in parse(text.encode(), name, Path()).problems]
    assert time.process_time() - start < SOON
    return said


HEAD = "narrative: {name: n}\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (HEAD + "acts: {a: {prompt: hi, context: [1]}}", "2:24"),
        (HEAD + "acts: {a: {prompt: hi, context: [[1]]}}", "2:24"),
        (HEAD + "acts: {a: {prompt: hi, context: {x: 1}}}", "2:24"),
        ("narrative: {name: n, context: [1]}\nacts: {a: hi}", "1:22"),
        (HEAD + "acts: {a: {prompt: hi, needs: [1, ~]}}", "2:32"),
        (HEAD + "acts: {a: {prompt: hi, stop: [1]}}", "2:31"),
        (HEAD + "toc: [~, ~, a]\nacts: {a: hi}", "2:7"),
        (HEAD + "acts: {a: {prompt: hi, input: [1, {type: text}]}}", "2:32"),
        (HEAD + f"acts: {{a: {{prompt: hi, temperature: 0x{'f' * 5000}}}}}", "2:37"),
        (HEAD + f"acts: {{a: {'9' * 5000}}}", "2:8"),
        (HEAD + f"acts: {{a: {{prompt: hi, save: {'x' * 300}}}}}", "2:24"),
        (HEAD + f"acts: {{a: {{input: [{{type: image, file: {'x' * 300}}}]}}}}", "2:20"),
        (HEAD + "acts: {none: hi, ﬁ: hi}", "2:8"),
        (HEAD + "acts: {a: hi, b: {prompt: x, save: '{{ previous }}.md'}}", "2:40"),
        (HEAD + "acts: {a: {prompt: x, save: '{{ 1/0 }}'}}", "2:23"),
        (HEAD + "acts: {a: '{{ 1/0 }}'}", "2:8"),
        (HEAD + "acts: {a: '{{ 2 ** 9999 }}'}", "2:8"),
        (HEAD + "acts: {a: {prompt: x, save: a.md}, b: {prompt: x, save: ./a.md}}", "2:51"),
        ("narrative: {name: 灯}\nacts:\n  b: '\x01'", "3:7"),
        (HEAD + "acts:\n  # c\u2028d\n  a: [1, 2\n  b: 3", "4:4"),
        (HEAD + "acts:\n  a: !!str |\n    one\n    {{ x y }}", "5:5"),
        (HEAD + "acts: {a: '{{ \"nope\" }} {{ nope }}'}", "2:28"),
    ],
)
def test_is_told_at_its_place(text: str, place: str) -> None:
    said = said_soon(text)
    assert said[0].startswith(f"story.yaml:{place}: "), said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[narrative]\nname = 'n'\n[acts]\na = " + "9" * 5000, "x.toml"),
        ("[" + ".".join("a" * 1500) + "]", "x.toml"),
        ("a = " + "[" * 250 + "]" * 250, "x.toml"),
        (HEAD + f"acts: {{a: '{{{{ p{'.a' * 2000} }}}}'}}", "x.yaml"),
        (HEAD + f"acts: {{a: '{{{{ 1{'+1' * 2000} }}}}'}}", "x.yaml"),
        (HEAD + f"acts: {{a: '{{{{ 1{'|upper' * 2000} }}}}'}}", "x.yaml"),
    ],
)
def test_what_is_too_deep_or_too_large_is_told(text: str, name: str) -> None:
    assert said_soon(text, name)


def many_acts(count: int) -> str:
    return "acts:\n" + "".join(f"  a{number}: hi\n" for number in range(count))


@pytest.mark.parametrize(
    "text",
    [
        f"narrative: {{name: n, context: [{', '.join(f'b{n}' for n in range(1000))}]}}\n{many_acts(1000)}",
        f"{HEAD}{many_acts(1500)}  z: {{prompt: hi, context: [{', '.join(f'b{n}' for n in range(1500))}]}}\n",
        f"narrative: {{name: n, system: '{{{{ nope }}}}'}}\n{many_acts(3000)}",
        f"{HEAD}acts: {{a: '{'x ' * 300_000}{{{{ x }}}}'}}",
        HEAD + "acts:\n  a: hi\n" + "x: 1\n" * 30_000,
        f"{HEAD}{many_acts(100)}" + "".join(f"  '{n} {n}': hi\n" for n in range(20_000)),
    ],
    ids=["shared-context", "context", "shared-system", "words", "duplicates", "names"],
)
def test_thousands_of_mistakes_are_told_soon_and_not_all_of_them(text: str) -> None:
    said = said_soon(text)
    assert 0 < len(said) <= 101


def test_a_toml_file_with_wide_characters_is_read_soon() -> None:
    acts = "\n".join(f'a{number} = "灯"' for number in range(10_000))
    assert said_soon(f'[narrative]\nname = "灯"\n[acts]\n{acts}\n', "wide.toml") == []


@pytest.mark.parametrize(
    "source",
    [
        "'a'|center(2000000000)",
        "'%500000000d' % 1",
        "'%500000000d'|format(1)",
        "'a'.ljust(500000000)",
        "'a' * 500000000",
    ],
)
def test_checking_does_not_compute_what_a_template_would(source: str) -> None:
    said_soon(f'{HEAD}acts: {{a: "{{{{ {source} }}}}"}}')


def test_endless_and_blocking_files_are_refused(folder: Path) -> None:
    import os

    os.mkfifo(folder / "pipe")
    for name in ("/dev/zero", "pipe"):
        said = mistakes(f"{HEAD}acts: {{a: {{input: [{{type: text, file: {name}}}]}}}}")
        assert len(said) == 1
        assert f"there is no file '{name}'" in said[0]
    assert "larger than 8 MB" in str(load(Path("/dev/zero")).problems[0])


def test_a_default_context_holds_for_acts_that_are_not_in_it() -> None:
    assert mistakes("narrative: {name: n, context: [a, b]}\nacts: {a: One., b: Two., c: Three.}") == []
