"""Templates: what they may name, what they cannot reach."""

import pytest

from boticelli_cli.errors import TemplateError
from boticelli_cli.messages import Usage
from boticelli_cli.narrative.template import ActText, Names, Template, look_through
from tests.narrative.writing import mistakes

NAMES = Names(variables=["place", "notes"], acts=["outline", "draft"], env=["MOOD"], previous="draft")


def said_of(source: str) -> list[str]:
    return [mistake.message for mistake in look_through(source, NAMES)[1]]


@pytest.mark.parametrize(
    ("source", "acts"),
    [
        ("no holes", set()),
        ("{{ place }}", set()),
        ("{{ outline }}", {"outline"}),
        ("{{ outline.text | upper }} {{ draft.usage.output }}", {"outline", "draft"}),
        ("{{ acts['draft'].json.title }}", {"draft"}),
        ("{{ previous }}", {"draft"}),
        ("{{ env.MOOD }} {{ env['MOOD'] }}", set()),
        ("{% for line in outline.split() %}{{ loop.index }}{{ line }}{% endfor %}", {"outline"}),
        ("{% set x = place %}{{ x }}{% if draft is defined %}{{ range(3) | list }}{% endif %}", {"draft"}),
        ("{% raw %}{{ anything }}{% endraw %}{# {{ nothing }} #}", set()),
    ],
)
def test_knows_which_acts_it_waits_for(source: str, acts: set[str]) -> None:
    template, found = look_through(source, NAMES)
    assert found == []
    assert template.acts == acts


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ plce }}", "unknown name 'plce' in a template; did you mean 'place'?"),
        ("{{ zebra }}", "unknown name 'zebra' in a template; declare it under 'variables', or name an act"),
        ("{% if false %}{{ zebra }}{% endif %}", "unknown name 'zebra' in a template"),
        ("{{ outline.txt }}", "an act has no 'txt'; it has text, json, model, usage; did you mean 'text'?"),
        ("{{ outline.__class__ }}", "an act has no '__class__'"),
        ("{{ previous.foo }}", "an act has no 'foo'"),
        ("{{ acts['dratf'] }}", "unknown act 'dratf' in a template; did you mean 'draft'?"),
        ("{{ acts[place] }}", "'acts' has to name what it gives, as acts['name']"),
        ("{{ acts }}", "'acts' has to name what it gives"),
        ("{{ env }}", "'env' has to name what it gives, as env.NAME"),
        ("{{ env.HOME }}", "the narrative does not declare env.HOME; declare it: variables: {home: {env: HOME}}"),
        ("{{ place | uper }}", "unknown filter 'uper' in a template; did you mean 'upper'?"),
        ("{{ place is evn }}", "unknown test 'evn' in a template; did you mean 'even'?"),
        ("{{ place | random }}", "unknown filter 'random'"),
        ("{{ lipsum() }}", "unknown name 'lipsum'"),
        ("{{ place ", "the template is not valid"),
        ("{% if %}", "the template is not valid"),
        ("{% for x in place %}", "the template is not valid"),
        ("{% include 'secrets' %}", "a template cannot read other files"),
        ("{% import 'x' as y %}", "a template cannot read other files"),
        ("{% extends 'x' %}", "a template cannot read other files"),
        ("{% block a %}{% endblock %}", "templates have no blocks"),
        ("{{ place.replace('a', 'b') }}", "templates have no method 'replace'; use the filter: | replace"),
        ("{{ outline.splti() }}", "templates have no method 'splti'; did you mean 'split'?"),
        ("{{ outline.upper }}", "an act has no 'upper'"),
        ("{{ '%s' % " + "(" * 500 + "1" + ")" * 500 + " }}", "the template is not valid"),
    ],
)
def test_tells_what_is_wrong_before_anything_is_filled_in(source: str, said: str) -> None:
    assert any(line.startswith(said) for line in said_of(source)), said_of(source)


def test_tells_everything_that_is_wrong_at_once() -> None:
    assert len(said_of("{{ zebra }} {{ outline.txt }} {{ env.HOME }} {{ place | uper }}")) == 4


def test_the_first_act_has_no_previous() -> None:
    names = Names(variables=[], acts=["a"], env=[], previous=None)
    assert look_through("{{ previous }}", names)[1][0].message.startswith("'previous' names the act before")


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("prompt: |\n      One.\n        Two {{ zebra }}.", "6:16"),
        ("prompt: >\n      One.\n      Two {{ zebra }}.", "6:14"),
        ("prompt: 'One {{ zebra }}'", "4:21"),
        ("prompt: One zebra {{ zebra }} two", "4:26"),
        ("prompt: |-\n\n      {% if %}", "6:7"),
        ("prompt: |\n      One.\n      {{ outline", "6:7"),
    ],
)
def test_a_mistake_is_told_at_its_word_or_its_line(prompt: str, place: str) -> None:
    found = mistakes(f"narrative: {{name: n}}\nacts:\n  a:\n    {prompt}")
    assert found[0].startswith(f"{place}: "), found


def test_an_answer_is_its_text_and_more() -> None:
    answer = ActText('{"title": "Storm"}', model="m", usage=Usage(output=3))
    scope = {"draft": answer}
    source = "{{ draft }}|{{ draft.text }}|{{ draft.json.title }}|{{ draft.model }}|{{ draft.usage.output }}|{{ draft|length }}"
    template, _ = look_through(source, NAMES)
    assert template.render(scope) == '{"title": "Storm"}|{"title": "Storm"}|Storm|m|3|18'


def test_an_answer_that_is_no_json_is_an_error_of_its_own() -> None:
    with pytest.raises(TemplateError, match="this answer is not JSON"):
        Template("{{ draft.json.x }}").render({"draft": ActText("words")})


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ place['__class__'] }}{{ place.__class__.__bases__ }}",
        "{{ place | attr('__class__') }}{{ (place | attr('__class__')).__mro__ }}",
        "{{ '{0.__class__.__mro__}'.format(place) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ notes.append(1) }}",
        "{{ 'x' * 10**9 }}",
        "{{ 10**10**10 }}",
        "{{ [0] * 1000000000 }}",
        "{{ range(1000000000) | list }}",
        "{{ place.missing }}",
        "{{ 1 / 0 }}",
        "{{ 2 | round(99999999, 'floor') }}",
        "{{ '%500000000d' % 1 }}",
        "{{ '{:>500000000}'.format(1) }}",
        "{{ ['a' * 1000000] * 1000000 }}",
        "{{ (1).to_bytes(2000000000, 'big') }}",
        "{{ 'a' | indent(2000000000, true) }}",
        "{{ notes | tojson(indent=1000000000) }}",
        "{{ ('a' * 900000) | replace('a', 'b' * 900000) }}",
        "{{ range(99999) | join('x' * 900000) }}",
        "{{ [['a' * 1000000] * 1000] | sum(start=[]) }}",
        "{{ place.upper }}",
        "{{ notes | map('upper') }}",
        "{{ notes | map(attribute='nope') | list }}",
    ],
)
def test_a_template_cannot_break_out_or_run_away(source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source).render({"place": "Skellig", "notes": ["a"]})
    assert "environ" not in str(caught.value)


def test_what_a_model_says_is_never_a_template() -> None:
    assert Template("{{ draft }}").render({"draft": ActText("{{ place }}"), "place": "x"}) == "{{ place }}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in place %}" * 25 + "{% endfor %}" * 25,
        "{{ " + "+".join("1" for _ in range(500)) + " }}",
        "{{ " + "[" * 150 + "]" * 150 + " }}",
    ],
)
def test_what_python_cannot_compile_is_told_beforehand(source: str) -> None:
    said = said_of(source)
    assert said == [] or said[0].startswith("the template is not valid")
    if not said:
        assert Template(source).render({"place": "x"}) is not None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ notes }}", '["a", "b"]'),
        ("{{ notes | map('upper') | join(', ') }}", "A, B"),
        ("{{ facts.items }} {{ facts.x }}", "3 1"),
        ("{% for key, value in facts.items() %}{{ key }}={{ value }} {% endfor %}", ""),
        ("{{ place | replace('g', 'G') | indent(2) }} {{ 2.567 | round(1) }} {{ [1, 2] | sum }}", "SkelliG 2.6 3"),
        ("{% for n in notes %}{{ loop.index }}{{ loop.cycle('x', 'y') }}{% endfor %}", "1x2y"),
    ],
)
def test_does_what_templates_are_for(source: str, text: str) -> None:
    facts = {"items": 3, "x": 1} if "items }}" in source else {}
    assert Template(source).render({"place": "Skellig", "notes": ["a", "b"], "facts": facts}) == text
