"""How strictly the fake Bedrock service reads a request: by Amazon's own description of it, and by what else it demands."""

import base64
import json
from collections import Counter
from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

from tests.fakes.bedrock_wire import Asked, Json, invalid


def check_converse(asked: Asked) -> None:
    """Raises ApiError for a body that Converse would refuse."""
    shape = _shape("ConverseStream" if asked.streams else "Converse")
    content = {**asked.content, "modelId": asked.model}
    if "modelId" in asked.content:
        raise invalid("The model is in the address.")
    report = ParamValidator().validate(content, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    _check_words(content, shape)
    _check_settings(content)
    _check_turns(content["messages"])
    blocks = [block for turn in content["messages"] for block in turn["content"]]
    if any("toolUse" in block or "toolResult" in block for block in blocks) and "toolConfig" not in content:
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    names = Counter(block["document"]["name"] for block in blocks if "document" in block)
    if any(count > 1 for count in names.values()):
        raise invalid("Messages contain duplicate document names.")


def check_invoke(asked: Asked) -> None:
    """Raises ApiError for a body that is not Anthropic's on Bedrock."""
    for name in asked.content:
        if name not in _INVOKE:
            raise invalid(f"#: extraneous key [{name}] is not permitted, please reformat your input and try again.")
    if asked.content.get("anthropic_version") not in _VERSIONS:
        raise invalid("#/anthropic_version: this value is not one of the allowed values.")
    for name in ("messages", "max_tokens"):
        if name not in asked.content:
            raise invalid(f"#: required key [{name}] not found, please reformat your input and try again.")
    for turn in asked.content["messages"]:
        for block in turn["content"] if isinstance(turn["content"], list) else ():
            if "type" not in block:
                raise invalid("messages.0.content.0.type: Field required")
            if block["type"] == "text" and not block["text"].strip():
                raise invalid("messages: text content blocks must contain non-whitespace text")


def counted(asked: Asked) -> Asked:
    """What is to be counted. Raises ApiError for what CountTokens would refuse."""
    content = {**asked.content, "modelId": asked.model}
    report = ParamValidator().validate(content, _shape("CountTokens"))
    if report.has_errors() or asked.model.startswith(("us.", "eu.")):
        raise invalid(report.generate_report() or "The provided model doesn't support counting tokens.")
    said = asked.content["input"]
    inner = said.get("converse") or json.loads(base64.b64decode(said["invokeModel"]["body"]))
    return Asked(asked.method, asked.path, asked.headers, content=inner)


_VERSIONS = ("bedrock-2023-05-31", "2026-10-21")
"""That of Amazon's documentation, and that which Anthropic's own client sends since 2.11."""

_INVOKE = frozenset(
    "anthropic_version anthropic_beta messages max_tokens system temperature top_p top_k stop_sequences tools tool_choice "
    "thinking output_config metadata context_management mcp_servers".split()
)


@cache
def _shape(operation: str) -> Any:
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    return service.operation_model(operation).input_shape


def _check_words(value: Any, shape: Shape) -> None:
    """Of closed sets of words, and of the one thing that each block may be, botocore's own check says nothing."""
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            for name, each in value.items():
                _check_words(each, shape.members[name])
        case "list":
            for each in value:
                _check_words(each, shape.member)
            if shape.name == "ContentBlocks" and any(len(block) != 1 for block in value):
                raise invalid("A content block is one thing.")
        case "string" if shape.enum and value not in shape.enum:
            raise invalid(f"Value '{value}' failed to satisfy enum value set: {shape.enum}")


def _check_settings(content: Json) -> None:
    if content.get("outputConfig", {}).get("effort", "low") not in ("low", "medium", "high", "xhigh", "max"):
        raise invalid("The effort is not one of the supported values.")
    for tool in content.get("toolConfig", {}).get("tools", ()):
        if "toolSpec" in tool and tool["toolSpec"]["inputSchema"]["json"].get("type") != "object":
            raise invalid("toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object.")


def _check_turns(turns: list[Json]) -> None:
    if not turns:
        raise invalid("The messages field is empty.")
    if turns[0]["role"] != "user":
        raise invalid("A conversation must start with a user message. Try again with a conversation that starts so.")
    open_calls: set[str] = set()
    for number, turn in enumerate(turns):
        if turn["role"] != ("user", "assistant")[number % 2]:
            raise invalid("A conversation must alternate between user and assistant roles.")
        if not turn["content"]:
            raise invalid(f"The content field in the Message object at messages.{number} is empty.")
        if any(not block.get("text", "x").strip() for block in turn["content"]):
            raise invalid(f"The text field in the ContentBlock object at messages.{number}.content is blank.")
        results = {block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block}
        if results != open_calls:
            raise invalid("Expected toolResult blocks for exactly the toolUse blocks of the turn before.")
        open_calls = {block["toolUse"]["toolUseId"] for block in turn["content"] if "toolUse" in block}
        if any("document" in block for block in turn["content"]) and not any(
            "text" in block for block in turn["content"]
        ):
            raise invalid("A text block must be included when using documents.")
