"""The gateway's log: one line a request, with nothing in it that a client could smuggle, and nobody waits for it."""

import asyncio
import io
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.log import JsonLines, LogFormat, RequestLog
from boticelli_cli.messages import Media, Message, Request, Text, Thought, ToolCall, ToolResult, Usage
from tests.clock import run_virtual
from tests.gateway.entries import entry

SECRETIVE = Request(
    model="m",
    system="a secret plan",
    messages=(
        Message("user", (Text("the password is swordfish"), Media("image", "image/png", data=b"1234"))),
        Message("assistant", (Thought("hm"), ToolCall("look", {"at": "it"}))),
        Message("user", (ToolResult("look", (Text("seen"),)), ToolResult("look", {"found": 1}))),
    ),
)


async def written(*told: Entry | Request, format: LogFormat = "json", prompts: bool = False) -> str:  # noqa: A002
    stream = io.StringIO()
    async with RequestLog(stream, format=format, prompts=prompts) as log:
        for each in told:
            if isinstance(each, Entry):
                log.ended(each)
            else:
                log.asked("req-1", each)
    return stream.getvalue()


async def test_writes_a_line_for_each_request() -> None:
    first, second = (await written(entry(), entry(id="req-2", key=None, usage=Usage(), cost_usd=None))).splitlines()
    assert json.loads(first) == {
        "event": "request",
        "time": "2026-09-21T12:00:00.000Z",
        "id": "req-1",
        "key": "ci",
        "face": "anthropic",
        "model": "claude-haiku-4",
        "served": "gemini-3.8-flash",
        "provider": "gemini",
        "account": "main",
        "route": "alias",
        "streamed": True,
        "status": 200,
        "ending": "done",
        "usage": {"input": 100, "output": 20, "total": 120},
        "cost_usd": 0.25,
        "chunks": 10,
        "seconds": 1.5,
        "first_byte_seconds": 0.3,
        "upstream_seconds": 1.2,
        "overhead_seconds": 0.002,
    }
    assert not json.loads(second).keys() & {"key", "usage", "cost_usd", "error"}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            entry(),
            "12:00:00 200 done anthropic claude-haiku-4 → gemini/gemini-3.8-flash account=main key=ci "
            "100+20 tokens $0.2500 1.50 s (first 0.30 s)\n",
        ),
        (
            entry(
                ending="refused",
                status=429,
                served=None,
                provider=None,
                account=None,
                usage=Usage(input=5),
                is_estimated=True,
                cost_usd=None,
                first_byte=None,
                error="quota",
                message="the day is spent",
            ),
            "12:00:00 429 refused anthropic claude-haiku-4 → nobody key=ci ~5 tokens 1.50 s quota: the day is spent\n",
        ),
        (
            entry(model="x\x1b[2J key=boss", served="a\nb", usage=Usage(), cost_usd=None, first_byte=None),
            '12:00:00 200 done anthropic "x\\u001b[2J key=boss" → gemini/"a\\nb" account=main key=ci 1.50 s\n',
        ),
    ],
    ids=["answered", "refused", "smuggled"],
)
async def test_writes_lines_for_people(told: Entry, line: str) -> None:
    assert await written(told, format="text") == line


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    text=st.text(st.sampled_from("a\n\r\x1b\x00\x7f\x85\u2028\u202e\ud83d\"'\\ =é")),
    form=st.sampled_from(["json", "text"]),
)
def test_lets_no_text_end_a_line_or_steer_a_terminal(text: str, form: LogFormat) -> None:
    told = entry(model=text, served=text, key=text, account=text, error=text, message=text, id=text)
    line = run_virtual(written(told, format=form))
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    line.encode()
    if form == "json":
        assert json.loads(line)["model"] == text


@pytest.mark.parametrize("form", ["json", "text"])
async def test_writes_no_key_that_stands_in_an_error(form: LogFormat) -> None:
    told = entry(ending="failed", error="credentials", message="refused: AIzaSyAbcdefghijklmnop")
    assert "AIza" not in await written(told, format=form)


@pytest.mark.parametrize("form", ["json", "text"])
async def test_writes_nothing_of_what_is_asked_unless_it_is_to(form: LogFormat) -> None:
    assert await written(SECRETIVE, format=form) == ""


async def test_writes_what_is_asked_when_it_is_to() -> None:
    assert json.loads(await written(SECRETIVE, prompts=True)) == {
        "event": "asked",
        "id": "req-1",
        "model": "m",
        "system": "a secret plan",
        "messages": [
            {"role": "user", "parts": ["the password is swordfish", {"image": "image/png", "bytes": 4}]},
            {"role": "assistant", "parts": [{"thought": "hm"}, {"call": "look", "arguments": '{"at": "it"}'}]},
            {
                "role": "user",
                "parts": [{"result": "look", "output": ["seen"]}, {"result": "look", "output": '{"found": 1}'}],
            },
        ],
    }


async def test_cuts_what_is_long_and_leaves_out_what_it_cannot_write() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    parts = (Text("x" * 100_000), ToolResult("deep", deep))
    line = await written(Request("m", (Message("user", parts),)), prompts=True)
    assert len(line) < 3_000
    assert "100,000 characters" in json.loads(line)["messages"][0]["parts"][0]


class Clogged(io.StringIO):
    """A stream whose reader reads nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.flows = threading.Event()

    def write(self, text: str) -> int:
        self.flows.wait()
        return super().write(text)


async def test_lets_nobody_wait_and_says_how_many_lines_it_has_left_out() -> None:
    stream = Clogged()
    async with RequestLog(stream) as log:
        for _ in range(15_000):
            log.ended(entry())
        stream.flows.set()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    told_of = [int(line["message"].split()[0]) for line in lines if line["event"] == "log"]
    assert 10_000 <= len(requests) <= 10_001
    assert sum(told_of) + len(requests) == 15_000


def closed_stream() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def pipe_without_reader() -> io.TextIOWrapper:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", buffering=1)


@pytest.mark.parametrize("stream_of", [closed_stream, pipe_without_reader])
async def test_goes_on_when_nobody_reads_it(stream_of: Callable[[], io.StringIO | io.TextIOWrapper]) -> None:
    stream = stream_of()
    async with asyncio.timeout(10), RequestLog(stream) as log:
        for _ in range(2_000):
            log.ended(entry())
    with suppress(OSError):
        stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "log"], "its thread has come to its end"


def test_warnings_are_lines_as_requests_are() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.Logger("of the test")
    logger.addHandler(handler)
    try:
        raise ValueError("a mistake\nin two lines, with sk-ant-0123456789abcdef")
    except ValueError as error:
        logger.exception("it %s", f"broke: {error}")
    [line] = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["logger"]) == ("log", "error", "of the test")
    assert told["message"].startswith("it broke: a mistake")
    assert "sk-ant-0123456789abcdef" not in told["message"]
    assert "ValueError" in told["traceback"]
