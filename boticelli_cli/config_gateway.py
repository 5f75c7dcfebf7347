"""The gateway, as the configuration says it: who may use it, and what its options are.

Only the user's own file counts. A project's, which may have come with somebody else's repository, lets nobody in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from boticelli_cli.config_file import ConfigFile, moved
from boticelli_cli.errors import Problem
from boticelli_cli.grants import ANYONE, Grant

if TYPE_CHECKING:
    from boticelli_cli.config_document import GatewayDocument, GatewayKeyDocument

__all__ = ["GatewaySettings", "expiry_of", "read_gateway", "wrong_name"]

_LONGEST_NAME = 64

_KEY_LIKE = re.compile(r"bot-[\w-]{16,}|[0-9a-fA-F]{64}")
"""A key of the gateway, or the hash of one."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`keys` are those that the configuration grants; the rest are options of `boticelli serve` that nobody else gave.

    What is `None` is not set. `grace` is in seconds; `tls_cert` and `tls_key` are files. `redis` may hold a password.
    `notices` are sentences about keys that open nothing.
    """

    keys: tuple[Grant, ...] = ()
    host: str | None = None
    port: int | None = None
    redis: str | None = field(default=None, repr=False)
    workers: int | None = None
    grace: float | None = None
    max_body_mb: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    notices: tuple[str, ...] = ()


def read_gateway(files: Sequence[ConfigFile], now: datetime | None = None) -> tuple[GatewaySettings, list[Problem]]:
    """What the user's file says of the gateway, and what is wrong with it. `now` tells which keys have expired."""
    problems: list[Problem] = []
    settings = GatewaySettings()
    for file in files:
        gateway = file.document.gateway
        if gateway is None:
            continue
        if file.is_project:
            message = f"'gateway' in a project would say who may use your accounts; {moved(file.users_path)}"
            problems.append(file.problem(("gateway",), message))
            continue
        wrong = [*_wrong_options(file, gateway), *_wrong_keys(file, gateway.keys or [])]
        problems += wrong
        settings = settings if wrong else _settings(file, gateway, now or datetime.now(UTC))
    return settings, problems


def expiry_of(text: str) -> datetime | None:
    """A date, which is its first moment, or a time, in UTC where it names no zone; None where it is neither."""
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def wrong_name(name: str) -> str | None:
    """Why a key cannot be called so; None if it can."""
    if _KEY_LIKE.search(name):
        return "a key's name is no key; call it after whoever holds it"
    if name == ANYONE.name:
        return f"'{ANYONE.name}' is what those without a key are called; take another name"
    if len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip() or not name:
        return f"a key's name is at most {_LONGEST_NAME} letters, digits and signs, without a blank at its ends"
    return None


def _wrong_options(file: ConfigFile, gateway: "GatewayDocument") -> Iterator[Problem]:
    if gateway.redis is not None and not re.match(r"(rediss?|unix)://", gateway.redis):
        message = "'redis' is no address of a Redis; it looks like redis://127.0.0.1:6379/0"
        yield file.problem(("gateway", "redis"), message)
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(gateway, one) is not None and getattr(gateway, other) is None:
            yield file.problem(("gateway", one), f"'{one}' needs '{other}' beside it")


def _wrong_keys(file: ConfigFile, keys: Sequence["GatewayKeyDocument"]) -> Iterator[Problem]:
    names: dict[str, int] = {}
    hashes: dict[str, int] = {}
    for index, key in enumerate(keys):
        for part, message in _wrong(key, names, hashes):
            yield file.problem(("gateway", "keys", index, part), f"gateway key {index + 1}: {message}")
        names.setdefault(key.name, index + 1)
        hashes.setdefault(key.sha256.lower(), index + 1)


def _wrong(key: "GatewayKeyDocument", names: Mapping[str, int], hashes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if why := wrong_name(key.name):
        yield "name", why
    elif key.name in names:
        yield "name", f"key {names[key.name]} has this name already; give this one another"
    if not re.fullmatch(r"[0-9a-fA-F]{64}", key.sha256):
        remedy = "boticelli serve keys new NAME --format json prints it beside the key"
        yield "sha256", f"'sha256' is the hash of a key, 64 hexadecimal digits, and never the key itself; {remedy}"
    elif key.sha256.lower() in hashes:
        yield "sha256", f"this is the same key as key {hashes[key.sha256.lower()]}; one of them is enough"
    if key.expires is not None and expiry_of(key.expires) is None:
        yield "expires", "'expires' is no date; it looks like 2027-01-31, or 2027-01-31T18:00Z"


def _settings(file: ConfigFile, gateway: "GatewayDocument", now: datetime) -> GatewaySettings:
    keys = tuple(_grant(key) for key in gateway.keys or [])
    expired = [index for index, key in enumerate(keys) if key.expires is not None and key.expires <= now]
    return GatewaySettings(
        keys,
        gateway.host,
        gateway.port,
        gateway.redis,
        gateway.workers,
        gateway.grace,
        gateway.max_body_mb,
        _file(file, gateway.tls_cert),
        _file(file, gateway.tls_key),
        tuple(
            f"{file.place(('gateway', 'keys', index, 'expires'))}: gateway key '{keys[index].name}' has expired; "
            "it opens nothing any more"
            for index in expired
        ),
    )


def _grant(key: "GatewayKeyDocument") -> Grant:
    return Grant(
        key.name,
        key.sha256.lower(),
        tuple(dict.fromkeys(key.permissions)) if key.permissions is not None else ("all",),
        tuple(key.models) if key.models is not None else None,
        expiry_of(key.expires) if key.expires is not None else None,
        key.rpm,
        key.tpm,
        key.max_concurrent,
        key.usd_per_day,
        key.usd_total,
    )


def _file(file: ConfigFile, name: str | None) -> Path | None:
    """A file that is named in a configuration: beside it, unless it says where."""
    return None if name is None else file.path.parent / Path(name).expanduser()
