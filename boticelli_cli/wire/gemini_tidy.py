"""The many ways in which clients write a Gemini request, brought into one.

Keys in snake case, a single content where a list belongs, a string where a content belongs, base64 that is safe in
addresses, Google's own schemas: servers of Google's take them all. What users named themselves is never touched.
"""

import re
from typing import Any

__all__ = ["tidy"]


def tidy(body: dict[str, Any]) -> dict[str, Any]:
    """A request's body in the one way that `encode_request` writes. Null and empty values are left out.

    Raises ValueError for a role that there is not.
    """
    tidied = {key: value for key, value in _camel(body).items() if value not in ({}, [], "")}
    tidied.pop("model", None)  # the address says it
    tidied["contents"] = [_content(each) for each in _list(tidied.get("contents", []))]
    if "systemInstruction" in tidied:
        tidied["systemInstruction"] = {"parts": _content(tidied["systemInstruction"]).get("parts", [])}
    if isinstance(config := tidied.get("generationConfig"), dict):
        _tidy_config(config)
    if "tools" in tidied:
        tidied["tools"] = _in_one_group(_list(tidied["tools"]))
    return tidied


_USERS = frozenset(
    {"args", "headers", "labels", "parameters", "parametersJsonSchema", "partMetadata", "response"}
    | {"responseJsonSchema", "responseSchema"}
)
"""Keys whose values hold names that users made up."""


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        named = ((_camel_key(key), each) for key, each in value.items() if each is not None)
        return {key: each if key in _USERS else _camel(each) for key, each in named}
    if isinstance(value, list):
        return [_camel(each) for each in value]
    return value


def _camel_key(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found[1].upper(), key) if "_" in key else key


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _content(content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        content = {"parts": [{"text": content}]}
    if not isinstance(content, dict):
        raise ValueError("contents are objects with a role and parts")
    role = content.get("role") or "user"
    if role not in ("user", "model", "function", "tool"):
        raise ValueError("a content's role is 'user' or 'model'")
    parts = [_part(each) for each in _list(content.get("parts", []))]
    return {**content, "role": "model" if role == "model" else "user", "parts": parts}


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"text": part}
    if not isinstance(part, dict):
        return part
    if part.get("thought") is False:
        part = {key: value for key, value in part.items() if key != "thought"}
    signature = part.get("thoughtSignature")
    if isinstance(signature, str) and ("-" in signature or "_" in signature):
        part = {**part, "thoughtSignature": signature.replace("-", "+").replace("_", "/")}
    return part


def _tidy_config(config: dict[str, Any]) -> None:
    if "responseJsonSchema" not in config and isinstance(schema := config.get("responseSchema"), dict):
        del config["responseSchema"]
        config["responseJsonSchema"] = _json_schema(schema)
    thinking = config.get("thinkingConfig")
    if isinstance(thinking, dict):
        if isinstance(level := thinking.get("thinkingLevel"), str):
            thinking["thinkingLevel"] = level.upper()
        if thinking.get("includeThoughts") is False:  # Google's default
            del thinking["includeThoughts"]


def _in_one_group(groups: list[Any]) -> list[Any]:
    """Tools of which all functions are declared in the first group."""
    declared: list[Any] = []
    others: list[Any] = []
    for group in groups:
        _tidy_declarations(group)
        if not isinstance(group, dict) or "functionDeclarations" not in group:
            others.append(group)
            continue
        declared += _list(group["functionDeclarations"])
        if rest := {key: value for key, value in group.items() if key != "functionDeclarations"}:
            others.append(rest)
    return [{"functionDeclarations": declared}, *others] if declared else others


def _tidy_declarations(group: Any) -> None:
    for tool in _list(group.get("functionDeclarations", [])) if isinstance(group, dict) else ():
        if isinstance(tool, dict) and isinstance(schema := tool.get("parameters"), dict):
            tool.setdefault("parametersJsonSchema", _json_schema(schema))
            del tool["parameters"]


def _json_schema(schema: Any) -> Any:
    """Google's Schema as JSON Schema: small types, `nullable` as a type, numbers that came as strings as numbers.

    https://ai.google.dev/api/caching#Schema.
    """
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for name, value in schema.items():
        key = _camel_key(name)
        if key == "type" and isinstance(value, str):
            result[key] = value.lower()
        elif key == "properties" and isinstance(value, dict):
            result[key] = {each: _json_schema(below) for each, below in value.items()}
        elif key in ("anyOf", "prefixItems") and isinstance(value, list):
            result[key] = [_json_schema(each) for each in value]
        elif key in ("items", "additionalProperties"):
            result[key] = _json_schema(value)
        elif key in _COUNTS and isinstance(value, str) and value.isdecimal():
            result[key] = int(value)
        else:
            result[key] = value
    if result.pop("nullable", False) is True:
        if isinstance(kind := result.get("type"), str):
            result["type"] = [kind, "null"]
        if isinstance(choices := result.get("enum"), list) and None not in choices:
            result["enum"] = [*choices, None]
    return result


_COUNTS = frozenset({"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"})
