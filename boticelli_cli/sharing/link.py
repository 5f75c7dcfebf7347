"""The link to Redis: never waited for longer than a moment, not asked while it is away, and joined again.

Two ways lead there. What a request needs to know is asked at once, within `timeout`. What others are to know is written
later, by a task of the link's own; while Redis is away it is kept, the latest of each thing.
"""

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

from redis.asyncio.client import PubSub
from redis.exceptions import NoScriptError, RedisError

from boticelli_cli.sharing.client import address_of, client_of, heeding

__all__ = ["Away", "Command", "RedisLink", "Script"]

_MOST_PENDING = 20_000
"""How many writes are kept while Redis is away; the oldest go first."""

_AT_ONCE = 200
"""How many writes go out together."""

Command = tuple[str | int | float, ...]
Result = TypeVar("Result")


class Away(Exception):  # noqa: N818
    """Redis is not there, does not answer in time, or will not do what it is asked. It never leaves this package."""


@dataclass(frozen=True, slots=True)
class Script:
    """A program that Redis runs as one step. It takes the time from Redis, so that no gateway's clock matters."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    def call(self, keys: Sequence[str], arguments: Sequence[str | int | float]) -> Command:
        """The command that runs it, where Redis has been told of it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


class RedisLink:
    """One Redis, as one gateway sees it.

    `url` is as in `redis://:password@host:6379/0`, or `rediss://` with TLS; all keys begin with `prefix`. After a
    failure nobody asks for `pause` seconds; then `keep`, which has to run as a task of whoever opened the link, asks
    whether Redis is back, and every `beat` seconds whether it is still there. `warn` is told when it goes and comes
    back, never with the password. Raises UsageError for a `url` that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "boticelli:",
        timeout: float = 0.25,
        pause: float = 1.0,
        beat: float = 1.0,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.address = address_of(url)
        self.gateway = uuid4().hex[:16]
        self.is_up = False
        self._client = client_of(url, timeout)
        self._prefix = prefix
        self._timeout, self._pause, self._beat = timeout, pause, beat
        self._warn = warn or logging.getLogger(__name__).warning
        self._was_told: str | None = None
        self._pending: OrderedDict[Hashable, Command] = OrderedDict()
        self._numbers = count()
        self._asked: deque[tuple[Command, asyncio.Future[Any]]] = deque()
        self._scripts: list[Script] = []
        self._unloaded: list[Script] = []
        self._joiners: list[Callable[[], Awaitable[None]]] = []
        self._late: list[Callable[[], Awaitable[None]]] = []
        self._hearers: dict[str, list[Callable[[Mapping[str, Any]], None]]] = {}
        self._is_ending = False
        self._fallen = asyncio.Event()
        self._has_work = asyncio.Event()
        self.was_tried = asyncio.Event()
        """Set once it is known whether Redis is there."""

    def key(self, *parts: str) -> str:
        """The name of something in Redis."""
        return self._prefix + ":".join(quote(part, safe="") for part in parts)

    # At once

    async def ask(self, *command: str | int | float, joining: bool = False) -> Any:
        """What Redis says to a command, at once. Raises Away; where that is known already, without a wait.

        What is done on joining is asked before others may ask.
        """
        if joining:
            return await self._bounded(partial(self._execute, *command))
        if not self.is_up:
            raise Away
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((command, answer))
        self._has_work.set()
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError as exc:
            raise self._fall(exc) from exc

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float], *, joining: bool = False
    ) -> Any:
        """What a script returns, at once. Raises Away."""
        self._know(script)
        return await self.ask(*script.call(keys, arguments), joining=joining)

    def _know(self, script: Script) -> None:
        """Have Redis told of a script before it is run."""
        if script not in self._scripts:
            self._scripts.append(script)
            self._unloaded.append(script)

    async def _execute(self, *command: str | int | float) -> Any:
        await self._load()
        return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    # Later

    def later(self, slot: Hashable, command: Command) -> None:
        """Have a command carried out soon, in place of an earlier one for the same `slot` that has yet to go out.

        Commands that fail are tried again, so they have to be such that may be carried out twice.
        """
        self._pending[slot] = command
        self._pending.move_to_end(slot)
        if len(self._pending) > _MOST_PENDING:
            self._pending.popitem(last=False)
        self._has_work.set()

    def run_later(
        self, slot: Hashable, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float]
    ) -> None:
        """Have a script run soon, in the same way."""
        self._know(script)
        self.later(slot, script.call(keys, arguments))

    def tell(self, kind: str, **facts: Any) -> None:
        """Tell the other gateways something; those that do not hear it now will never know."""
        self.later(("news", next(self._numbers)), ("PUBLISH", self.news, self.message(kind, **facts)))

    @property
    def news(self) -> str:
        """The channel on which gateways tell one another something."""
        return self.key("news")

    def message(self, kind: str, **facts: Any) -> str:
        """Something for that channel."""
        return json.dumps({"kind": kind, "from": self.gateway, **facts})

    # What others say

    def on_news(self, kind: str, hear: Callable[[Mapping[str, Any]], None]) -> None:
        """Hear what other gateways tell."""
        self._hearers.setdefault(kind, []).append(hear)

    def on_join(self, joiner: Callable[[], Awaitable[None]]) -> None:
        """Have something done whenever Redis is there again, before anybody else asks it. It may raise Away.

        Where Redis is there already, it is done soon.
        """
        self._joiners.append(joiner)
        self._late.append(joiner)
        self._has_work.set()

    # The task

    async def keep(self) -> None:
        """Join, stay joined, and join again, until told to `end`, and cancelled."""
        while not self._is_ending:
            try:
                with suppress(Away):
                    await self._stay()
            finally:
                self._give_up()
            await asyncio.sleep(self._pause)

    def end(self) -> None:
        """Join no more. To be called before `keep` is cancelled, since Redis' client may lose the cancellation."""
        self._is_ending = True

    async def flush(self) -> None:
        """Write what has yet to be written, if Redis is there."""
        with suppress(Away):
            while self._pending and not self._fallen.is_set():
                await self._write_some()

    async def aclose(self) -> None:
        self.is_up = False
        await self._client.aclose()

    async def _stay(self) -> None:
        pool = self._client.connection_pool
        await self._bounded(partial(pool.disconnect, inuse_connections=False))  # what a restart has broken
        async with self._client.pubsub(ignore_subscribe_messages=True) as news:
            await self._bounded(partial(news.subscribe, self.news))
            await self._enter()
            self._rise()
            try:
                async with asyncio.TaskGroup() as group:
                    for part in (self._hear(news), self._work(), self._ask_again(), self._until_it_falls()):
                        group.create_task(part)
            except* Away:
                pass

    def _give_up(self) -> None:
        """Let nobody wait for what will not be answered."""
        self.is_up = False
        self.was_tried.set()
        while self._asked:
            _, answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(Away())

    async def _enter(self) -> None:
        await self._bounded(self._client.ping)
        self._unloaded = list(self._scripts)
        self._late.clear()
        for join in self._joiners:
            await join()

    async def _load(self) -> None:
        """Tell Redis of the scripts that it may not know."""
        while self._unloaded:
            await self._client.script_load(self._unloaded[-1].text)
            self._unloaded.pop()

    async def _hear(self, news: PubSub) -> None:
        while True:
            try:
                message = await heeding(news.get_message(timeout=60.0))
            except (RedisError, OSError) as exc:
                raise self._fall(exc) from exc
            if message is not None and message["type"] == "message":
                self._pass_on(message["data"])

    def _pass_on(self, text: str) -> None:
        try:
            facts = json.loads(text)
            for hear in self._hearers.get(facts["kind"], ()) if facts["from"] != self.gateway else ():
                hear(facts)
        except (ValueError, KeyError, TypeError) as exc:  # of another version, or somebody else's
            logging.getLogger(__name__).debug("news that nobody understands: %r", exc)

    async def _work(self) -> None:
        """Send what has come together while the last was answered: what is asked, and what is to be written.

        It is done here and not by those who ask, so that one who is cancelled breaks no connection off.
        """
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._late:
                await self._late.pop()()
            while self._asked or self._pending:
                await self._write_some()
                await self._answer_some()

    async def _answer_some(self) -> None:
        batch = [self._asked.popleft() for _ in range(min(len(self._asked), _AT_ONCE))]
        batch = [(command, answer) for command, answer in batch if not answer.done()]
        try:
            results = await self._bounded(partial(self._send, [command for command, _ in batch])) if batch else []
        except BaseException:
            self._asked.extendleft(batch)  # they are told that there is nobody
            raise
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, RedisError):
                self._complain(result)
                answer.set_exception(Away(str(result)))
            else:
                answer.set_result(result)

    async def _write_some(self) -> None:
        batch = list(islice(self._pending.items(), _AT_ONCE))
        results = await self._bounded(partial(self._send, [command for _, command in batch])) if batch else []
        for slot, command in batch:
            if self._pending.get(slot) is command:
                del self._pending[slot]
        for result in results:
            if isinstance(result, RedisError):
                self._complain(result)

    def _complain(self, error: RedisError) -> None:
        self._tell_once(f"Redis at {self.address} does not do what it is asked: {error}")

    async def _send(self, commands: list[Command]) -> list[Any]:
        results = await self._send_once(commands)
        forgotten = [index for index, result in enumerate(results) if isinstance(result, NoScriptError)]
        if forgotten:  # somebody has emptied its memory of scripts
            self._unloaded = list(self._scripts)
            again = await self._send_once([commands[index] for index in forgotten])
            for index, result in zip(forgotten, again, strict=True):
                results[index] = result
        return results

    async def _send_once(self, commands: list[Command]) -> list[Any]:
        await self._load()
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            await self._bounded(self._client.ping)

    async def _until_it_falls(self) -> None:
        await self._fallen.wait()
        raise Away

    # Up and down

    async def _bounded(self, work: Callable[[], Awaitable[Result]]) -> Result:
        try:
            async with asyncio.timeout(self._timeout):
                return await heeding(work())
        except (RedisError, OSError) as exc:  # TimeoutError is an OSError
            raise self._fall(exc) from exc

    def _rise(self) -> None:
        if self._is_ending:
            raise Away
        if self._was_told is not None:
            self._warn(f"Redis at {self.address} is there again; what gateways know is shared again")
        self._was_told = None
        self._fallen.clear()
        self.is_up = True
        self.was_tried.set()
        self._has_work.set()

    def _fall(self, exc: Exception) -> Away:
        self.is_up = False
        self._fallen.set()
        reason = str(exc) or "no answer in time"
        self._tell_once(f"Redis at {self.address} is away ({reason}); until it is back, this gateway counts for itself")
        return Away(reason)

    def _tell_once(self, message: str) -> None:
        if self._was_told is None:
            self._was_told = message
            self._warn(message)
