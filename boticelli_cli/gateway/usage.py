"""What keys have used, as their holders ask for it: `/v1/usage` and `/v1/key-info`."""

import hashlib
import hmac
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from boticelli_cli.errors import ProviderError, UsageError
from boticelli_cli.gateway.ledger import RequestLedger
from boticelli_cli.gateway.report import DAY, HOUR, Report, Totals
from boticelli_cli.grants import ANYONE, Grant

__all__ = ["Door", "problem", "refused", "usage_routes"]

_HOURLY_UP_TO = 2 * DAY
"""The longest time, in seconds, that is told hour by hour; longer ones are told by the day."""

_EVERYBODY = "all"

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

_UNITS = {"m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY}


class Door(Protocol):
    """Knows who asks."""

    async def grant(self, scope: Scope) -> Grant:
        """What the key that comes with a request grants; `ANYONE` where no keys were issued, and anybody may ask.

        Raises CredentialsError for a key that is missing, unknown or expired, ProviderError for too many of them.
        """
        ...


def usage_routes(
    ledger: RequestLedger,
    door: Door,
    *,
    under_way: Callable[[str], int] | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Route]:
    """`GET /v1/usage` and `GET /v1/key-info`. `under_way` says how many requests a key's holder has under way.

    Usage is told of the caller's own key; an admin may ask for `?key=NAME`, or for `?key=all`. Without keys it is told
    of all requests. `since` and `until` are times (RFC 3339), dates, or so long ago (`24h`, `7d`); `since` is the start
    of the month (UTC) unless it is given.
    """

    async def usage(request: Request) -> Response:
        try:
            grant = await _who(door, request)
            since, until = _span(request, clock())
        except ProviderError as exc:
            return refused(exc)
        except UsageError as exc:
            return problem(400, exc.kind, str(exc))
        key = _asked_for(request, grant)
        if grant is not None and key != grant.name and not grant.permits("admin"):
            return problem(403, "permission", "only a key with the permission 'admin' sees what other keys have used")
        step = HOUR if until - since <= _HOURLY_UP_TO else DAY
        return JSONResponse(_as_told(await ledger.usage(key, since, until, step=step)))

    async def key_info(request: Request) -> Response:
        try:
            grant = await _who(door, request)
        except ProviderError as exc:
            return refused(exc)
        now = clock()
        name = grant.name if grant is not None else None
        today = await ledger.usage(name, now // DAY * DAY, now + 1)
        ever = await ledger.usage(name, 0.0, now + 1)
        running = under_way(name) if under_way is not None and name is not None else None
        return JSONResponse(_info(grant, today.totals, ever.totals, running))

    return [Route("/v1/usage", usage, methods=["GET"]), Route("/v1/key-info", key_info, methods=["GET"])]


def refused(error: ProviderError) -> JSONResponse:
    """That somebody was not let in, in our own form."""
    answer = problem(error.status or 401, error.kind, error.message)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return answer


def problem(status: int, kind: str, message: str) -> JSONResponse:
    """What went wrong, in our own form."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": {"type": kind, "message": message}}, status, headers)


async def _who(door: Door, request: Request) -> Grant | None:
    """Whose key comes with a request; nobody's where none is needed."""
    grant = await door.grant(request.scope)
    return None if grant == ANYONE else grant


def _asked_for(request: Request, grant: Grant | None) -> str | None:
    """The name of the key whose use is asked for; `None` for all.

    A parameter `key` may also be the caller's own key itself, as Gemini's clients send it: then it is no name.
    """
    own = grant.name if grant is not None else None
    name = request.query_params.get("key", own)
    if grant is not None and name is not None:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()
        if hmac.compare_digest(digest, grant.sha256.lower()):
            return own
    return None if name == _EVERYBODY else name


def _span(request: Request, now: float) -> tuple[float, float]:
    """From when up to when, in seconds of the epoch."""
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = _moment(request, "since", now, month.timestamp())
    until = _moment(request, "until", now, now + 1)
    if since >= until:
        raise UsageError("'since' has to be before 'until'")
    return since, until


def _moment(request: Request, name: str, now: float, default: float) -> float:
    # A plus sign that was not encoded comes as a space.
    text = request.query_params.get(name, "").strip().replace(" ", "+")
    if not text:
        return default
    try:
        if (ago := re.fullmatch(r"(\d{1,9})([mhdw])", text)) is not None:
            return max(0.0, now - int(ago[1]) * _UNITS[ago[2]])
        at = datetime.fromisoformat(text)
        moment = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
        return min(max(0.0, moment), _LATEST)
    except ValueError as exc:
        message = f"'{name}' is a time (2026-11-01T12:00:00Z), a date (2026-11-01), or so long ago (24h, 7d)"
        raise UsageError(message) from exc


def _as_told(report: Report) -> dict[str, Any]:
    told = {
        "key": report.key,
        "since": _time(report.since),
        "until": _time(report.until),
        **_sums(report.totals),
        "by_model": [
            {"provider": provider, "model": model, **_sums(totals)} for (provider, model), totals in report.by_model
        ],
        "by_hour" if report.step == HOUR else "by_day": [
            {"at": _time(at), **_sums(totals)} for at, totals in report.by_time
        ],
    }
    if report.key is None:
        told["by_key"] = [{"key": key, **_sums(totals)} for key, totals in report.by_key]
    return told


def _info(grant: Grant | None, today: Totals, ever: Totals, running: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {"name": None, "permissions": ["all"], "models": None, "expires": None, "limits": {}}
    if grant is not None:
        limits = {name: getattr(grant, name) for name in ("rpm", "tpm", "max_concurrent", "usd_per_day", "usd_total")}
        told = {
            "name": grant.name,
            "permissions": list(grant.permissions),
            "models": list(grant.models) if grant.models is not None else None,
            "expires": _time(grant.expires.timestamp()) if grant.expires is not None else None,
            "limits": _known(limits.items()),
        }
        left = {
            "usd_today": _left(grant.usd_per_day, today.cost_usd),
            "usd_total": _left(grant.usd_total, ever.cost_usd),
            "concurrent": _left(grant.max_concurrent, running) if running is not None else None,
        }
        told["left"] = _known(left.items())
    told |= {"used": {"today": _sums(today), "total": _sums(ever)}}
    return told if running is None else {**told, "under_way": running}


def _sums(totals: Totals) -> dict[str, Any]:
    cost = round(totals.cost_usd, 10) if totals.cost_usd is not None else None
    counts = _known(asdict(totals.usage).items())
    return {"requests": totals.requests, "failed": totals.failed, "usage": counts, "cost_usd": cost}


def _known(facts: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in facts if value is not None}


def _left(most: float | None, used: float | None) -> float | None:
    return max(0, round(most - (used or 0), 10)) if most is not None else None


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
