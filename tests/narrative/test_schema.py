"""The JSON Schema that editors are given."""

from pathlib import Path

import jsonschema
import pytest

from boticelli_cli.narrative.document import json_schema
from boticelli_cli.narrative.yaml import read_yaml

NARRATIVES = sorted((Path(__file__).parents[2] / "narratives").glob("*.yaml"))


@pytest.mark.parametrize("path", NARRATIVES, ids=lambda path: path.name)
def test_takes_every_shipped_narrative(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(read_yaml(path.read_text(), path.name).data, json_schema())


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("narrative: {name: n}\nacts: {a: hi}", True),
        (
            "narrative: {name: n, context: fresh}\nvariables: {x: , y: 3}\nacts: {a: {prompt: hi, stop: END, input: [words]}}",
            True,
        ),
        ("narrative: {name: n}\nacts: {a: {promt: hi}}", False),
        ("narrative: {}\nacts: {a: hi}", False),
        ("acts: {a: hi}", False),
        ("narrative: {name: n}\nacts: {a: {prompt: hi, temperature: 3}}", False),
        ("narrative: {name: n}\nacts: {a: {prompt: hi, context: frseh}}", False),
        ("narrative: {name: n}\nacts: {a: {prompt: }}", False),
    ],
)
def test_takes_what_check_takes(text: str, takes: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(read_yaml(text, "x.yaml").data) is takes


def test_knows_the_short_forms_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert schema["required"] == ["narrative", "acts"]
    assert schema["additionalProperties"] is False
    act = schema["properties"]["acts"]["additionalProperties"]
    assert {"type": "string"} in act["anyOf"]
    assert schema["$defs"]["ActDocument"]["additionalProperties"] is False


def test_every_key_says_what_it_is_and_none_takes_null() -> None:
    schema = json_schema()
    for name, shape in [("", schema), *schema["$defs"].items()]:
        for key, value in shape["properties"].items():
            assert value.get("description"), f"{name}.{key}"
            assert {"type": "null"} not in value.get("anyOf", []), f"{name}.{key}"
