"""One answer of a Live session: its messages read into deltas, its sound gathered."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from boticelli_cli.drivers.base import Meter
from boticelli_cli.drivers.sound import Sound
from boticelli_cli.messages import (
    Delta,
    Finish,
    FinishReason,
    Media,
    MediaDelta,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from google.genai.types import LiveServerContent, LiveServerMessage, ModalityTokenCount, Part, UsageMetadata

__all__ = ["LiveTurn"]


class LiveTurn:
    """Reads the messages of one answer.

    With `spoken`, the text is the transcript of what is said, and the sound is one `audio/wav` at the end;
    else the text is the model's own. `is_over` once nothing more belongs to this answer. What is counted is told to
    the `meter`, where there is one, as it comes.
    """

    def __init__(self, model: str, *, spoken: bool, meter: Meter | None = None) -> None:
        self._model = model
        self._meter = meter
        self._spoken = spoken
        self._sound = Sound()
        self._reason: FinishReason = "stop"
        self._provider_reason: str | None = None
        self.usage: Usage | None = None
        self.text: list[str] = []
        self.is_over = False

    def read(self, message: "LiveServerMessage") -> Iterator[Delta]:
        """The deltas that a message holds."""
        if message.usage_metadata is not None:
            self.usage = _usage(message.usage_metadata)
            if self._meter is not None:
                self._meter.count(self.usage)
        if message.server_content is not None:
            yield from self._read_content(message.server_content)
        if message.tool_call is not None:
            for call in message.tool_call.function_calls or []:
                yield ToolCallDelta(ToolCall(call.name or "", call.args or {}, call.id))
            self._reason, self.is_over = "tool_call", True

    def sound(self) -> Iterator[Delta]:
        """What has been said so far, as a WAV, if anything has."""
        yield from self._sound.take()

    def finish(self) -> Finish:
        return Finish(self._reason, self.usage or Usage(), self._model, self._provider_reason)

    def _read_content(self, content: "LiveServerContent") -> Iterator[Delta]:
        for part in (content.model_turn.parts or []) if content.model_turn is not None else []:
            yield from self._read_part(part)
        transcription = content.output_transcription
        if self._spoken and transcription is not None and transcription.text:
            self.text.append(transcription.text)
            yield TextDelta(transcription.text)
        if content.interrupted:
            self._reason, self._provider_reason = "other", "INTERRUPTED"
        if content.turn_complete:
            status = content.interaction_status
            self.is_over = status is None or status.name != "IN_PROGRESS"  # it thinks on, and will say more
            why = content.turn_complete_reason
            if why is not None and why.name not in ("TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"):
                self._provider_reason = why.name
                self._reason = "content_filter" if _FILTERED.search(why.name) else "other"

    def _read_part(self, part: "Part") -> Iterator[Delta]:
        if part.text and part.thought:
            yield ThinkingDelta(part.text)
        elif part.text and not self._spoken:
            self.text.append(part.text)
            yield TextDelta(part.text)
        blob = part.inline_data
        if blob is None or not blob.data:
            return
        mime = blob.mime_type or ""
        if Sound.is_raw(mime):
            self._sound.add(mime, blob.data)
        else:
            kind = mime.partition("/")[0]
            yield MediaDelta(Media("image" if kind == "image" else "document", mime, data=blob.data))


_FILTERED = re.compile(r"INPUT|GENERATED|OUTPUT|PROHIBITED|SAFETY|BLOCKLIST|REJECTED")
"""The reasons of google-genai's TurnCompleteReason that are about what was said; the others are mishaps."""


def _usage(told: "UsageMetadata") -> Usage:
    asked = told.prompt_token_count
    if asked is not None:
        asked += told.tool_use_prompt_token_count or 0
    answered = told.response_token_count
    if told.total_token_count is not None and asked is not None and told.total_token_count >= asked:
        answered = told.total_token_count - asked
    elif answered is not None:
        answered += told.thoughts_token_count or 0
    return Usage(
        input=asked,
        output=answered,
        thinking=told.thoughts_token_count,
        cached_input=told.cached_content_token_count,
        total=told.total_token_count,
        input_audio=_audio(told.prompt_tokens_details),
        output_audio=_audio(told.response_tokens_details),
    )


def _audio(details: "list[ModalityTokenCount] | None") -> int | None:
    counts = [each.token_count for each in details or [] if each.modality is not None and each.modality.name == "AUDIO"]
    return sum(count for count in counts if count is not None) if counts else None
