"""The gateway as processes: one that serves, or one that watches over several that do."""

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from socket import socket
from typing import Any

from boticelli_cli.config import environment, read_config
from boticelli_cli.errors import UsageError
from boticelli_cli.gateway.bounds import BodyBounds
from boticelli_cli.gateway.listening import Listening, address_of, allow_many_files, bind, is_loopback, tls_context
from boticelli_cli.gateway.log import JsonLines
from boticelli_cli.gateway.options import GatewayOptions, GatewayParts, LogFormat
from boticelli_cli.gateway.server import new_loop, serve
from boticelli_cli.gateway.stopping import INTERRUPTED, Stopping
from boticelli_cli.gateway.workers import draining_with_parent, inherited, supervise, tell_parent
from boticelli_cli.serving import gateway

__all__ = ["BodyBounds", "GatewayOptions", "Listening", "LogFormat", "configured", "new_loop", "run_gateway"]


def configured() -> dict[str, Any]:
    """What the user's configuration says for options of the command, by their names; `None` where it says nothing.

    Raises ConfigError.
    """
    settings = read_config(environment(), Path()).gateway
    return {
        "host": settings.host,
        "port": settings.port,
        "redis": settings.redis,
        "workers": settings.workers,
        "grace": settings.grace,
        "max_body": settings.max_body_mb,
        "tls_cert": settings.tls_cert,
        "tls_key": settings.tls_key,
    }


_LOOKS_FOR_GARBAGE = (20_000, 20, 20)
"""After how many objects, and how much seldomer among older ones, cycles are looked for (`gc.set_threshold`)."""


async def run_gateway(
    options: GatewayOptions,
    *,
    worker: Sequence[str],
    worker_environ: Mapping[str, str],
    say: Callable[[str], None],
) -> int:
    """Run a gateway until a signal stops it, and return the exit code: 0, or 130 after Ctrl-C.

    Several workers are started as `worker`, which comes here again, with `worker_environ`. `say` is told what a person
    at the terminal should know. Raises UsageError and ConfigError for what cannot be.
    """
    stopping = Stopping()
    sockets = inherited(environment())
    with stopping.heeding_signals(), _logging_in_lines() if options.log_format == "json" else nullcontext():
        parts = gateway(options, stopping)
        _check(options, parts)
        allow_many_files()
        if sockets is not None:
            return await _work(options, parts, stopping, sockets)
        if options.workers > 1:
            return await _watch(options, parts, stopping, worker, worker_environ, say)
        return await _serve(options, parts, stopping, say)


async def _serve(options: GatewayOptions, parts: GatewayParts, stopping: Stopping, say: Callable[[str], None]) -> int:
    def draining(under_way: int) -> None:
        if under_way:
            say(_stops(under_way, options.listening.grace))

    async with parts.opened():
        _look_seldom_for_garbage()
        await serve(
            parts.app,
            options.listening,
            stopping=stopping,
            on_ready=lambda url: _greet(url, parts, say),
            on_draining=draining,
        )
    return _exit_code(stopping)


async def _work(options: GatewayOptions, parts: GatewayParts, stopping: Stopping, sockets: list[socket]) -> int:
    """Serve as one of several. Whoever watches speaks to people, and ends us."""
    with draining_with_parent(stopping):
        async with parts.opened():
            _look_seldom_for_garbage()
            await serve(
                parts.app, options.listening, stopping=stopping, sockets=sockets, on_ready=lambda _: tell_parent()
            )
    return 0


async def _watch(
    options: GatewayOptions,
    parts: GatewayParts,
    stopping: Stopping,
    worker: Sequence[str],
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> int:
    sockets = bind(options.listening)
    url = address_of(options.listening, sockets)
    code = await supervise(
        worker,
        count=options.workers,
        sockets=sockets,
        environ=environ,
        grace=options.listening.grace,
        stopping=stopping,
        on_ready=lambda: _greet(url, parts, say),
        warn=say,
    )
    return code or _exit_code(stopping)


def _look_seldom_for_garbage() -> None:
    """Leave what is loaded out of the search for cycles, of which requests leave few.

    With the defaults it takes a quarter of the time while a thousand streams begin, all of which it looks through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS_FOR_GARBAGE)


def _check(options: GatewayOptions, parts: GatewayParts) -> None:
    tls_context(options.listening)
    host = options.listening.host
    if not parts.has_keys and not is_loopback(host):
        raise UsageError(
            f"there are no keys, so whoever reaches {host} could use your accounts",
            hint="make a key first: boticelli serve keys new NAME; without one, --host 127.0.0.1 serves this machine",
        )
    if options.workers > 1 and options.redis is None:
        raise UsageError(
            "several workers share keys and limits through Redis, and none is given",
            hint="--redis redis://127.0.0.1:6379, or leave --workers out",
        )


def _greet(url: str, parts: GatewayParts, say: Callable[[str], None]) -> None:
    say(_serves(url, parts))
    for notice in parts.notices:
        say(notice)


@contextmanager
def _logging_in_lines() -> Iterator[None]:
    """Have warnings and mistakes of ours be JSON, as the lines of requests are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in ("boticelli_cli", "uvicorn")]
    for each in loggers:
        each.addHandler(handler)
        each.propagate = False
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)
            each.propagate = True


def _serves(url: str, parts: GatewayParts) -> str:
    note = "" if parts.has_keys else " (no keys: this machine only)"
    return f"boticelli serves {url}{note}; try: curl {url}/health"


def _stops(under_way: int, grace: float) -> str:
    what = "1 request that is under way has" if under_way == 1 else f"{under_way} requests that are under way have"
    return f"boticelli stops; {what} {grace:g} s to end, Ctrl-C ends all at once"


def _exit_code(stopping: Stopping) -> int:
    return INTERRUPTED if stopping.was_interrupted else 0
