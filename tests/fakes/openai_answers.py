"""What the fake OpenAI service says: its chunks, and the whole answer that they amount to."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.behaviours import Answer, Fail, without_keywords
from tests.fakes.material import pieces, sample, split
from tests.fakes.openai_checks import results_of
from tests.fakes.openai_wire import Asked, Json, failure, told
from tests.fakes.saying import Broken, Garbled, Saying, Step


@dataclass(frozen=True)
class Comment:
    """A line that is no event."""

    text: str = "OPENROUTER PROCESSING"


@dataclass(frozen=True)
class Done:
    """The end mark."""


_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "RECITATION": "content_filter"}


class OpenAISaying(Saying):
    """Says it as server-sent events, in the manner of its flavour."""

    called = "tool_calls"
    half = '{"choices": [{"index": 0, "delta": {"content": "half a'

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked, asked.limit)
        self._id = f"chatcmpl-{secrets.token_hex(8)}"
        self._begun = False

    def begin(self) -> Iterator[Step]:
        if self.asked.flavour == "openrouter":
            yield Comment()

    def piece(self, text: str) -> Json:
        return self._delta({"content": text})

    def parts(self, answer: Answer) -> Iterator[Json]:
        for piece in split(answer.thoughts or "", None):
            yield from self._thought_of(piece)
        for piece in pieces(answer, default_text(self.asked)):
            if self.spent_all:
                return
            yield self.text(piece)
        for mime_type, data in answer.media:
            yield self._medium(mime_type, base64.b64encode(data).decode())
        for number, (name, arguments) in enumerate(answer.tool_calls):
            yield from self._call(number, name, json.dumps(dict(arguments)))

    def end(self, reason: str = "STOP", usage: Any = None) -> Iterator[Step]:
        closing = self._delta({}, _REASONS.get(reason, reason))
        said = {**self._wrap([]), "usage": dict(usage) if usage is not None else self._usage()}
        if not self.asked.streams or self.asked.flavour == "openrouter":
            yield {**closing, "usage": said["usage"]}
        else:
            yield closing
            if self.asked.flavour == "openai" and self.asked.include_usage:
                yield said
        yield Done()

    def empty(self, reason: str) -> Iterator[Step]:
        yield self._delta({"role": "assistant", "content": ""})
        yield from self.end(reason)

    def blocked(self, reason: str) -> Iterator[Step]:
        raise AssertionError("what is blocked has no body to stream")

    def encode(self, step: Step) -> bytes:
        match step:
            case Comment(text):
                return f": {text}\n\n".encode()
            case Done():
                data = "[DONE]"
            case Garbled():
                data = self.half
            case Broken(status):
                data = json.dumps(self._error(status))
            case _:
                data = json.dumps(step, ensure_ascii=False, separators=(",", ":"))
        return f"data: {data}\n\n".encode()

    def whole(self, events: list[Step]) -> Json:
        return merged([each for each in events if not isinstance(each, Comment | Done)])

    def _thought_of(self, text: str) -> Iterator[Json]:
        """What is thought, which OpenAI itself does not show."""
        self._thought += len(text.split())
        match self.asked.flavour:
            case "ollama":
                yield self._delta({"content": "", "reasoning": text})
            case "openrouter":
                details = [{"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0}]
                yield self._delta({"content": "", "reasoning": text, "reasoning_details": details})

    def _medium(self, mime_type: str, data: str) -> Json:
        if mime_type.startswith("audio/"):
            return self._delta({"audio": {"id": "audio_1", "data": data}})
        picture = {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}"}}
        return self._delta({"content": "", "images": [picture]})

    def _call(self, number: int, name: str, arguments: str) -> Iterator[Json]:
        """A call in pieces; from Ollama whole, and always with the first number."""
        began = {"id": f"call_{secrets.token_hex(8)}", "type": "function"}
        if self.asked.flavour == "ollama":
            yield self._delta(
                {
                    "content": "",
                    "tool_calls": [{"index": 0, **began, "function": {"name": name, "arguments": arguments}}],
                }
            )
            return
        yield self._delta({"tool_calls": [{"index": number, **began, "function": {"name": name, "arguments": ""}}]})
        half = len(arguments) // 2
        for piece in (arguments[:half], arguments[half:]):
            yield self._delta({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})

    def _delta(self, delta: Json, reason: str | None = None) -> Json:
        if not self._begun and reason is None:
            self._begun = True
            role: Json = {"role": "assistant"}
            delta = {**role, **delta}
        return self._wrap([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])

    def _error(self, status: int) -> Json:
        said = told(failure(Fail(status), self.asked.model), self.asked.flavour)
        return {**self._delta({"content": ""}, "error"), **said} if self.asked.flavour == "openrouter" else said

    def _wrap(self, choices: list[Json]) -> Json:
        chunk: Json = {"id": self._id, "object": "chat.completion.chunk", "created": 1_790_000_000}
        chunk |= {"model": self.asked.model, "system_fingerprint": "fp_fake", "choices": choices}
        return {**chunk, "usage": None} if self.asked.include_usage and self.asked.flavour == "openai" else chunk

    def _usage(self) -> Json:
        output = self._spoken + self._thought
        usage: Json = {"prompt_tokens": self.asked.tokens, "completion_tokens": output}
        usage["total_tokens"] = self.asked.tokens + output
        if self.asked.flavour != "ollama":
            usage["prompt_tokens_details"] = {"cached_tokens": 0, "audio_tokens": 0}
            usage["completion_tokens_details"] = {"reasoning_tokens": self._thought, "audio_tokens": 0}
        return usage


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema when JSON is asked for."""
    said = _echo(asked)
    match asked.content.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return json.dumps(sample(schema, said), ensure_ascii=False)
        case {"type": "json_object" | "json_schema"}:
            return json.dumps({"answer": said}, ensure_ascii=False)
    return said


def _echo(asked: Asked) -> str:
    if results := results_of(asked.messages):
        return "The tools said: " + "; ".join(f"{name}: {said}" for name, said in results)
    return f"You said: {without_keywords(asked.prompt)}"


def merged(chunks: list[Json]) -> Json:
    """The whole answer that a stream's chunks amount to."""
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    reason: str | None = None
    whole: Json = {}
    for chunk in chunks:
        whole |= chunk
        for choice in chunk["choices"]:
            reason = choice["finish_reason"] or reason
            _merge(message, choice["delta"])
    if not message.get("tool_calls"):
        message["content"] = message["content"] or ""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**whole, "object": "chat.completion", "choices": [choice], "usage": whole.get("usage")}


def _merge(message: Json, delta: Json) -> None:
    for name in ("content", "reasoning", "refusal"):
        if delta.get(name):
            message[name] = (message.get(name) or "") + delta[name]
    for name in ("images", "reasoning_details"):
        if name in delta:
            message[name] = message.get(name, []) + delta[name]
    if "audio" in delta:
        message["audio"] = {"id": "audio_1", "data": delta["audio"]["data"], "expires_at": 0, "transcript": ""}
    for call in delta.get("tool_calls", []):
        if "id" in call:
            message.setdefault("tool_calls", []).append({**call, "function": dict(call["function"])})
            del message["tool_calls"][-1]["index"]
        else:
            message["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
