"""The log: a line for each request that is over, for programs (JSON) or for people."""

import asyncio
import json
import logging
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TextIO, assert_never

from boticelli_cli.gateway.base import Entry
from boticelli_cli.messages import CachePoint, Media, Message, Part, Request, Text, Thought, ToolCall, ToolResult
from boticelli_cli.wire.failure import without_secrets

__all__ = ["JsonLines", "LogFormat", "RequestLog"]

LogFormat = Literal["json", "text"]

_MOST_WAITING = 10_000
"""Lines that wait for whoever reads them. Those beyond are left out, and counted: nobody waits for a log."""

_LONGEST_PROMPT = 2_000
"""Characters of each text of a prompt that are told."""

_WORD = re.compile(r"[\w./:@+*-]{1,200}")

_GRACE_SECONDS = 2.0
"""How long the last lines may take, when whoever reads them does not."""


class RequestLog:
    """Writes a line for each request to a stream, from `async with` to its end; an observer of the gateway.

    A line is one call of the stream's `write`. With `prompts`, `asked` writes what each request asks; without, no line
    holds any of it. No line holds a key, and what a client has named comes without control characters.
    The stream stays open.
    """

    def __init__(self, stream: TextIO, *, format: LogFormat = "json", prompts: bool = False) -> None:  # noqa: A002
        self._stream = stream
        self._line_of = _json_line if format == "json" else _text_line
        self._prompts = prompts
        self._lines: queue.Queue[Entry | str | None] = queue.Queue(_MOST_WAITING)
        self._left_out = 0
        self._told_of = 0
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        # A daemon, as a reader that reads no more must not keep the process from ending.
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(self._finish, thread)

    def ended(self, entry: Entry) -> None:
        """Write the line of a request."""
        self._say(entry)

    def asked(self, request_id: str, request: Request) -> None:
        """Write what a request asks, where prompts are to be written: always as JSON, media by their sizes only."""
        if self._prompts:
            self._say(_prompt_line(request_id, request))

    def _say(self, line: Entry | str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def _finish(self, thread: threading.Thread) -> None:
        try:
            self._lines.put(None, timeout=_GRACE_SECONDS)
        except queue.Full:
            return
        thread.join(_GRACE_SECONDS)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line if isinstance(line, str) else self._line_of(line))
                if (left_out := self._left_out - self._told_of) > 0:
                    self._told_of += left_out
                    self._stream.write(_json({"event": "log", "message": f"{left_out} lines were left out"}))
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                # The stream is closed, and there is nobody to tell: what still comes is taken, and thrown away.
                continue


class JsonLines(logging.Formatter):
    """Warnings and mistakes of ours as lines of JSON, one each, between those of requests."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "event": "log",
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return _json(_known(facts)).rstrip("\n")


def _json_line(entry: Entry) -> str:
    """What is known of a request; what is not is left out."""
    facts: dict[str, Any] = {
        "event": "request",
        "time": _time(entry.at),
        "id": entry.id,
        "key": entry.key,
        "face": entry.face,
        "model": entry.model,
        "served": entry.served,
        "provider": entry.provider,
        "account": entry.account,
        "route": entry.route,
        "reason": entry.reason,
        "client": entry.client,
        "streamed": entry.streamed,
        "status": entry.status,
        "ending": entry.ending,
        "usage": _known(asdict(entry.usage)) or None,
        "is_estimated": entry.is_estimated or None,
        "cost_usd": entry.cost_usd,
        "chunks": entry.chunks,
        "seconds": _rounded(entry.seconds),
        "first_byte_seconds": _rounded(entry.first_byte),
        "upstream_seconds": _rounded(entry.upstream),
        "overhead_seconds": _rounded(entry.overhead),
        "error": entry.error,
        "message": without_secrets(entry.message) if entry.message else None,
    }
    return _json(_known(facts))


def _text_line(entry: Entry) -> str:
    """A line for people: when, what became of it, who asked whom, what it used, how long it took, what went wrong."""
    who = entry.served if entry.served is not None else "nobody"
    whose = "/".join(_name(each) for each in (entry.provider, who) if each)
    asked = _name(entry.model)
    words = [
        datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%S"),
        str(entry.status),
        entry.ending,
        entry.face,
        f"{asked} → {whose}" if whose != asked else whose,
        f"account={_name(entry.account)}" if entry.account else "",
        f"key={_name(entry.key)}" if entry.key else "",
        f"from={_name(entry.client)}" if entry.client and entry.ending == "refused" else "",
        f"({entry.reason})" if entry.reason and entry.route != "explicit" else "",
        _tokens(entry),
        f"${entry.cost_usd:.4f}" if entry.cost_usd is not None else "",
        f"{entry.seconds:.2f} s",
        f"(first {entry.first_byte:.2f} s)" if entry.first_byte is not None else "",
        f"{entry.error or 'error'}: {without_secrets(entry.message)}" if entry.message else entry.error or "",
    ]
    return _visible(" ".join(word for word in words if word)) + "\n"


def _name(name: str) -> str:
    """A name as one word: quoted where it could pass for several."""
    return name if _WORD.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _tokens(entry: Entry) -> str:
    counts = [each for each in (entry.usage.input, entry.usage.output) if each is not None]
    return f"{'~' if entry.is_estimated else ''}{'+'.join(f'{each:,}' for each in counts)} tokens" if counts else ""


def _prompt_line(request_id: str, request: Request) -> str:
    system = request.system_text
    facts: dict[str, Any] = {"event": "asked", "id": request_id, "model": request.model}
    if system:
        facts["system"] = _cut(system)
    return _json({**facts, "messages": [_message(message) for message in request.messages]})


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": list(_parts(message.parts))}


def _parts(parts: Iterable[Part]) -> Iterator[Any]:
    for part in parts:
        match part:
            case Text(text):
                yield _cut(text)
            case Thought(text):
                yield {"thought": _cut(text)}
            case Media(kind, mime, data):
                yield {kind: mime, "bytes": len(data) if data is not None else None}
            case ToolCall(name, arguments):
                yield {"call": _cut(name), "arguments": _data(arguments)}
            case ToolResult(name, output):
                shown = list(_parts(output)) if isinstance(output, tuple) else _data(output)
                yield {"result": _cut(name), "output": shown}
            case CachePoint():
                pass
            case _:
                assert_never(part)


def _data(data: Any) -> str:
    try:
        return _cut(json.dumps(data, default=str))
    except (TypeError, ValueError, RecursionError):
        return "…"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_PROMPT else f"{text[:_LONGEST_PROMPT]}… ({len(text):,} characters)"


def _json(facts: Mapping[str, Any]) -> str:
    # All but ASCII is escaped: no character of a client's can end a line, or steer a terminal.
    return json.dumps(facts, separators=(",", ":")) + "\n"


def _visible(text: str) -> str:
    """A text in which what a terminal would obey, or nobody sees, is written out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 6) if seconds is not None else None


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
