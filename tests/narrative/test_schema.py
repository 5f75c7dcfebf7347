"""The JSON Schema that editors are given."""

from boticelli_cli.narrative.document import json_schema


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
