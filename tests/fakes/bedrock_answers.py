"""What the fake Bedrock service says: pieces, thoughts and calls, which a voice puts into frames."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

from boticelli_cli.wire.bedrock_frames import encode_exception_frame
from tests.fakes.bedrock_voices import Anthropic, Begin, Call, Converse, End, Piece, Said, Thought, Verbatim, Voice
from tests.fakes.bedrock_wire import Asked, Json, failure
from tests.fakes.behaviours import Answer, Fail, without_keywords
from tests.fakes.material import pieces, sample, split
from tests.fakes.saying import Broken, Garbled, Saying, Step

_REASONS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "SAFETY": "content_filtered"}


class BedrockSaying(Saying):
    """Says it in frames: in Converse's words, or in Anthropic's where it was asked in those."""

    content_type = "application/vnd.amazon.eventstream"
    half = '{"output": {"half a'

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked, asked.limit)
        self._id = secrets.token_hex(8)
        self._voice: Voice = Anthropic(asked, self._id) if asked.is_invoke else Converse()

    def begin(self) -> Iterator[Said]:
        yield Begin()

    def piece(self, text: str) -> Piece:
        return Piece(text)

    def parts(self, answer: Answer) -> Iterator[Said]:
        asked = self.asked
        thoughts = answer.thoughts or (
            f"Thinking about: {without_keywords(asked.prompt)}" if asked.shows_thoughts else ""
        )
        self._thought += len(thoughts.split())
        if asked.shows_thoughts:
            yield from (Thought(piece) for piece in split(thoughts, None))
        for piece in pieces(answer, default_text(asked)):
            if self.spent_all:
                return
            yield self.text(piece)
        for number, (name, arguments) in enumerate(answer.tool_calls, 1):
            yield Call(f"tooluse_{self._id}_{number}", name, dict(arguments))

    def end(self, reason: str = "STOP", usage: Any = None) -> Iterator[Said]:
        yield End(_REASONS.get(reason, reason), usage or (self.asked.tokens, self._spoken + self._thought))

    def blocked(self, reason: str) -> Iterator[Said]:
        yield from self.end("guardrail_intervened")

    def verbatim(self, event: Json) -> Verbatim:
        return Verbatim(event)

    def encode(self, step: Step) -> bytes:
        match step:
            case Garbled():
                return self._voice.garbled()
            case Broken(status):
                return _exception(status)
        return b"".join(self._voice.say(step))

    def whole(self, events: list[Said]) -> Json | None:
        said = [each for each in events if not isinstance(each, Begin)]
        return self._voice.whole(said) if any(isinstance(each, End) for each in said) else None


def _exception(status: int) -> bytes:
    error = failure(Fail(status))
    name = {424: "ModelStreamErrorException"}.get(status, error.name)
    return encode_exception_frame(name[0].lower() + name[1:], json.dumps(error.json).encode())


def default_text(asked: Asked) -> str:
    """`You said: …`, or JSON that fits the schema, if there is one."""
    said = echo(asked.last)
    return said if asked.schema is None else json.dumps(sample(asked.schema, said), ensure_ascii=False)


def echo(blocks: list[Json]) -> str:
    """What is said to a turn: its text, or the results it brings."""
    told = [json.dumps(block["toolResult"]["content"]) for block in blocks if "toolResult" in block]
    told += [json.dumps(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
    if told:
        return f"The tools said: {'; '.join(told)}"
    prompt = "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    return f"You said: {without_keywords(prompt)}"
