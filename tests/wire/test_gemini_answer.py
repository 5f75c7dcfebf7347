"""Gemini's answers: streamed and whole, read and written, and every way in which they end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError, StreamError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    MediaDelta,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from boticelli_cli.wire.gemini import StreamReader, StreamWriter, decode_response, encode_response
from tests.wire.spoken import cut
from tests.wire.spoken_gemini import deltas_of, responses, streams


def event(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return json.dumps({"candidates": [candidate], **more}).encode()


def read(*events: bytes) -> list[Delta]:
    reader = StreamReader()
    return [*(delta for each in events for delta in reader.read(each)), reader.finish()]


@given(streams(), st.integers(1, 400))
def test_reads_the_stream_it_writes_however_it_is_cut(deltas: list[Delta], size: int) -> None:
    writer = StreamWriter()
    stream = b"".join(map(writer.write, deltas))
    assert deltas_of([stream]) == deltas
    assert deltas_of(cut(stream, size)) == deltas


def test_reads_a_stream_that_is_cut_at_any_byte() -> None:
    deltas: list[Delta] = [
        ThinkingDelta("Hm."),
        TextDelta("Grüße 🙂"),
        Finish("stop", Usage(1, 2, total=3), "m", "STOP"),
    ]
    stream = b"".join(map(StreamWriter().write, deltas))
    for at in range(len(stream)):
        assert deltas_of([stream[:at], stream[at:]]) == deltas


@given(responses())
def test_reads_the_answer_it_writes(response: Response) -> None:
    assert decode_response(encode_response(response)) == response


def test_reads_every_kind_of_part() -> None:
    call = {"name": "f", "args": {"some_key": 1}}
    deltas = read(
        event(
            {"text": "Hm.", "thought": True},
            {"text": "Look: "},
            {"inlineData": {"mimeType": "image/png", "data": "//77"}},
        ),
        event({"functionCall": call, "thoughtSignature": "c2VhbA=="}, {"functionCall": {"name": "g", "id": "7"}}),
        event({"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/a.mp4"}}),
        event({"text": ""}, {"executableCode": {"code": "1"}}, {"text": "", "thought": True}, finish="STOP"),
    )
    assert deltas == [
        ThinkingDelta("Hm."),
        TextDelta("Look: "),
        MediaDelta(Media("image", "image/png", data=b"\xff\xfe\xfb")),
        ToolCallDelta(ToolCall("f", {"some_key": 1}, signature="c2VhbA==")),
        ToolCallDelta(ToolCall("g", {}, "7")),
        MediaDelta(Media("video", "video/mp4", url="https://example.com/a.mp4")),
        Finish("tool_call", provider_reason="STOP"),
    ]


def test_reads_the_first_of_several_candidates_and_what_it_does_not_know() -> None:
    two = {"candidates": [{"content": {"parts": [{"text": "a"}]}}, {"index": 1, "content": {"parts": [{"text": "b"}]}}]}
    bare = {"candidates": [{"finishReason": "STOP", "groundingMetadata": {}}], "new": [1], "promptFeedback": None}
    assert read(json.dumps(two).encode(), json.dumps(bare).encode(), b"{}") == [
        TextDelta("a"),
        Finish("stop", provider_reason="STOP"),
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        *((word, "content_filter") for word in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((word, "content_filter") for word in ("LANGUAGE", "IMAGE_SAFETY", "IMAGE_RECITATION", "MODEL_ARMOR")),
        *((word, "other") for word in ("OTHER", "MALFORMED_FUNCTION_CALL", "NO_IMAGE", "SOMETHING_NEW")),
    ],
)
def test_says_why_it_ended(word: str, reason: str) -> None:
    finish = read(event({"text": "a"}), event(finish=word))[-1]
    assert finish == Finish(reason, provider_reason=word)  # type: ignore[arg-type]


def test_writes_its_own_words_for_the_end_only() -> None:
    for finish, word in (
        (Finish("stop", provider_reason="end_turn"), "STOP"),
        (Finish("length", provider_reason="STOP"), "MAX_TOKENS"),
        (Finish("content_filter"), "SAFETY"),
        (Finish("tool_call", provider_reason="tool_use"), "STOP"),
        (Finish("other", provider_reason="UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
        (Finish("other"), "OTHER"),
    ):
        assert json.loads(encode_response(Response((Text("a"),), finish)))["candidates"][0]["finishReason"] == word


USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "toolUsePromptTokenCount": 5,
    "totalTokenCount": 155,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}],
    "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
}


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (USAGE, Usage(105, 50, 30, 40, None, 155, 10, 20)),
        ({**USAGE, "candidatesTokenCount": 50}, Usage(105, 50, 30, 40, None, 155, 10, 20)),
        ({"promptTokenCount": 7, "totalTokenCount": 7}, Usage(input=7, output=0, total=7)),
        ({"promptTokenCount": 7, "candidatesTokenCount": 3}, Usage(input=7, output=3)),
        ({"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 1}, Usage(input=7, output=3, total=1)),
        ({"candidatesTokenCount": 3, "thoughtsTokenCount": 2}, Usage(output=5, thinking=2)),
        ({"toolUsePromptTokenCount": 2}, Usage(input=2)),
        ({"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}]}, Usage()),
        ({"promptTokenCount": "7"}, Usage(input=7)),
        ({"promptTokenCount": "many"}, Usage()),
        (None, Usage()),
    ],
)
def test_counts_what_was_used(said: dict[str, Any] | None, usage: Usage) -> None:
    (*_, finish) = read(event({"text": "a"}, finish="STOP", usageMetadata=said))
    assert finish == Finish("stop", usage, provider_reason="STOP")


def test_the_last_usage_wins_and_an_event_without_it_changes_nothing() -> None:
    first, last = {"promptTokenCount": 7, "totalTokenCount": 7}, {"promptTokenCount": 7, "totalTokenCount": 9}
    (*_, finish) = read(
        event({"text": "a"}, usageMetadata=first, modelVersion="m-1"),
        event({"text": "b"}, usageMetadata=last, modelVersion="m-2"),
        event(finish="STOP"),
    )
    assert finish == Finish("stop", Usage(input=7, output=2, total=9), "m-2", "STOP")


def test_a_stream_that_is_cut_is_no_answer() -> None:
    for events in ([], [event({"text": "a"})], [event({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED")]):
        with pytest.raises(StreamError, match="broke off before the answer was finished"):
            read(*events)


BLOCKED = {
    "promptFeedback": {
        "blockReason": "SAFETY",
        "blockReasonMessage": "Not this.",
        "safetyRatings": [
            {"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"},
            {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "HIGH", "blocked": True},
        ],
    },
    "usageMetadata": {"promptTokenCount": 7},
}


def test_a_blocked_prompt_is_refused_and_says_why() -> None:
    body = json.dumps(BLOCKED).encode()
    for ask in (lambda: read(body), lambda: decode_response(body)):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert refused.value.message == (
            "the prompt was blocked (SAFETY): Not this.; rated for sexually explicit (HIGH)"
        )
        assert "safetySettings" in (refused.value.hint or "")
        assert refused.value.provider == "gemini"
    with pytest.raises(RefusedError, match=r"^the prompt was blocked \(OTHER\)$") as refused:
        read(b'{"promptFeedback":{"blockReason":"OTHER"}}')
    assert refused.value.hint == "reword it"


def test_an_answer_that_is_blocked_halfway_ends_there() -> None:
    assert read(event({"text": "a"}), b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}') == [
        TextDelta("a"),
        Finish("content_filter", provider_reason="PROHIBITED_CONTENT"),
    ]


@pytest.mark.parametrize(
    ("code", "error"), [(503, ProviderError), (401, CredentialsError), (400, RefusedError), (429, ProviderError)]
)
def test_an_error_in_the_stream_is_raised(code: int, error: type[ProviderError]) -> None:
    data = json.dumps({"error": {"code": code, "message": "The model is overloaded."}}).encode()
    with pytest.raises(error, match=r"The model is overloaded\.") as early:
        read(data)
    assert not isinstance(early.value, StreamError)
    with pytest.raises(StreamError) as late:
        read(event({"text": "a"}), data)
    for each in (early.value, late.value):
        assert (each.message, each.status, each.provider) == (early.value.message, code, "gemini")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[DONE]", b'{"candidates":5}', b'{"candidates":[{"content":{"parts":[{"text":5}]}}]}', b'{"modelVersion":"\xff"}',
     b'{"candidates":[{"content":{"parts":[{"inlineData":{"data":"%"}}]}}]}', b"<html>" + b"x" * 500, b"[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_of_the_provider(data: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read") as early:
        read(data)
    assert not isinstance(early.value, StreamError)
    assert "x" * 80 not in early.value.message
    with pytest.raises(StreamError, match="cannot be read"):
        read(event({"text": "a"}), data)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), lambda below: st.lists(below) | st.dictionaries(
    st.sampled_from(("candidates", "content", "parts", "text", "finishReason", "usageMetadata", "promptFeedback", "error",
                     "code", "message", "details", "blockReason")), below)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_but_errors_of_the_provider_come_of_anything_else(data: bytes) -> None:
    for ask in (lambda: read(data), lambda: decode_response(data)):
        try:
            ask()
        except ProviderError as error:
            assert error.message


def test_whole_answers_that_hold_an_error_or_nothing_are_errors() -> None:
    with pytest.raises(QuotaError):
        decode_response(
            b'{"error":{"code":429,"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}'
        )
    with pytest.raises(ProviderError, match="no candidates"):
        decode_response(b"{}")


@pytest.mark.parametrize("reason", ["", ',"finishReason":null', ',"finishReason":"FINISH_REASON_UNSPECIFIED"'])
def test_a_whole_answer_that_was_not_finished_is_an_error(reason: str) -> None:
    body = f'{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}}{reason}}}]}}'
    with pytest.raises(ProviderError, match="was cut"):
        decode_response(body.encode())


def test_ends_a_failed_stream_with_its_error() -> None:
    writer = StreamWriter()
    stream = [writer.write(TextDelta("a")), writer.error(ProviderError("overloaded", status=503))]
    with pytest.raises(StreamError, match="overloaded") as error:
        deltas_of(stream)
    assert error.value.status == 503


def test_writes_events_as_google_does() -> None:
    writer = StreamWriter("gemini-2.5-flash", id="r1")
    assert writer.write(TextDelta("Hi\n")) == (
        b'data: {"candidates":[{"content":{"parts":[{"text":"Hi\\n"}],"role":"model"},"index":0}],'
        b'"modelVersion":"gemini-2.5-flash","responseId":"r1"}\r\n\r\n'
    )
    assert writer.write(Finish("stop", Usage(input=1, output=2, total=3))) == (
        b'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0,"finishReason":"STOP"}],'
        b'"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},'
        b'"modelVersion":"gemini-2.5-flash","responseId":"r1"}\r\n\r\n'
    )
