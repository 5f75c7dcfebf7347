"""How strictly the fake Anthropic service reads a request: as the real one does, with its sentences."""

import base64
import binascii
import re
from typing import Any

from tests.fakes.anthropic_answers import is_seal
from tests.fakes.anthropic_models import Model
from tests.fakes.anthropic_wire import ApiError, Asked, Json, content_of

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
LATEST = VERSIONS[-1]

_SAMPLING = frozenset("temperature top_p top_k".split())
_COUNTED = frozenset(
    "model messages system tools tool_choice thinking output_config cache_control mcp_servers context_management".split()
)
_REQUEST = _COUNTED | frozenset(
    "max_tokens stream stop_sequences metadata service_tier container inference_geo speed diagnostics".split()
)

_THREAD = frozenset({"thread"})

_MARK = frozenset({"type", "cache_control"})
_BLOCKS = {
    "text": _MARK | {"text", "citations"},
    "image": _MARK | {"source", "transformations"},
    "document": _MARK | {"source", "title", "context", "citations"},
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": _MARK | {"id", "name", "input", "caller", "toolset_name"},
    "tool_result": _MARK | {"tool_use_id", "content", "is_error", "toolset_name"},
}
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TOOL = _MARK | frozenset({"name", "description", "input_schema", "strict", "input_examples", "eager_input_streaming"})


def check_version(asked: Asked) -> None:
    if not asked.version:
        raise ApiError(400, "anthropic-version: header is required")
    if asked.version not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{asked.version}" is not a valid version')


def check_request(asked: Asked, model: Model, *, counts: bool = False) -> None:
    """Read a request as strictly as the service does. Raises ApiError."""
    try:
        _check(asked, model, counts=counts)
    except KeyError as error:
        raise ApiError(400, f"{error.args[0]}: Field required") from None


def _check(asked: Asked, model: Model, *, counts: bool) -> None:
    body = asked.content
    betas = _THREAD if "message-threads-" in asked.headers.get("anthropic-beta", "") else frozenset[str]()
    _check_fields(body, _COUNTED if counts else _REQUEST | _SAMPLING | betas, "")
    _check_thread(body.get("thread"))
    for name in ("messages",) if counts else ("max_tokens", "messages"):
        if name not in body:
            raise ApiError(400, f"{name}: Field required")
    if not counts:
        _check_limit(body["max_tokens"], model)
        _check_sampling(asked, model)
    if any(not text.strip() for text in body.get("stop_sequences", [])):
        raise ApiError(400, "stop_sequences: each stop sequence must contain non-whitespace")
    _check_thinking(asked, model)
    if _forces(body) and not model.forced:
        raise ApiError(400, "tool_choice: forced tool use is not supported for this model.")
    _check_tools(body)
    check_messages(asked, model)


def _check_thread(thread: Json | None) -> None:
    """Threads may be begun, but none is ever found again."""
    if (thread or {}).get("type") == "continue":
        details = {"error_code": "thread_not_found"}
        raise ApiError(404, "thread not found", details=details)


def _check_fields(value: Any, known: frozenset[str], where: str) -> None:
    if not isinstance(value, dict):
        raise ApiError(400, f"{where}: Input should be a valid dictionary")
    for name in value:
        if name not in known:
            raise ApiError(400, f"{where}.{name}: Extra inputs are not permitted".removeprefix("."))


def _check_limit(limit: Any, model: Model) -> None:
    if type(limit) is not int:
        raise ApiError(400, "max_tokens: Input should be a valid integer")
    if limit < 0:
        raise ApiError(400, "max_tokens: Input should be greater than or equal to 0")
    if limit > model.output_limit:
        most = f"which is the maximum allowed number of output tokens for {model.name}"
        raise ApiError(400, f"max_tokens: {limit} > {model.output_limit}, {most}")


def _check_sampling(asked: Asked, model: Model) -> None:
    """The latest version refuses all of it, and so do the later models under any."""
    given = [name for name in ("temperature", "top_p", "top_k") if name in asked.content]
    if given and asked.version == LATEST:
        raise ApiError(400, f"{given[0]}: Extra inputs are not permitted")
    if given and not model.sampling:
        raise ApiError(400, f"`{given[0]}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(given):
        both = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise ApiError(400, both)
    if not 0 <= asked.content.get("temperature", 1) <= 1:
        raise ApiError(400, "temperature: range: 0..1")
    if asked.thinking["type"] != "disabled" and asked.content.get("temperature", 1) != 1:
        raise ApiError(400, "`temperature` may only be set to 1 when thinking is enabled.")


def _check_thinking(asked: Asked, model: Model) -> None:
    thinking, body = asked.thinking, asked.content
    config = body.get("output_config", {})
    _check_fields(config, frozenset({"effort", "format", "task_budget"}), "output_config")
    if "effort" in config and not model.effort:
        raise ApiError(400, "This model does not support the effort parameter.")
    if config.get("effort", "high") not in ("low", "medium", "high", "xhigh", "max"):
        options = "'low', 'medium', 'high', 'xhigh' or 'max'"
        raise ApiError(400, f"output_config.effort: Input should be {options}")
    if shape := config.get("format"):
        _check_fields(shape, frozenset({"type", "schema"}), "output_config.format")
    _check_fields(thinking, frozenset({"type", "budget_tokens", "display"}), "thinking")
    match thinking.get("type"):
        case "disabled" | "between_tools" as off if off == model.off or not body.get("thinking"):
            return
        case "disabled":
            instead = f'"thinking.type.{model.off}"' if model.off else '"thinking.type.adaptive"'
            raise ApiError(400, f'"thinking.type.disabled" is not supported for this model. Use {instead}.')
        case "adaptive" if not model.adaptive:
            raise ApiError(400, "adaptive thinking is not supported on this model")
        case "enabled" if not model.budget:
            raise ApiError(
                400,
                '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
                '"output_config.effort" to control thinking behavior.',
            )
        case "enabled":
            _check_budget(thinking.get("budget_tokens"), body.get("max_tokens"))
        case "adaptive" if "budget_tokens" in thinking:
            raise ApiError(400, "thinking.adaptive.budget_tokens: Extra inputs are not permitted")
        case "adaptive":
            pass
        case _:
            raise ApiError(400, "thinking: Input tag does not match any of the expected tags")
    if _forces(body):
        raise ApiError(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _forces(body: dict[str, Any]) -> bool:
    return (body.get("tool_choice") or {}).get("type") in ("any", "tool")


def _check_budget(budget: Any, limit: int | None) -> None:
    if type(budget) is not int or budget < 1024:
        raise ApiError(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if limit is not None and limit <= budget:
        raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_tools(body: Json) -> None:
    tools = [tool for tool in body.get("tools", []) if tool.get("type", "custom") == "custom"]
    for number, tool in enumerate(tools):
        where = f"tools.{number}.custom"
        _check_fields(tool, _TOOL, where)
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool.get("name", "")):
            raise ApiError(400, f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if "input_schema" not in tool:
            raise ApiError(400, f"{where}.input_schema: Field required")
        if tool["input_schema"].get("type") != "object":
            raise ApiError(400, f"{where}.input_schema.type: Input should be 'object'")
    names = [tool["name"] for tool in tools]
    if len(set(names)) < len(names):
        raise ApiError(400, "tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is not None:
        _check_fields(choice, frozenset({"type", "name", "disable_parallel_tool_use"}), "tool_choice")
        if not body.get("tools"):
            raise ApiError(400, "tool_choice may only be specified while providing tools.")
        if choice["type"] == "tool" and choice.get("name") not in names:
            raise ApiError(400, f"Tool '{choice.get('name')}' not found in provided tools")


def check_messages(asked: Asked, model: Model) -> None:
    messages = asked.content["messages"]
    if not messages:
        raise ApiError(400, "messages: at least one message is required")
    for number, block in enumerate(content_of(asked.content.get("system"))):
        _check_block(block, f"system.{number}", "user", asked.version)
    for number, turn in enumerate(messages):
        _check_turn(turn, f"messages.{number}", asked.version, is_last=number == len(messages) - 1)
    marks = sum("cache_control" in block for block in (*asked.content.get("tools", []), *_inside(asked)))
    if marks > 4:
        raise ApiError(400, f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    _check_prefill(messages[-1], model)
    _check_calls(_combined(messages))
    if asked.thinking["type"] == "enabled":
        _check_thoughts(messages)


def _inside(asked: Asked) -> list[Json]:
    turns = [asked.content.get("system"), *(turn["content"] for turn in asked.messages)]
    return [block for content in turns for block in content_of(content)]


def _check_turn(turn: Json, where: str, version: str, *, is_last: bool) -> None:
    _check_fields(turn, frozenset({"role", "content"}), where)
    if turn.get("role") not in ("user", "assistant"):
        raise ApiError(400, f"{where}.role: Input should be 'user' or 'assistant'")
    if "content" not in turn:
        raise ApiError(400, f"{where}.content: Field required")
    if not turn["content"] and not (is_last and turn["role"] == "assistant"):
        optional = "except for the optional final assistant message"
        raise ApiError(400, f"{where}: all messages must have non-empty content {optional}")
    for number, block in enumerate(content_of(turn["content"])):
        _check_block(block, f"{where}.content.{number}", turn["role"], version)


def _check_block(block: Json, where: str, role: str, version: str) -> None:
    kind = block.get("type")
    if kind not in _BLOCKS:
        tags = ", ".join(f"'{each}'" for each in _BLOCKS)
        raise ApiError(400, f"{where}: Input tag '{kind}' found using 'type' does not match any of: {tags}")
    _check_fields(block, _BLOCKS[kind], f"{where}.{kind}")
    mark = block.get("cache_control", {"type": "ephemeral"})
    if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
        raise ApiError(400, f"{where}.{kind}.cache_control: Input should be ephemeral, for '5m' or '1h'")
    match kind:
        case "text":
            _check_text(block, where, role, version)
        case "image" | "document":
            if role == "assistant" and (kind == "image" or version == LATEST):
                raise ApiError(400, f"{where}: {kind} blocks are not permitted in assistant messages")
            _check_source(block["source"], f"{where}.{kind}.source", kind)
        case "tool_use":
            _check_id(block.get("id"), f"{where}.tool_use.id")
            if not isinstance(block.get("input"), dict):
                raise ApiError(400, f"{where}.tool_use.input: Input should be a valid dictionary")
        case "tool_result":
            _check_id(block.get("tool_use_id"), f"{where}.tool_result.tool_use_id")
            if block.get("is_error") and not block.get("content"):
                raise ApiError(400, f"{where}.tool_result: content cannot be empty if `is_error` is true")
            for number, inner in enumerate(content_of(block.get("content"))):
                _check_block(inner, f"{where}.tool_result.content.{number}", "user", version)
        case "thinking" if not is_seal(block.get("signature", "")):
            raise ApiError(400, f"{where}: Invalid `signature` in `thinking` block")
    if role != {"tool_result": "user"}.get(kind, "assistant") and kind in _OF_ONE:
        raise ApiError(400, f"{where}: `{kind}` blocks can not be in `{role}` messages")


_OF_ONE = ("thinking", "redacted_thinking", "tool_use", "tool_result")


def _check_text(block: Json, where: str, role: str, version: str) -> None:
    if not block["text"]:
        raise ApiError(400, "messages: text content blocks must be non-empty")
    if not block["text"].strip():
        raise ApiError(400, "messages: text content blocks must contain non-whitespace text")
    if block.get("citations") and role == "user" and version == LATEST:
        raise ApiError(400, f"{where}.text.citations: Extra inputs are not permitted")


def _check_source(source: Json, where: str, kind: str) -> None:
    match source.get("type"):
        case "base64":
            _check_fields(source, frozenset({"type", "media_type", "data"}), f"{where}.base64")
            known = _IMAGES if kind == "image" else ("application/pdf",)
            if source.get("media_type") not in known:
                named = ", ".join(f"'{each}'" for each in known)
                raise ApiError(400, f"{where}.base64.media_type: Input should be {named}")
            try:
                base64.b64decode(source.get("data", ""), validate=True)
            except binascii.Error:
                raise ApiError(400, f"{where}.base64.data: Invalid base64 data") from None
        case "text" if kind == "document":
            if source.get("media_type") != "text/plain":
                raise ApiError(400, f"{where}.text.media_type: Input should be 'text/plain'")
        case "url":
            if not source.get("url", "").startswith("https://"):
                raise ApiError(400, "Only HTTPS URLs are supported.")
        case _:
            raise ApiError(400, f"{where}: Input tag does not match any of the expected tags")


def _check_id(said: Any, where: str) -> None:
    if not isinstance(said, str):
        raise ApiError(400, f"{where}: Field required")
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", said):
        raise ApiError(400, f"{where}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _check_prefill(last: Json, model: Model) -> None:
    if last["role"] != "assistant":
        return
    if not model.prefill:
        raise ApiError(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    blocks = content_of(last["content"])
    if blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        raise ApiError(400, "messages: final assistant content cannot end with trailing whitespace")


def _combined(messages: list[Json]) -> list[Json]:
    """Consecutive turns of one role are one."""
    turns: list[Json] = []
    for turn in messages:
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += content_of(turn["content"])
        else:
            turns.append({"role": turn["role"], "content": list(content_of(turn["content"]))})
    return turns


def _check_calls(turns: list[Json]) -> None:
    """Every call is answered at the beginning of the next turn, and nothing else is."""
    seen: set[str] = set()
    for number, (turn, following) in enumerate(zip(turns, [*turns[1:], {"content": []}], strict=True)):
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        kinds = [block["type"] == "tool_result" for block in following["content"]]
        answered = [block["tool_use_id"] for block in following["content"] if block["type"] == "tool_result"]
        if seen & set(calls) or len(set(calls)) < len(calls):
            raise ApiError(400, f"messages.{number}: `tool_use` ids must be unique")
        seen |= set(calls)
        if unknown := [each for each in answered if each not in calls]:
            raise ApiError(
                400,
                f"messages.{number + 1}: unexpected `tool_use_id` found in `tool_result` blocks: {unknown[0]}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
            )
        in_order = all(kinds[: len(answered)])
        if missing := [each for each in calls if each not in answered or not in_order]:
            raise ApiError(
                400,
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message.",
            )


def _check_thoughts(messages: list[Json]) -> None:
    """A model that thinks by a budget wants its last thoughts back, with the calls they led to."""
    answers = [turn for turn in messages if turn["role"] == "assistant"]
    if not answers or messages[-1]["role"] == "assistant":
        return
    blocks = content_of(answers[-1]["content"])
    if any(block["type"] == "tool_use" for block in blocks) and "thinking" not in blocks[0]["type"]:
        raise ApiError(
            400,
            f"messages.{messages.index(answers[-1])}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{blocks[0]['type']}`. When `thinking` is enabled, a final `assistant` message must start with a "
            "thinking block.",
        )
