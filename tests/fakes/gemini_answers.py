"""What the fake Gemini service says: its events, and the one response that they amount to."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

from tests.fakes.behaviours import Answer, Fail, without_keywords
from tests.fakes.gemini_wire import Asked, Json, failure
from tests.fakes.material import dot, pieces, sample, sine, split
from tests.fakes.saying import Broken, Garbled, Saying, Step

HALF = '{"candidates": [{"content": {"parts": [{"text": "half a'


class GeminiSaying(Saying):
    """Says it as server-sent events; as the elements of one JSON array, if it is not asked for `alt=sse`."""

    called = "STOP"
    half = HALF

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked, asked.config.get("maxOutputTokens"))
        self._id = secrets.token_urlsafe(16)
        self._prompt = asked.tokens
        self._before = "["

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "text/event-stream" if self.asked.sse else "application/json"}

    def parts(self, answer: Answer) -> Iterator[Json]:
        thinking = self.asked.config.get("thinkingConfig", {}).get("includeThoughts", False)
        thoughts = answer.thoughts or (f"Thinking about: {without_keywords(self.asked.prompt)}" if thinking else "")
        self._thought += len(thoughts.split())
        if thinking:
            yield from (self._part({"text": piece, "thought": True}) for piece in split(thoughts, None))
        for piece in pieces(answer, default_text(self.asked)):
            if self.spent_all:
                return
            yield self.text(piece)
        for mime_type, data in answer.media or default_media(self.asked):
            yield self._part({"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}})
        for number, (name, arguments) in enumerate(answer.tool_calls, 1):
            call = {"id": f"call_{self._id}_{number}", "name": name, "args": dict(arguments)}
            seal = base64.b64encode(b"signed " + name.encode()).decode()
            yield self._part({"functionCall": call, "thoughtSignature": seal})

    def piece(self, text: str) -> Json:
        return self._part({"text": text})

    def end(self, reason: str = "STOP", usage: Any = None) -> Iterator[Json]:
        event = self._bare({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason})
        yield {**event, "usageMetadata": dict(usage)} if usage is not None else event

    def empty(self, reason: str) -> Iterator[Json]:
        yield self._bare({"finishReason": reason})

    def blocked(self, reason: str) -> Iterator[Json]:
        yield self._wrap({"promptFeedback": {"blockReason": reason}})

    def encode(self, step: Step) -> bytes:
        match step:
            case Garbled():
                told = HALF
            case Broken(status):
                told = self._dump(failure(Fail(status), self.asked.model).json)
            case _:
                told = self._dump(step)
        if self.asked.sse:
            return f"data: {told}\r\n\r\n".encode()
        before, self._before = self._before, "\r\n,\r\n"
        return (before + told).encode()

    def encode_piece(self, text: str) -> bytes:
        """Without usage, which only the last event of a Long answer tells."""
        piece = self.piece(text)
        del piece["usageMetadata"]
        return self.encode(piece)

    def encode_end(self) -> bytes:
        return b"" if self.asked.sse else b"\r\n]"

    def whole(self, events: list[Json]) -> Json:
        return merged(events)

    def _dump(self, event: Json) -> str:
        return json.dumps(event, ensure_ascii=False, indent=None if self.asked.sse else 2)

    def _part(self, part: Json) -> Json:
        return self._bare({"content": {"parts": [part], "role": "model"}})

    def _bare(self, candidate: Json) -> Json:
        return self._wrap({"candidates": [{**candidate, "index": 0}]})

    def _wrap(self, event: Json) -> Json:
        return {**event, "usageMetadata": self._usage(), "modelVersion": self.asked.model, "responseId": self._id}

    def _usage(self) -> Json:
        usage: Json = {"promptTokenCount": self._prompt}
        if self._spoken:
            usage["candidatesTokenCount"] = self._spoken
        usage["totalTokenCount"] = self._prompt + self._spoken + self._thought
        usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": self._prompt}]
        if self._thought:
            usage["thoughtsTokenCount"] = self._thought
        return usage


def default_text(asked: Asked) -> str:
    """`You said: …`, JSON that fits the schema when JSON is asked for, and nothing beside media."""
    said = echo((asked.content.get("contents") or [{}])[-1])
    if asked.config.get("responseMimeType") == "application/json":
        schema = asked.config.get("responseJsonSchema") or asked.config.get("responseSchema")
        return json.dumps(sample(schema, said) if schema else {"answer": said}, ensure_ascii=False)
    return "" if default_media(asked) and "TEXT" not in asked.config["responseModalities"] else said


def echo(turn: Json) -> str:
    """What is said to a turn: its text, or the results it brings."""
    results = [part["functionResponse"] for part in turn.get("parts", []) if "functionResponse" in part]
    if results:
        told = "; ".join(f"{result.get('name')}: {json.dumps(result.get('response'))}" for result in results)
        return f"The tools said: {told}"
    prompt = "\n".join(part["text"] for part in turn.get("parts", []) if "text" in part)
    return f"You said: {without_keywords(prompt)}"


def default_media(asked: Asked) -> tuple[tuple[str, bytes], ...]:
    """What a model that is asked for pictures or speech adds."""
    wanted = [name.upper() for name in asked.config.get("responseModalities", [])]
    pictures = (("image/png", dot()),) if "IMAGE" in wanted else ()
    speech = (("audio/L16;codec=pcm;rate=24000", sine(0.1)),) if "AUDIO" in wanted else ()
    return pictures + speech


def merged(events: list[Json]) -> Json:
    """The one response that a stream's events amount to, as generateContent answers."""
    whole: Json = {}
    parts: list[Json] = []
    for event in events:
        for candidate in event.get("candidates", []):
            parts += [part for part in candidate.get("content", {}).get("parts", []) if part != {"text": ""}]
        whole |= event
    if candidates := whole.get("candidates"):
        content = {"content": {"parts": _joined(parts), "role": "model"}} if parts else {}
        whole["candidates"] = [{**content, **{k: v for k, v in candidates[0].items() if k != "content"}}]
    return whole


def _joined(parts: list[Json]) -> list[Json]:
    joined: list[Json] = []
    for part in parts:
        if joined and part.keys() == joined[-1].keys() <= {"text", "thought"}:
            joined[-1] = {**part, "text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined
