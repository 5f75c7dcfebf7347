"""The many ways in which clients write a request in OpenAI's dialect, brought into one.

Nulls, a text as a list of one part or as it is, two names for one limit, several system prompts, `developer` for
`system`: OpenAI takes them all. What users named themselves is never touched.
"""

from typing import Any

from boticelli_cli.wire.body import encode_json
from boticelli_cli.wire.openai_calls import arguments_of

__all__ = ["tidy"]

_ROLES = ("system", "user", "assistant", "tool")


def tidy(body: dict[str, Any]) -> dict[str, Any]:
    """A request's body in the one way that `encode_request` writes, without what says how it is to be answered.

    Raises ValueError for messages that are none.
    """
    tidied = {key: value for key, value in body.items() if value is not None and key not in _MANNER}
    limits = [tidied.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    if limits != [None, None]:
        tidied["max_completion_tokens"] = limits[1] if limits[0] is None else limits[0]
    if isinstance(stop := tidied.get("stop"), str):
        tidied["stop"] = [stop]
    for name in ("stop", "tools"):
        if tidied.get(name) == []:
            del tidied[name]
    messages = tidied.get("messages", [])
    if not isinstance(messages, list):
        raise ValueError("messages are a list")
    tidied["messages"] = _one_system([_message(each) for each in messages])
    if isinstance(tools := tidied.get("tools"), list):
        tidied["tools"] = [_tool(each) for each in tools]
    return tidied


_MANNER = ("stream", "stream_options")
"""What a request says of its answer's transport, and not of the answer."""


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise ValueError("messages are objects with a role and a content")
    message = {key: value for key, value in message.items() if value is not None}
    if message.get("role") == "developer":  # what newer models call it; they take both
        message["role"] = "system"
    if message.get("role") not in _ROLES:
        raise ValueError("a message's role is 'system', 'developer', 'user', 'assistant' or 'tool'")
    calls = message.get("tool_calls")
    if calls == []:
        del message["tool_calls"]
    elif isinstance(calls, list):
        message["tool_calls"] = [_call(each) for each in calls]
    content = _content(message.get("content", ""))
    return {**message, "content": None if content == "" and message.get("tool_calls") else content}


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = [_part(each) for each in content]
    match parts:
        case []:
            return ""
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
    return parts


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    part = {key: value for key, value in part.items() if value is not None}
    if "image_url" in part:
        address = part["image_url"]
        if isinstance(address, str):
            address = {"url": address}
        if isinstance(address, dict) and address.get("detail") in (None, "auto"):  # OpenAI's default
            address = {key: value for key, value in address.items() if key != "detail"}
        part["image_url"] = address
    return part


def _call(call: Any) -> Any:
    """A call with its arguments as the JSON that is written of them, where they are JSON."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    arguments = function.get("arguments")
    try:
        said = arguments_of(arguments) if isinstance(arguments, str) else arguments or {}
    except ValueError:
        return call
    plain = {key: value for key, value in call.items() if key != "index" and value is not None}
    return {"type": "function", **plain, "function": {**function, "arguments": encode_json(said).decode()}}


def _one_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages whose first ones, where several are the system's, are one."""
    count = next((at for at, each in enumerate(messages) if each.keys() != _PLAIN or each["role"] != "system"), None)
    leading = messages[:count]
    if len(leading) < 2 or not all(isinstance(each["content"], str | list) for each in leading):
        return messages
    parts: list[Any] = []
    for each in leading:
        content = each["content"]
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{"role": "system", "content": parts}, *messages[len(leading) :]]


_PLAIN = {"role", "content"}


def _tool(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return tool
    said = {key: value for key, value in function.items() if value is not None and (key, value) != ("strict", False)}
    return {**tool, "function": said}
