"""What the answers of faces amount to: whole, or an error in the face's own form. Nothing in between is let pass."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import httpx

FACES = ("anthropic", "openai", "gemini", "array")
"""The faces, and Gemini's way of streaming one JSON array."""

Json = Any


@dataclass(frozen=True)
class Verdict:
    """An answer with its text, or an error with its message; `status` is the one that was sent."""

    kind: Literal["answer", "error"]
    status: int
    text: str


def path_of(face: str, model: str, *, streamed: bool) -> str:
    match face:
        case "anthropic":
            return "/v1/messages"
        case "openai":
            return "/v1/chat/completions"
    if not streamed:
        return f"/v1beta/models/{model}:generateContent"
    return f"/v1beta/models/{model}:streamGenerateContent" + ("?alt=sse" if face == "gemini" else "")


def body_of(face: str, model: str, text: str, *, streamed: bool) -> dict[str, Json]:
    if face in ("gemini", "array"):
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    asked = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 500}
    return {**asked, "stream": True} if streamed else asked


def judged(face: str, answer: httpx.Response, *, streamed: bool) -> Verdict:
    """What a whole answer over HTTP amounts to. Fails for what no client of the face could read."""
    status, body = answer.status_code, answer.content
    assert answer.headers.get("x-boticelli-request-id", "").startswith("req_") or status != 200, answer.headers
    if status != 200:
        assert answer.headers["content-type"].startswith("application/json"), answer.headers
        return Verdict("error", status, error_in(face, json.loads(body), status))
    if not streamed:
        return Verdict("answer", status, _whole(face, json.loads(body)))
    match face:
        case "anthropic":
            return _anthropic(body)
        case "openai":
            return _openai(body)
        case "array":
            return _gemini(json.loads(body))
    return _gemini([json.loads(data) for _, data in _events(body)])


def error_in(face: str, told: Json, status: int | None = None) -> str:
    """The message of an error in a face's form. `status` is that of HTTP, where it was one before the first byte."""
    error = told["error"]
    assert isinstance(error["message"], str), told
    assert error["message"], told
    match face:
        case "anthropic":
            assert told["type"] == "error", told
            assert isinstance(error["type"], str), told
        case "openai":
            assert isinstance(error["type"], str), told
            assert {"param", "code"} <= error.keys(), told
        case _:
            assert isinstance(error["status"], str), told
            assert isinstance(error["code"], int), told
            assert status is None or error["code"] == status, told
    return str(error["message"])


def _whole(face: str, told: Json) -> str:
    match face:
        case "anthropic":
            assert (told["type"], told["role"]) == ("message", "assistant"), told
            assert told["stop_reason"], told
            assert told["usage"]["output_tokens"] >= 0, told
            assert told["content"], told
            return "".join(block.get("text", "") for block in told["content"])
        case "openai":
            [choice] = told["choices"]
            assert (told["object"], bool(choice["finish_reason"])) == ("chat.completion", True), told
            message = choice["message"]
            assert message["content"] or message.get("tool_calls"), told
            return message["content"] or ""
    return _gemini([told]).text


def _anthropic(body: bytes) -> Verdict:
    said = [(name, json.loads(data)) for name, data in _events(body)]
    assert all(name == told["type"] for name, told in said), said
    said = [each for each in said if each[0] != "ping"]
    if said[-1][0] == "error":
        return Verdict("error", 200, error_in("anthropic", said[-1][1]))
    names = [name for name, _ in said]
    assert (names[0], names[-1]) == ("message_start", "message_stop"), names
    assert names.count("message_stop") == 1, names
    _check_blocks(said)
    assert [told for name, told in said if name == "message_delta"][-1]["delta"]["stop_reason"], said
    deltas = [told["delta"] for name, told in said if name == "content_block_delta"]
    assert deltas, "nothing was said"
    return Verdict("answer", 200, "".join(each.get("text", "") for each in deltas))


def _check_blocks(said: list[tuple[str | None, Json]]) -> None:
    """Blocks are numbered, and each ends before the next begins."""
    at, is_open = -1, False
    for name, told in said:
        if name == "content_block_start":
            at, is_open = at + 1, not is_open
            assert (told["index"], is_open) == (at, True), said
        elif name == "content_block_stop":
            assert (told["index"], is_open) == (at, True), said
            is_open = False
        elif name == "content_block_delta":
            assert (told["index"], is_open) == (at, True), said
    assert not is_open, said


def _openai(body: bytes) -> Verdict:
    events = [data for _, data in _events(body)]
    if events[-1] != b"[DONE]":
        return Verdict("error", 200, error_in("openai", json.loads(events[-1])))
    chunks = [json.loads(data) for data in events[:-1]]
    assert not any("error" in chunk for chunk in chunks), chunks
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert any(choice.get("finish_reason") for choice in choices), chunks
    assert any(choice["delta"].get("content") or choice["delta"].get("tool_calls") for choice in choices), chunks
    return Verdict("answer", 200, "".join(choice["delta"].get("content") or "" for choice in choices))


def _gemini(chunks: list[Json]) -> Verdict:
    assert chunks, "nothing was said"
    if "error" in chunks[-1]:
        return Verdict("error", 200, error_in("gemini", chunks[-1]))
    assert not any("error" in chunk for chunk in chunks), chunks
    candidates = [chunk["candidates"][0] for chunk in chunks if chunk.get("candidates")]
    assert candidates[-1].get("finishReason"), chunks
    parts = [part for each in candidates for part in each.get("content", {}).get("parts", [])]
    assert any(part.get("text") or "functionCall" in part for part in parts), chunks
    return Verdict("answer", 200, "".join(part.get("text", "") for part in parts))


def _events(body: bytes) -> list[tuple[str | None, bytes]]:
    """The events of a stream, all of them whole: each with its name, where it has one, and its data."""
    assert body.endswith((b"\n\n", b"\r\n\r\n")), body[-300:]
    events: list[tuple[str | None, bytes]] = []
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        if not lines:
            continue
        fields = dict(line.split(b": ", 1) for line in lines)
        assert fields.keys() <= {b"event", b"data"}, block
        events.append((fields[b"event"].decode() if b"event" in fields else None, fields[b"data"]))
    return events
