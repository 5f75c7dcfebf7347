"""YAML as it is read here."""

import pytest

from boticelli_cli.narrative.source import UnreadableError
from boticelli_cli.narrative.yaml import read_yaml
from tests.narrative.writing import narrative


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("1_000", "1_000"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'3'", "3"),
        ("!!str 3", "3"),
        ("=", "="),
    ],
)
def test_plain_words_are_what_yaml_1_2_says(text: str, value: object) -> None:
    assert read_yaml(f"x: {text}", "x.yaml").data == {"x": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read_yaml("1: a\ntrue: b\nyes: c", "x.yaml").data == {"1": "a", "true": "b", "yes": "c"}


def test_duplicate_keys_are_told_with_the_line_of_the_first() -> None:
    source = read_yaml("a: 1\nb: 2\na: 3", "x.yaml")
    assert [str(problem) for problem in source.problems] == [
        "x.yaml:3:1: 'a' is given twice; it stands in line 1 already"
    ]
    assert source.data == {"a": 1, "b": 2}


def test_anchors_aliases_and_merges_work() -> None:
    source = read_yaml(
        "base: &b {x: 1, y: 2}\nover: {<<: *b, y: 3}\nmany: {<<: [{x: 9}, *b], z: 0}\nlist: *b", "x.yaml"
    )
    assert source.problems == ()
    assert source.data["over"] == {"x": 1, "y": 3}
    assert source.data["many"] == {"x": 9, "y": 2, "z": 0}
    assert source.data["list"] == {"x": 1, "y": 2}


def test_acts_can_share_settings_by_merging() -> None:
    story = narrative(
        """
        narrative: {name: n}
        acts:
          a: &calm {prompt: One., temperature: 0.1, context: fresh}
          b: {<<: *calm, prompt: Two.}
        """
    )
    assert [act.settings.temperature for act in story.acts] == [0.1, 0.1]


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(UnreadableError, match="aliases unfold"):
        read_yaml("\n".join(lines), "bomb.yaml")


def test_a_chain_of_aliases_that_nests_too_deeply_is_refused() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 400)]
    with pytest.raises(UnreadableError, match="levels deep"):
        read_yaml("\n".join(lines), "chain.yaml")


def test_an_alias_inside_its_own_value_is_refused() -> None:
    with pytest.raises(UnreadableError, match="inside the value that it names"):
        read_yaml("a: &a [*a]", "ring.yaml")


@pytest.mark.parametrize("depth", [200, 200_000])
def test_deep_nesting_is_refused_before_a_parser_recurses_into_it(depth: int) -> None:
    with pytest.raises(UnreadableError, match="nested more than 100 levels deep"):
        read_yaml("a: " + "[" * depth + "]" * depth, "deep.yaml")
