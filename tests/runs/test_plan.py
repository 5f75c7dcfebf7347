"""The plan of a run."""

import pytest

from boticelli_cli.errors import UsageError
from boticelli_cli.runs.plan import describe_plan, make_plan, pick, plan_json
from tests.narrative.writing import narrative

STORY = """
    narrative: {name: n, model: m}
    acts:
      outline: One.
      draft: {prompt: Two., save: draft.md}
      aside: {prompt: Three., context: fresh}
      edit: {prompt: Four., context: [draft]}
    output: "{{ draft }} {{ edit }}"
"""


def names(**selection: object) -> list[str]:
    return [step.act.name for step in make_plan(pick(narrative(STORY), **selection)).steps]  # type: ignore[arg-type]


def test_the_whole_narrative_runs_in_its_order() -> None:
    plan = make_plan(narrative(STORY))
    assert [(step.act.name, step.waits_for) for step in plan.steps] == [
        ("outline", ()),
        ("draft", ("outline",)),
        ("aside", ()),
        ("edit", ("draft",)),
    ]
    assert plan.output_act is None


def test_only_runs_an_act_and_what_it_waits_for() -> None:
    assert names(only=["draft"]) == ["outline", "draft"]
    assert names(only=["aside"]) == ["aside"]
    assert names(only=["aside", "edit"]) == ["outline", "draft", "aside", "edit"]


def test_from_runs_an_act_all_after_it_and_what_they_wait_for() -> None:
    assert names(start="aside") == ["outline", "draft", "aside", "edit"]
    assert names(start="edit") == ["outline", "draft", "edit"]
    assert names(only=["aside"], start="draft") == ["aside"]


def test_a_part_answers_with_its_last_act_and_the_whole_with_its_output() -> None:
    assert make_plan(pick(narrative(STORY), only=["draft"])).output_act == "draft"
    whole = make_plan(pick(narrative(STORY), start="outline"))
    assert whole.output_act is None
    assert whole.narrative.output is not None
    assert whole.narrative.output.source == "{{ draft }} {{ edit }}"


@pytest.mark.parametrize(
    ("output", "act"),
    [
        ("{{ draft }}", "draft"),
        ("{{draft.text}}", "draft"),
        ("{{- acts['draft'] -}}", "draft"),
        ('{{ acts[\\"draft\\"] }}\\n', "draft"),
        ("  {{ draft }}", None),
        ("{{ draft }}!", None),
        ("{{ draft | upper }}", None),
        ("fixed", None),
    ],
)
def test_knows_when_the_answer_is_one_acts_text_as_it_stands(output: str, act: str | None) -> None:
    story = narrative(f'narrative: {{name: n}}\nacts: {{draft: One., edit: Two.}}\noutput: "{output}"')
    assert make_plan(story).output_act == act


def test_unknown_acts_are_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="there is no act 'drfat' to run; did you mean 'draft'"):
        pick(narrative(STORY), only=["drfat"])
    with pytest.raises(UsageError, match="none stands at or after 'edit'"):
        pick(narrative(STORY), only=["outline"], start="edit")


def test_is_told_in_words_and_as_data() -> None:
    plan = make_plan(narrative(STORY))
    lines = list(describe_plan(plan))
    assert lines[1] == "2. draft · m · waits for outline · sees every earlier turn · saves to draft.md"
    assert lines[-1] == "answer: made of a template"
    assert plan_json(plan)["plan"][1] == {"act": "draft", "model": "m", "waits_for": ["outline"], "save": "draft.md"}


@pytest.mark.parametrize("context", ["conversation", "fresh"])
def test_ten_thousand_acts_make_no_more_edges_than_acts(context: str) -> None:
    acts = "".join(f"  a{number}: Do it.\n" for number in range(10_000))
    plan = make_plan(narrative(f"narrative: {{name: n, context: {context}}}\nacts:\n{acts}"))
    assert sum(len(step.waits_for) for step in plan.steps) < 10_000
