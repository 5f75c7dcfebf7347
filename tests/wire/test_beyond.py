"""What clients say beyond the words of a request: kept for their own dialect, and named where another is spoken."""

import json
from dataclasses import replace
from typing import Any

import pytest

from boticelli_cli.messages import Beyond, Message, Request, Text, Thought, ToolCall, ToolResult
from boticelli_cli.wire import anthropic, gemini, openai
from boticelli_cli.wire.body import Encoded

SEARCHED: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 9,
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                {"type": "text", "text": "It rains.", "citations": [{"type": "char_location"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "g"}]},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "context": "y"},
            ],
        },
    ],
    "tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "f", "input_schema": {}, "strict": True}],
    "context_management": {"edits": []},
}  # fmt: skip


def searched() -> Request:
    return anthropic.decode_request(json.dumps(SEARCHED).encode())


def to_gemini(request: Request) -> Encoded:
    return gemini.encode_request(replace(request, model="gemini-2.5-flash", dialect="anthropic"))


def test_names_what_another_dialect_cannot_say() -> None:
    assert set(to_gemini(searched()).losses) == {
        *("files that the provider keeps", "server tool use", "web search tool result", "citations"),
        *("tool reference", "context", "web search", "strict", "option context_management"),
    }


def test_sends_it_in_its_own_words_whatever_else_is_changed() -> None:
    body = json.loads(anthropic.encode_request(replace(searched(), temperature=0.5), streamed=False).body)
    assert body == {**SEARCHED, "temperature": 0.5}


def test_sends_no_old_messages_where_there_are_others_and_names_what_they_said() -> None:
    changed = replace(searched(), messages=(Message("user", (Text("Hello."),)),))
    encoded = anthropic.encode_request(changed, streamed=False)
    body = json.loads(encoded.body)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}]
    assert body["tools"] == SEARCHED["tools"]
    assert {"citations", "server tool use"} <= set(encoded.losses)
    assert "strict" not in encoded.losses


def test_names_words_that_clients_make_up_in_a_line_of_plain_letters() -> None:
    body = {**SEARCHED, "messages": [{"role": "user", "content": [{"type": "\r\nX-Ü: " + "y" * 99, "z": 1}]}]}
    request = anthropic.decode_request(json.dumps(body).encode())
    (name,) = [value.names for key, value in request.options.items() if key == "messages"]
    assert name == (("x " + "y" * 99)[:60],)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"executableCode": {"code": "1"}}, "executable code"),
        ({"text": "x", "thoughtSignature": "eA=="}, "thought signatures"),
        ({"fileData": {"fileUri": "u", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}}, "video metadata"),
    ],
)
def test_names_parts_of_geminis(part: dict[str, Any], name: str) -> None:
    body = {"contents": [{"parts": [{"text": "a"}, part]}], "tools": [{"googleSearch": {}}]}
    request = gemini.decode_request(json.dumps(body).encode(), "gemini-3-pro")
    encoded = openai.encode_request(replace(request, model="gpt-5.2", dialect="gemini"), streamed=False)
    assert {name, "google search"} <= set(encoded.losses)


def test_names_parts_of_openais() -> None:
    body = {
        "model": "gpt-5.2",
        "messages": [
            {"role": "user", "name": "me", "content": [{"type": "file", "file": {"file_id": "f"}}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}]},
        ],
        "tools": [{"type": "custom", "custom": {"name": "x"}}],
    }  # fmt: skip
    request = openai.decode_request(json.dumps(body).encode())
    encoded = anthropic.encode_request(replace(request, model="claude", dialect="openai"), streamed=False)
    assert set(encoded.losses) == {"name", "files that the provider keeps", "detail of images", "custom"}


def test_does_not_miss_what_says_nothing() -> None:
    blank = [{"type": "text", "text": " "}, {"type": "thinking", "thinking": "Hm.", "signature": ""}]
    body = {
        **SEARCHED,
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": [*blank, {"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "text", "text": "!"}, {"type": "tool_result", "tool_use_id": "1"}]},
        ],
    }
    assert "messages" not in anthropic.decode_request(json.dumps(body).encode()).options


def test_gives_anthropic_no_thoughts_without_a_seal_though_clients_send_them_back() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    said = json.loads(json.dumps(SEARCHED))
    said["messages"][1]["content"].insert(0, thought)
    request = anthropic.decode_request(json.dumps(said).encode())
    assert request.messages[1].parts[0] == Thought("Hm.")
    assert not anthropic.may_be_forwarded(request)
    encoded = anthropic.encode_request(request, streamed=False)
    assert json.loads(encoded.body) == SEARCHED
    assert encoded.losses == ("unsigned thoughts",)
    assert anthropic.may_be_forwarded(searched())


@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_reads_what_clients_of_openais_give_back_of_thoughts_and_does_not_send_it_there(word: str) -> None:
    said = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "?"},
    ]
    echoed = [said[0], {**said[1], word: "Hm."}, said[2]]
    request = openai.decode_request(json.dumps({"model": "gpt-5.2", "messages": echoed}).encode())
    assert request.messages[1].parts == (Thought("Hm."), Text("Yes?"))
    assert request.options == {}
    encoded = openai.encode_request(replace(request, dialect="openai"), streamed=False)
    assert (json.loads(encoded.body)["messages"], encoded.losses) == (said, ())
    contents = json.loads(gemini.encode_request(replace(request, dialect="openai")).body)["contents"]
    assert contents[1]["parts"] == [{"text": "Hm.", "thought": True}, {"text": "Yes?"}]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", None])
def test_gives_deepseek_back_the_thoughts_that_led_to_calls(dialect: str | None) -> None:
    called = Message("assistant", (Thought("Hm."), Thought("So."), Text("Yes."), ToolCall("f", {}, "1")))
    answered = Message("user", (ToolResult("f", "x", "1"),))
    said = Message("assistant", (Thought("Well."), Text("Done.")))
    request = Request("deepseek-chat", (called, answered, said), dialect=dialect)
    encoded = openai.encode_request(request, streamed=False, thoughts=True)
    first, _, last = json.loads(encoded.body)["messages"]
    assert (first["reasoning_content"], first["content"], encoded.losses) == ("Hm.So.", "Yes.", ())
    assert last == {"role": "assistant", "content": "Done."}
    assert "reasoning_content" not in openai.encode_request(request, streamed=False).body.decode()


def test_says_again_only_what_it_was_made_of() -> None:
    request = Request("m", (Message("user", (ToolResult("f", "x", "1"),)),))
    beyond = Beyond(("citations",), [], {"messages": request.messages, "system": None})
    assert beyond.is_of(replace(request, temperature=1))
    assert not beyond.is_of(replace(request, system="a"))
    assert not beyond.is_of(replace(request, messages=(Message("user", (ToolCall("f", {}),)),)))
