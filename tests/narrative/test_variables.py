"""Variables: what is given, and what becomes of it."""

from typing import Any

import pytest

from boticelli_cli.errors import UsageError
from boticelli_cli.narrative.variables import bind
from tests.narrative.writing import narrative

STORY = """
    narrative: {name: n}
    variables:
      place: Skellig
      scenes: 3
      share: 0.5
      loud: false
      tags: [a, b]
      facts: {default: {x: 1}}
      who:
      mood: {env: MOOD, default: calm}
    acts: {a: "{{ who }}"}
"""


def bound(given: dict[str, Any], environ: dict[str, str] | None = None) -> dict[str, Any]:
    return bind(narrative(STORY), {"who": "Ann", **given}, environ or {})


def test_defaults_hold_and_give_the_types() -> None:
    scope = bound({})
    assert scope.pop("env")["MOOD"] == "calm"
    assert scope == {
        "place": "Skellig",
        "scenes": 3,
        "share": 0.5,
        "loud": False,
        "tags": ["a", "b"],
        "facts": {"x": 1},
        "who": "Ann",
        "mood": "calm",
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("scenes", " 12 ", 12),
        ("share", "3", 3.0),
        ("loud", "yes", True),
        ("loud", "0", False),
        ("tags", '["x"]', ["x"]),
        ("facts", '{"y": [2]}', {"y": [2]}),
        ("place", "007", "007"),
        ("place", "", ""),
    ],
)
def test_text_is_read_as_the_variables_type(name: str, text: str, value: object) -> None:
    assert bound({name: text})[name] == value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scenes": "three"}, "variable 'scenes' must be a whole number, not 'three'"),
        ({"scenes": True}, "variable 'scenes' must be a whole number, not true"),
        ({"share": "nan"}, "variable 'share' must be a number, not 'nan'"),
        ({"loud": "perhaps"}, "variable 'loud' must be true or false, not 'perhaps'"),
        ({"tags": "a,b"}, "variable 'tags' must be a JSON list, not 'a,b'"),
        ({"facts": "[1]"}, "variable 'facts' must be a JSON object, not [1]"),
        ({"plase": "x"}, "the narrative has no variable 'plase'; did you mean 'place'?"),
    ],
)
def test_wrong_values_are_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        bound(given)
    assert [str(problem) for problem in caught.value.problems] == [said]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        bind(narrative(STORY), {"scenes": "x", "zebra": "y"}, {})
    assert len(caught.value.problems) == 3


def test_the_environment_gives_what_the_narrative_declares_and_nothing_else() -> None:
    scope = bound({}, {"MOOD": "stormy", "SECRET": "s3cr3t"})
    assert scope["mood"] == "stormy"
    assert scope["env"]["MOOD"] == "stormy"
    with pytest.raises(KeyError):
        scope["env"]["SECRET"]
    assert bound({"mood": "given"}, {"MOOD": "stormy"})["mood"] == "given"


def test_a_wrong_value_from_the_environment_is_not_quoted() -> None:
    story = narrative("narrative: {name: n}\nvariables: {n: {type: integer, env: TOKEN}}\nacts: {a: '{{ n }}'}")
    with pytest.raises(UsageError) as caught:
        bind(story, {}, {"TOKEN": "sk-secret"})
    assert "sk-secret" not in str(caught.value)
    assert "TOKEN" in str(caught.value)
