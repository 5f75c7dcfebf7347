"""A session of Claude Code, as it goes over the wire, with models of every dialect behind the gateway."""

import base64
import json
from typing import Any

import pytest

from tests.fakes.behaviours import Answer
from tests.fakes.material import dot
from tests.gateway.whole import MODELS, UPSTREAMS, Whole

HEADERS = {
    "authorization": "Bearer any",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.7 (external, cli)",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
MARK = {"type": "ephemeral"}
TOOLS = [
    {
        "name": "Bash",
        "description": "Executes a given bash command",
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The command to execute"},
                "timeout": {"type": "number", "exclusiveMinimum": 0},
            },
            "required": ["command"],
            "additionalProperties": False,
        },
    },
    {
        "name": "mcp__ide__getDiagnostics",
        "description": "Get language diagnostics from VS Code",
        "input_schema": {"type": "object", "properties": {"uri": {"type": "string", "format": "uri"}}},
    },
    {
        "name": "TodoWrite",
        "description": "Keeps a list",
        "input_schema": {
            "type": "object",
            "properties": {
                "todos": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "content": {"type": "string", "minLength": 1},
                            "status": {"enum": ["pending", "done"]},
                        },
                        "required": ["content", "status"],
                    },
                }
            },
            "required": ["todos"],
        },
        "cache_control": MARK,
    },
]
CALLED = (("Bash", {"command": "ls -la"}), ("mcp__ide__getDiagnostics", {"uri": "file:///a.py"}))
SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.7; cc_entrypoint=cli;"},
    {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."},
    {"type": "text", "text": "You are an interactive agent that helps with software.", "cache_control": MARK},
]
SESSION = "user_0f_account__session_6f3f6f4e-1c1e-4b6e-9d0a-2f6f0c1d5b7e"

every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)


def asked(upstream: str, turns: list[Any], **more: Any) -> dict[str, Any]:
    thinking: Any = {"type": "enabled", "budget_tokens": 31999} if upstream == "invoke" else {"type": "adaptive"}
    return {
        "model": MODELS[upstream],
        "messages": [*turns[:-1], _marked(turns[-1])],
        "system": SYSTEM,
        "tools": TOOLS,
        "metadata": {"user_id": SESSION},
        "max_tokens": 32000,
        "thinking": thinking,
        "stream": True,
        **more,
    }


def _marked(turn: Any) -> Any:
    """The last turn, up to whose end all is to be kept."""
    content = turn["content"]
    if isinstance(content, str):
        return turn
    return {**turn, "content": [*content[:-1], {**content[-1], "cache_control": MARK}]}


def ask(whole: Whole, body: dict[str, Any]) -> dict[str, Any]:
    """The message that a streamed answer comes to, put together as the client does."""
    answer = whole.http.post("/v1/messages?beta=true", json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    message: dict[str, Any] = {}
    for block in answer.text.strip().split("\n\n"):
        data = json.loads(block.split("\ndata: ")[1])
        match data["type"]:
            case "message_start":
                message = data["message"]
            case "content_block_start":
                assert data["index"] == len(message["content"])
                message["content"].append({**data["content_block"], "pieces": []})
            case "content_block_delta":
                delta = data["delta"]
                for name in ("text", "thinking", "signature"):
                    if name in delta:
                        message["content"][data["index"]][name] = (
                            message["content"][data["index"]].get(name, "") + delta[name]
                        )
                message["content"][data["index"]]["pieces"].append(delta.get("partial_json", ""))
            case "content_block_stop":
                told = message["content"][data["index"]]
                said = "".join(told.pop("pieces"))
                if told["type"] == "tool_use":
                    told["input"] = json.loads(said or "{}")
            case "message_delta":
                message |= data["delta"]
                message["usage"] |= data["usage"]
            case "error":
                raise AssertionError(data)
    return message


def reminded(text: str) -> dict[str, Any]:
    """What the user says, with what the program adds to it."""
    reminder = {"type": "text", "text": "<system-reminder>\nAs you answer, mind CLAUDE.md.\n</system-reminder>\n"}
    return {"role": "user", "content": [reminder, {"type": "text", "text": text}]}


@every_upstream
def test_works_through_a_session_with_tools(whole: Whole, upstream: str) -> None:
    behaviour = Answer("I'll look.", thoughts="First look around.", tool_calls=CALLED)
    whole.plays(upstream, behaviour, prompt=f"Fix it, {upstream}")
    turns: list[Any] = [reminded(f"Fix it, {upstream}")]
    message = ask(whole, asked(upstream, turns))
    assert message["stop_reason"] == "tool_use"
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    assert [(call["name"], call["input"]) for call in calls] == [*CALLED]
    picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(dot()).decode()}
    results = [
        {"type": "tool_result", "tool_use_id": calls[0]["id"], "content": "total 0\na.py", "is_error": False},
        {
            "type": "tool_result",
            "tool_use_id": calls[1]["id"],
            "content": [{"type": "text", "text": "no diagnostics"}, {"type": "image", "source": picture}],
        },
    ]
    turns += [{"role": "assistant", "content": message["content"]}, {"role": "user", "content": results}]
    answer = ask(whole, asked(upstream, turns))
    assert answer["stop_reason"] == "end_turn"
    if "open" not in upstream:  # there, the picture follows the results as a turn of its own
        text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
        assert "a.py" in text
        assert "no diagnostics" in text
    turns += [{"role": "assistant", "content": answer["content"]}, reminded("Thank you")]
    last = ask(whole, asked(upstream, turns))
    assert "Thank you" in "".join(block["text"] for block in last["content"] if block["type"] == "text")
    sent = json.dumps(whole.heard(upstream).content)
    for each in ("an interactive agent", "total 0", "no diagnostics", picture["data"], "mind CLAUDE.md"):
        assert each in sent


@every_upstream
def test_goes_on_after_the_user_has_said_no(whole: Whole, upstream: str) -> None:
    whole.plays(upstream, Answer("", tool_calls=CALLED[:1]), prompt=f"Delete it, {upstream}")
    turns: list[Any] = [reminded(f"Delete it, {upstream}")]
    message = ask(whole, asked(upstream, turns))
    [call] = [block for block in message["content"] if block["type"] == "tool_use"]
    no = {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": "The user doesn't want to proceed with this tool use.",
        "is_error": True,
    }
    stopped = {"type": "text", "text": "[Request interrupted by user for tool use]"}
    turns += [
        {"role": "assistant", "content": message["content"]},
        {"role": "user", "content": [no, stopped]},
        reminded("Do nothing then"),
    ]
    answer = ask(whole, asked(upstream, turns))
    assert answer["stop_reason"] == "end_turn"
    sent = json.dumps(whole.heard(upstream).content)
    assert "doesn't want to proceed" in sent
    assert "Request interrupted by user" in sent


@every_upstream
def test_counts_the_tokens_of_a_turn(whole: Whole, upstream: str) -> None:
    body = asked(upstream, [reminded("How much is it?")])
    for name in ("max_tokens", "stream", "metadata"):
        del body[name]
    answer = whole.http.post("/v1/messages/count_tokens?beta=true", json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["input_tokens"] > 10


@every_upstream
def test_makes_a_title_in_json(whole: Whole, upstream: str) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    body = asked(
        upstream,
        [{"role": "user", "content": "Name it"}],
        tools=[],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    body.pop("thinking")
    message = ask(whole, body)
    assert isinstance(json.loads(message["content"][0]["text"])["title"], str)


def test_passes_its_betas_and_its_bytes_on_to_anthropic(whole: Whole) -> None:
    body = asked("anthropic", [reminded("Hello")])
    ask(whole, body)
    heard = whole.heard("anthropic")
    assert heard.headers["anthropic-beta"] == HEADERS["anthropic-beta"]
    assert heard.headers["x-api-key"] == "test-key"
    assert "authorization" not in {name.lower() for name in heard.headers}
    assert heard.content == body


def test_warms_the_cache_and_reads_it(whole: Whole) -> None:
    body = asked("anthropic", [reminded("Warm up")])
    cold, warm = ask(whole, body)["usage"], ask(whole, body)["usage"]
    assert cold["cache_creation_input_tokens"] == warm["cache_read_input_tokens"] > 0


def test_checks_its_quota_with_one_token(whole: Whole) -> None:
    body = {"model": MODELS["gemini"], "max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]}
    answer = whole.http.post("/v1/messages?beta=true", json=body, headers=HEADERS)
    assert answer.status_code == 200
    assert answer.json()["stop_reason"] == "max_tokens"
