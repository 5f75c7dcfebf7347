"""What the fake Anthropic service says: its events, and the message that they amount to."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

from tests.fakes.anthropic_models import Model
from tests.fakes.anthropic_wire import Asked, Json, content_of, failure, text_of
from tests.fakes.behaviours import Answer, Fail, without_keywords
from tests.fakes.material import pieces, sample, split
from tests.fakes.saying import Broken, Garbled, Pause, Saying, Step

_REASONS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "SAFETY": "refusal"}


class AnthropicSaying(Saying):
    """Says it as server-sent events. `cached` are the counts of its cache."""

    half = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"half a'

    def __init__(self, asked: Asked, model: Model, cached: Json) -> None:
        super().__init__(asked, asked.content.get("max_tokens"))
        self._model = model
        self._id = f"msg_01{secrets.token_hex(11)}"
        self._cached = cached
        self._index = 0
        self._open = False

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "request-id": f"req_01{secrets.token_hex(11)}"}

    def begin(self) -> Iterator[Json]:
        message = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**self._input(), "output_tokens": 1, "service_tier": "standard"},
        }
        yield {"type": "message_start", "message": message}

    def begin_text(self) -> Iterator[Json]:
        yield self._begin({"type": "text", "text": ""})
        yield {"type": "ping"}

    def piece(self, text: str) -> Json:
        return self._delta("text_delta", text=text)

    def paced(self, answer: Answer) -> Iterator[Step]:
        """Only the pieces of the text have pauses between them."""
        yield from self._thoughts(answer.thoughts)
        if texts := pieces(answer, default_text(self.asked)):
            yield from self.begin_text()
            for piece in texts:
                if self.spent_all:
                    break
                yield self.text(piece)
                yield Pause(answer.delay)
            yield self._close()
        for number, (name, arguments) in enumerate(answer.tool_calls, 1):
            yield from self._call(name, dict(arguments), number)

    def end(self, reason: str = "STOP", usage: Any = None, details: Json | None = None) -> Iterator[Json]:
        if self._open:
            yield self._close()
        delta = {"stop_reason": _REASONS.get(reason, reason), "stop_sequence": None, "stop_details": details}
        yield {"type": "message_delta", "delta": delta, "usage": dict(usage) if usage is not None else self._usage()}
        yield {"type": "message_stop"}

    def blocked(self, reason: str) -> Iterator[Json]:
        yield from self.end("refusal", details={"type": "refusal", "category": "cyber", "explanation": reason})

    def encode(self, step: Step) -> bytes:
        match step:
            case Garbled():
                kind, told = "content_block_delta", self.half
            case Broken(status):
                kind, told = "error", json.dumps(failure(Fail(status)).json)
            case _:
                kind, told = step["type"], json.dumps(step, ensure_ascii=False)
        return f"event: {kind}\ndata: {told}\n\n".encode()

    def whole(self, events: list[Json]) -> Json:
        return merged(events)

    def _begin(self, block: Json) -> Json:
        self._open = True
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _close(self) -> Json:
        self._open = False
        self._index += 1
        return {"type": "content_block_stop", "index": self._index - 1}

    def _delta(self, kind: str, **fields: Any) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, **fields}}

    def _thoughts(self, thoughts: str | None) -> Iterator[Json]:
        """What it thinks, when it is asked to; it is sealed, told or not."""
        how = self.asked.thinking
        if how["type"] in ("disabled", "between_tools"):
            return
        told = thoughts or f"Thinking about: {without_keywords(self.asked.prompt)}"
        self._thought += len(told.split())
        yield self._begin({"type": "thinking", "thinking": "", "signature": ""})
        if how.get("display", "summarized" if self._model.tells else "omitted") == "summarized":
            for piece in split(told, None):
                yield self._delta("thinking_delta", thinking=piece)
        yield self._delta("signature_delta", signature=seal(told))
        yield self._close()

    def _call(self, name: str, arguments: Json, number: int) -> Iterator[Json]:
        call = {"type": "tool_use", "id": f"toolu_{self._id.removeprefix('msg_')}{number}", "name": name, "input": {}}
        yield self._begin(call)
        yield self._delta("input_json_delta", partial_json="")
        said = json.dumps(arguments, ensure_ascii=False)
        for at in range(0, len(said) if arguments else 0, 7):
            yield self._delta("input_json_delta", partial_json=said[at : at + 7])
        yield self._close()

    def _input(self) -> Json:
        return {"input_tokens": self.asked.tokens - sum(self._cached.values()), **self._cached}

    def _usage(self) -> Json:
        details = {"output_tokens_details": {"thinking_tokens": self._thought}} if self._thought else {}
        return {**self._input(), "output_tokens": self._spoken + self._thought, **details}


def seal(thoughts: str) -> str:
    """The signature that the service gives a thought, and knows again."""
    return base64.b64encode(f"sealed {len(thoughts)}".encode()).decode()


def is_seal(signature: str) -> bool:
    try:
        return base64.b64decode(signature, validate=True).startswith(b"sealed ")
    except ValueError:
        return False


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema when one is asked for."""
    said = _echo(asked)
    shape = (asked.content.get("output_config") or {}).get("format")
    return json.dumps(sample(shape["schema"], said), ensure_ascii=False) if shape else said


def _echo(asked: Asked) -> str:
    """What is said to the last turn: its text, or the results it brings."""
    names = {
        block["id"]: block["name"]
        for turn in asked.messages
        for block in content_of(turn["content"])
        if block["type"] == "tool_use"
    }
    last = [turn for turn in asked.messages if turn["role"] == "user"][-1:] or [{}]
    results = [block for block in content_of(last[0].get("content")) if block["type"] == "tool_result"]
    if results:
        told = "; ".join(
            f"{names[result['tool_use_id']]}: {text_of(result) if result.get('content') else ''}" for result in results
        )
        return f"The tools said: {told}"
    return f"You said: {without_keywords(asked.prompt)}"


def merged(events: list[Json]) -> Json:
    """The message that a stream's events amount to."""
    message: Json = {}
    said: list[str] = []
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
                said = []
            case "content_block_delta":
                block, delta = message["content"][-1], event["delta"]
                for name in ("text", "thinking", "signature"):
                    if name in delta:
                        block[name] += delta[name]
                said.append(delta.get("partial_json", ""))
            case "content_block_stop" if message["content"][-1]["type"] == "tool_use":
                message["content"][-1]["input"] = json.loads("".join(said) or "{}")
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    return message
