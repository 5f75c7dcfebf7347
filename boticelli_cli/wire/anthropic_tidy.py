"""The ways in which clients write a Messages request, brought into one.

A text where a list of blocks belongs, nulls, and what says no more than its absence does. What users named themselves
is never touched.
"""

from typing import Any

__all__ = ["tidy"]


def tidy(body: dict[str, Any]) -> dict[str, Any]:
    """A request's body in the one way that `encode_request` writes, without what says how it is called.

    Raises ValueError for a role that there is not.
    """
    tidied = {key: value for key, value in _without_nulls(body).items() if value not in ({}, [], "")}
    for key in ("model", "stream", "anthropic_version"):
        tidied.pop(key, None)
    tidied["messages"] = [_message(each) for each in _list(tidied.get("messages", []))]
    if isinstance(tools := tidied.get("tools"), list):
        tidied["tools"] = [_tool(each) for each in tools]
    return tidied


_USERS = frozenset({"input", "input_schema", "schema", "metadata"})
"""Keys whose values hold names that users made up."""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_nulls(each) if isinstance(each, _NESTED) and key not in _USERS else each
            for key, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [_without_nulls(each) if isinstance(each, _NESTED) else each for each in value]
    return value


_NESTED = (dict, list)
"""What may hold nulls. Nearly all values are texts: to call for each of them takes longer than all else."""


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("its messages are not a list")
    return value


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise ValueError("a message is an object with a role and a content")
    if message.get("role") not in ("user", "assistant", "system"):
        raise ValueError("a message's role is 'user' or 'assistant'")
    content = message.get("content", [])
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    return {**message, "content": [_block(each) for each in content] if isinstance(content, list) else content}


_SAYS_NOTHING: dict[str, tuple[tuple[str, Any], ...]] = {
    "tool_result": (("content", ""), ("content", []), ("is_error", False)),
    "tool_use": (("caller", {"type": "direct"}),),
}


def _block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    kind = block.get("type")
    nothing = _SAYS_NOTHING.get(kind, ()) if isinstance(kind, str) else ()
    told = {key: value for key, value in block.items() if (key, value) not in nothing} if nothing else block
    return {"input": {}, **told} if kind == "tool_use" else told


def _tool(tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type") == "custom":
        return {key: value for key, value in tool.items() if key != "type"}
    return tool
