"""Answers that are passed on as they come, in the three dialects that come as events: what goes on, and what is read."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import ProviderError, QuotaError, RefusedError, StreamError
from boticelli_cli.messages import Delta, Finish, Forwarded, TextDelta, Usage
from boticelli_cli.wire import anthropic, gemini, openai
from boticelli_cli.wire.forward import ForwardBody, SideReader, with_replaced
from boticelli_cli.wire.sse import encode_event
from boticelli_cli.wire.stream import EventBody, StreamReader
from tests.wire import spoken_anthropic, spoken_gemini, spoken_openai
from tests.wire.spoken import cut


@dataclass(frozen=True)
class Dialect:
    """`side` reads an answer on the side, `full` reads all of it; `writer` writes one, which begins with `quiet`.

    `text` is an event that says something, `end` those that close an answer, `fault` an error within it.
    """

    name: str
    side: Callable[[], SideReader]
    full: Callable[[], StreamReader]
    writer: Callable[[], Any]
    streams: st.SearchStrategy[list[Delta]]
    quiet: bytes
    text: bytes
    end: bytes
    fault: bytes

    def __str__(self) -> str:
        return self.name


def chunk(**said: Any) -> bytes:
    return encode_event(json.dumps(said).encode())


def named(**said: Any) -> bytes:
    return encode_event(json.dumps(said).encode(), said["type"])


def choice(finish: str | None = None, **delta: Any) -> bytes:
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}], usage=None)


ANTHROPIC = Dialect(
    "anthropic",
    anthropic.FORWARDING.reader,
    anthropic.StreamReader,
    lambda: anthropic.StreamWriter("claude", id="msg_1"),
    spoken_anthropic.streams(),
    named(type="message_start", message={"model": "claude", "usage": {"input_tokens": 7, "output_tokens": 1}})
    + named(type="ping")
    + named(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
    named(type="content_block_delta", index=0, delta={"type": "text_delta", "text": 'the "usage" of "error"'}),
    named(type="content_block_stop", index=0)
    + named(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    + named(type="message_stop"),
    named(type="error", error={"type": "overloaded_error", "message": "Overloaded"}),
)
GEMINI = Dialect(
    "gemini",
    gemini.FORWARDING.reader,
    gemini.StreamReader,
    lambda: gemini.StreamWriter("gemini-3.8-flash"),
    spoken_gemini.streams(),
    chunk(candidates=[{"content": {"parts": [{"text": ""}]}}], usageMetadata={"promptTokenCount": 7}),
    chunk(candidates=[{"content": {"parts": [{"text": 'its "usageMetadata" and "error"'}]}}]),
    chunk(candidates=[{"finishReason": "STOP"}], usageMetadata={"promptTokenCount": 7, "candidatesTokenCount": 3}),
    chunk(error={"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}),
)
OPENAI = Dialect(
    "openai",
    openai.SideReader,
    openai.StreamReader,
    lambda: openai.StreamWriter("gpt-6", include_usage=True, id="chatcmpl-1", created=1),
    spoken_openai.streams(),
    b": PROCESSING\n\n" + choice(role="assistant", content=""),
    choice(content='the "usage" of "error" and [DONE]'),
    choice("stop") + chunk(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3}) + encode_event(b"[DONE]"),
    chunk(error={"message": "The engine is overloaded.", "type": "server_error", "code": 503}),
)
DIALECTS = (ANTHROPIC, GEMINI, OPENAI)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=str)


def passed(reader: SideReader, pieces: Sequence[bytes], *, counts: bool = True) -> tuple[list[bytes], Finish | None]:
    """The pieces that go on, and how the answer ended; None for one that was cut."""
    body = ForwardBody(reader, counts=counts)
    told: list[Delta] = [delta for piece in pieces for delta in body.read(piece)]
    try:
        told += body.end()
    except StreamError:
        return [delta.data for delta in told if isinstance(delta, Forwarded)], None
    *forwarded, finish = told
    assert isinstance(finish, Finish)
    assert body.usage == finish.usage
    return [delta.data for delta in forwarded if isinstance(delta, Forwarded)], finish


def failing(reader: SideReader, pieces: Sequence[bytes]) -> tuple[bytes, ProviderError]:
    """What went on of an answer that failed, and why."""
    body, told = ForwardBody(reader), b""
    try:
        for piece in pieces:
            for delta in body.read(piece):
                assert isinstance(delta, Forwarded)
                told += delta.data
        [*body.end()]
    except ProviderError as error:
        return told, error
    raise AssertionError("it did not fail")


def full_finish(reader: StreamReader, body: bytes) -> Delta:
    """How an answer ended, as those say who read all of it."""
    events = EventBody(reader)
    return [*events.read(body), *events.end()][-1]


def endings(body: bytes) -> list[int]:
    """Where the events of a body end."""
    return [0, *(at + 2 for at in range(len(body)) if body.startswith(b"\n\n", at))]


@every_dialect
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_gives_every_byte_back_wherever_they_were_cut(dialect: Dialect, newline: bytes) -> None:
    body = (b"\xef\xbb\xbf" + dialect.quiet + dialect.text + b"\n" + dialect.text + dialect.end).replace(b"\n", newline)
    pieces, finish = passed(dialect.side(), [body])
    assert b"".join(pieces) == body
    assert finish is not None
    assert (finish.usage.input, finish.usage.output, finish.reason) == (7, 3, "stop")
    for at in range(1, len(body)):
        pieces, ended = passed(dialect.side(), [body[:at], body[at:]])
        assert (b"".join(pieces), ended) == (body, finish)
    pieces, ended = passed(dialect.side(), cut(body, 1))
    assert (b"".join(pieces), ended) == (body, finish)
    assert all(piece.endswith(newline) for piece in pieces)


@every_dialect
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reads_on_the_side_what_those_read_who_read_all(dialect: Dialect, data: st.DataObject) -> None:
    writer = dialect.writer()
    body = b"".join(writer.write(delta) for delta in data.draw(dialect.streams))
    size = data.draw(st.integers(1, len(body)))
    pieces, finish = passed(dialect.side(), cut(body, size))
    assert b"".join(pieces) == body
    assert finish == full_finish(dialect.full(), body)
    assert all(piece.endswith((b"\n\n", b"\r\n\r\n")) for piece in pieces)


@every_dialect
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_takes_line_endings_of_every_kind_in_one_stream(dialect: Dialect, data: st.DataObject) -> None:
    events = [event + b"\n\n" for event in (dialect.quiet + dialect.text + dialect.end).split(b"\n\n") if event]
    newlines = st.sampled_from((b"\n", b"\r\n", b"\r"))
    mixed = [
        event.replace(b"\n", data.draw(newlines)) + data.draw(st.sampled_from((b"", b": x\n\n"))) for event in events
    ]
    body = b"".join(mixed)
    pieces, finish = passed(dialect.side(), cut(body, data.draw(st.integers(1, len(body)))))
    assert b"".join(pieces) == body
    assert finish == full_finish(dialect.full(), body)


@every_dialect
def test_passes_on_whole_events_only_of_a_stream_that_is_cut_anywhere(dialect: Dialect) -> None:
    body = dialect.quiet + dialect.text + dialect.text + dialect.end
    first = len(dialect.quiet + dialect.text)
    for at in range(first, len(body)):
        reader = ForwardBody(dialect.side())
        told = [delta for piece in cut(body[:at], 7) for delta in reader.read(piece)]
        whole = max(end for end in endings(body) if end <= at)
        assert b"".join(delta.data for delta in told if isinstance(delta, Forwarded)) == body[:whole]


@every_dialect
def test_holds_back_what_comes_before_the_first_words(dialect: Dialect) -> None:
    reader = ForwardBody(dialect.side())
    assert [*reader.read(dialect.quiet)] == []
    assert reader.usage.input == (None if dialect is OPENAI else 7)
    assert [*reader.read(dialect.text)] == [Forwarded(dialect.quiet + dialect.text)]
    assert [*reader.read(dialect.text + dialect.text)] == [Forwarded(dialect.text + dialect.text)]


@every_dialect
def test_raises_an_error_that_comes_before_the_first_words_as_what_it_is(dialect: Dialect) -> None:
    for pieces in ([dialect.quiet + dialect.fault], cut(dialect.quiet + dialect.fault, 5)):
        told, error = failing(dialect.side(), pieces)
        assert told == b""
        assert not isinstance(error, StreamError)
        assert "overloaded" in error.message.lower()


@every_dialect
def test_passes_on_what_came_before_an_error_and_not_the_error(dialect: Dialect) -> None:
    good = dialect.quiet + dialect.text + dialect.text
    for pieces in ([good + dialect.fault + dialect.text], cut(good + dialect.fault, 5)):
        told, error = failing(dialect.side(), pieces)
        assert told == good
        assert isinstance(error, StreamError)
        assert "overloaded" in error.message.lower()


@every_dialect
def test_does_not_pass_on_what_is_no_json(dialect: Dialect) -> None:
    told, error = failing(dialect.side(), [dialect.quiet + dialect.text + b'data: {"half": \n\n'])
    assert told == dialect.quiet + dialect.text
    assert isinstance(error, StreamError)


@every_dialect
def test_fails_for_a_stream_that_ends_too_early(dialect: Dialect) -> None:
    told, error = failing(dialect.side(), [dialect.quiet, dialect.text])
    assert told == dialect.quiet + dialect.text
    assert "broke off" in error.message
    told, error = failing(dialect.side(), [dialect.quiet])
    assert told == b""
    assert isinstance(error, StreamError)


@every_dialect
def test_passes_on_an_answer_that_says_nothing_and_ends_well(dialect: Dialect) -> None:
    pieces, finish = passed(dialect.side(), [dialect.quiet, dialect.end])
    assert pieces == [dialect.quiet + dialect.end]
    assert finish is not None
    assert finish.usage.output == 3


@every_dialect
def test_gives_the_last_event_the_blank_line_that_it_lacks(dialect: Dialect) -> None:
    body = dialect.quiet + dialect.text + dialect.end
    for left in (1, 2):
        pieces, finish = passed(dialect.side(), [body[:-left]])
        assert b"".join(pieces) == body
        assert finish is not None
        assert finish.usage.output == 3


@every_dialect
def test_costs_no_more_for_an_event_in_many_pieces(dialect: Dialect) -> None:
    large = dialect.text.replace(b"error", b"x" * 300_000)
    pieces, _ = passed(dialect.side(), [dialect.quiet, *cut(large, 10), dialect.end])
    assert b"".join(pieces) == dialect.quiet + large + dialect.end


@settings(max_examples=60, deadline=None)
@given(spoken_openai.streams(), st.integers(1, 200))
def test_cuts_out_the_counts_that_the_client_did_not_ask_for(stream: list[Delta], size: int) -> None:
    with_counts, without = OPENAI.writer(), openai.StreamWriter("gpt-6", id="chatcmpl-1", created=1)
    body = b"".join(with_counts.write(delta) for delta in stream)
    wanted = b"".join(without.write(delta) for delta in stream)
    pieces, finish = passed(openai.SideReader(), cut(body, size), counts=False)
    assert b"".join(pieces).replace(b'"usage":null,', b"").replace(b',"usage":null', b"") == wanted
    assert finish == full_finish(openai.StreamReader(), body)


def test_cuts_out_nothing_but_the_counts() -> None:
    kept = (
        chunk(choices=[], prompt_filter_results=[]) + OPENAI.text + b": a comment\n\n\n" + choice("stop", content="."),
        encode_event(b"[DONE]"),
    )
    counts = chunk(choices=[], usage={"prompt_tokens": 7})
    for pieces in ([kept[0] + counts + kept[1]], [kept[0] + counts, kept[1]], [kept[0], counts, kept[1]]):
        told, finish = passed(openai.SideReader(), pieces, counts=False)
        assert b"".join(told) == b"".join(kept)
        assert finish is not None
        assert finish.usage.input == 7
    in_the_last = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 7})
    told, _ = passed(openai.SideReader(), [OPENAI.text, in_the_last], counts=False)
    assert b"".join(told) == OPENAI.text + in_the_last


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        (OPENAI, choice(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}])),
        (OPENAI, choice(reasoning_content="Hm.")),
        (OPENAI, chunk(choices=[{"index": 1, "delta": {"content": "second"}}])),
        (ANTHROPIC, named(type="content_block_start", index=0, content_block={"type": "tool_use", "id": "1"})),
        (ANTHROPIC, named(type="content_block_start", index=0, content_block={"type": "server_tool_use", "id": "1"})),
        (ANTHROPIC, named(type="content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."})),
        (GEMINI, chunk(candidates=[{"content": {"parts": [{"functionCall": {"name": "f"}}]}}])),
        (GEMINI, chunk(candidates=[{"content": {"parts": [{"executableCode": {"code": "1"}}]}}])),
    ],
)
def test_goes_on_with_the_first_of_a_tool_call_or_a_thought(dialect: Dialect, event: bytes) -> None:
    reader = ForwardBody(dialect.side())
    assert [*reader.read(dialect.quiet)] == []
    assert [*reader.read(event)] == [Forwarded(dialect.quiet + event)]


def test_takes_tool_calls_that_no_reader_could_read() -> None:
    calls = choice(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": '{"half'}}])
    [told], finish = passed(openai.SideReader(), [calls + choice("tool_calls") + encode_event(b"[DONE]")])
    assert finish is not None
    assert finish.reason == "tool_call"
    block = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
    body = (
        named(type="content_block_start", index=0, content_block=block)
        + named(type="content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"half'})
        + named(type="content_block_stop", index=0)
        + named(type="message_delta", delta={"stop_reason": "tool_use"})
        + named(type="message_stop")
    )
    [told], finish = passed(anthropic.FORWARDING.reader(), [body])
    assert told == body
    assert finish is not None
    assert finish.reason == "tool_call"


def test_raises_a_refusal_of_which_nothing_was_said() -> None:
    refused = (
        named(type="message_start", message={"model": "claude"})
        + named(type="message_delta", delta={"stop_reason": "refusal", "stop_details": {"category": "cyber"}})
        + named(type="message_stop")
    )
    told, error = failing(anthropic.FORWARDING.reader(), [refused])
    assert (told, type(error)) == (b"", RefusedError)
    assert "cyber" in error.message
    told, error = failing(gemini.FORWARDING.reader(), [chunk(promptFeedback={"blockReason": "SAFETY"})])
    assert (told, type(error)) == (b"", RefusedError)
    begun = [GEMINI.text, chunk(promptFeedback={"blockReason": "SAFETY"})]
    _, finish = passed(gemini.FORWARDING.reader(), begun)
    assert finish == Finish("content_filter", Usage(), None, "SAFETY")


def test_knows_errors_that_have_no_name() -> None:
    for event in (chunk(object="error", message="broken", code=500), chunk(detail="broken")):
        told, error = failing(openai.SideReader(), [event])
        assert (told, "broken" in error.message) == (b"", True)
    spent = chunk(error={"message": "You exceeded your current quota", "code": "insufficient_quota"})
    assert isinstance(failing(openai.SideReader(), [spent])[1], QuotaError)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False, allow_infinity=False)), max_size=5
    )
)
def test_replaces_words_where_they_stand(said: dict[str, Any]) -> None:
    body = json.dumps({"first": 1.0, "model": "old", **said, "last": "\u00e9"}).encode()
    replaced = with_replaced(body, {"model": "new"})
    before, after = json.loads(body), json.loads(replaced)
    assert list(after) == list(before)
    assert after == {**before, "model": "new"}
    assert b'"first":1.0' in replaced
    assert rb'"\u00e9"' in replaced


def test_sends_a_body_as_it_came_where_its_model_is_the_one_asked() -> None:
    body = b'{ "model" : "gpt-6", "stream":true,  "stream_options": {"include_usage": true}, "max_tokens": 1 }'
    assert openai.forwarded_body(body, "gpt-6", True, max_tokens_name="max_completion_tokens") is body
    body = b'{"stream": true, "model": "claude", "max_tokens": 1e2}'
    assert anthropic.FORWARDING.body(body, "claude", True) is body
    assert gemini.FORWARDING.body(b"{ }", "whichever", True) == b"{ }"


@pytest.mark.parametrize(
    ("body", "streamed", "sent"),
    [
        ('{"model":"old","n":1.0}', False, '{"model":"new","n":1.0}'),
        ('{"n":1e2}', False, '{"n":1e2,"model":"new"}'),
        (
            '{"stream":true,"model":"new"}',
            True,
            '{"stream":true,"model":"new","stream_options":{"include_usage":true}}',
        ),
        (
            '{"stream_options":{"include_usage":false,"x":1.0},"stream":true,"model":"new"}',
            True,
            '{"stream_options":{"include_usage":true,"x":1.0},"stream":true,"model":"new"}',
        ),
        (
            '{"stream_options":{"include_usage":true},"stream":true,"model":"new"}',
            False,
            '{"stream":false,"model":"new"}',
        ),
    ],
)
def test_changes_nothing_but_the_model_and_how_it_is_answered(body: str, streamed: bool, sent: str) -> None:
    assert openai.forwarded_body(body.encode(), "new", streamed) == sent.encode()


def test_writes_anew_what_another_model_calls_otherwise() -> None:
    body = b'{"model":"gpt-4o","max_tokens":9}'
    assert openai.forwarded_body(body, "gpt-6", False, max_tokens_name="max_completion_tokens") is None
    assert openai.forwarded_body(body, "gpt-4", False, max_tokens_name="max_tokens") is not None


@pytest.mark.parametrize("asked", ["gpt-6", "gpt-4o"])
def test_calls_the_limit_as_a_model_is_known_to_want_it(asked: str) -> None:
    body = b'{"max_tokens":9.0,"model":"%s","n":1.0}' % asked.encode()
    sent = openai.forwarded_body(body, "gpt-6", False, max_tokens_name="max_completion_tokens", renames=True)
    assert sent == b'{"model":"gpt-6","n":1.0,"max_completion_tokens":9.0}'


@pytest.mark.parametrize(
    "limits", [b'"max_completion_tokens":9', b'"max_tokens":null', b'"max_tokens":9,"max_completion_tokens":8']
)
def test_leaves_limits_alone_that_are_named_well_or_twice(limits: bytes) -> None:
    body = b'{"model":"gpt-6",%s}' % limits
    assert openai.forwarded_body(body, "gpt-6", False, max_tokens_name="max_completion_tokens", renames=True) is body


def test_has_read_nothing_yet() -> None:
    for dialect in DIALECTS:
        assert ForwardBody(dialect.side()).usage == EventBody(dialect.full()).usage == Usage()


@every_dialect
def test_tells_what_was_counted_so_far_whoever_reads(dialect: Dialect) -> None:
    body = EventBody(dialect.full())
    assert [*body.read(dialect.quiet)] == []
    assert body.usage.input == (None if dialect is OPENAI else 7)
    assert isinstance(next(body.read(dialect.text)), TextDelta)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"dear","model":"cheap","messages":[],"messages":[]}',
        b'{"model":"cheap","Model":"dear","messages":[]}',
        b'{"m\\u006fdel":"dear","model":"cheap","messages":[]}',
        b'{"MO\\u0044EL":"dear","model":"cheap","messages":[]}',
        b'{"model":"cheap","stream":true,"stream":false,"messages":[]}',
        b'{"model":"cheap","STREAM":true,"stream":false,"messages":[]}',
    ],
)
def test_says_once_for_whom_a_request_is_whatever_its_body_says_twice(body: bytes) -> None:
    for sent in (
        anthropic.FORWARDING.body(body, "cheap", False),
        openai.forwarded_body(body, "cheap", False, max_tokens_name="max_tokens"),
    ):
        assert sent == b'{"model":"cheap","messages":[]}'


def test_leaves_a_body_alone_whose_prompt_speaks_of_models() -> None:
    told = {"model": "cheap", "messages": [{"role": "user", "content": 'Write {"model": "x", "model": "y"}. \u00e9'}]}
    body = json.dumps(told, indent=1).encode()
    assert anthropic.FORWARDING.body(body, "cheap", False) == body
