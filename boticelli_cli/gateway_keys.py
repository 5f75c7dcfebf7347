"""Keys of the gateway as people manage them: issued under names, listed without being shown, revoked again."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from boticelli_cli.config import GatewaySettings, environment, gateway_keys_path, read_config, user_config_path
from boticelli_cli.config_gateway import expiry_of, wrong_name
from boticelli_cli.errors import BoticelliError, UsageError, did_you_mean
from boticelli_cli.grants import PERMISSIONS, Grant, Permission, hash_of
from boticelli_cli.issued_keys import IssuedKeys, new_key

if TYPE_CHECKING:
    from boticelli_cli.gateway.keys import Keyring

__all__ = ["Issued", "KnownKey", "issue_key", "keyring", "known_keys", "permissions_of", "revoke_key", "until"]

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Issued:
    """A key, which nobody can tell again, what it grants, and sentences about the file that a person should see."""

    key: str
    grant: Grant
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a key grants, and where that is written."""

    grant: Grant
    place: Literal["issued", "configuration"]


def keyring(
    settings: GatewaySettings,
    environ: Mapping[str, str] | None = None,
    *,
    warn: Callable[[str], None] | None = None,
) -> "Keyring":
    """The keys that the gateway takes: those of the configuration, and those issued. Raises ConfigError.

    Those that are issued or revoked while it runs are noticed; `warn` is told what is wrong with them then.
    """
    from boticelli_cli.gateway.keys import Keyring

    return Keyring(settings.keys, _store(environ), warn=warn)


def issue_key(
    name: str,
    *,
    permissions: Sequence[str] = (),
    models: Sequence[str] = (),
    expires: str | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    max_concurrent: int | None = None,
    usd_per_day: float | None = None,
    usd_total: float | None = None,
    now: datetime | None = None,
) -> Issued:
    """Issue a key. Without permissions it opens all faces, without models it may ask for any.

    Raises UsageError for what no key can be, ConfigError and SaveError where it cannot be kept.
    """
    if why := wrong_name(name):
        raise UsageError(why)
    for option, dollars in (("--usd-per-day", usd_per_day), ("--usd-total", usd_total)):
        if dollars is not None and not (math.isfinite(dollars) and dollars >= 0):
            raise UsageError(f"{option} is a sum in USD, as in 2.50")
    granted = permissions_of(permissions)
    ends = until(expires, now or datetime.now(UTC)) if expires is not None else None
    key = new_key()
    grant = Grant(
        name,
        hash_of(key),
        granted,
        tuple(models) or None,
        ends,
        rpm,
        tpm,
        max_concurrent,
        usd_per_day,
        usd_total,
    )
    store = _store()
    is_taken = any(each.name == name for each in _configured())
    if is_taken or not store.add(grant):
        where = f"in '{user_config_path(environment())}'" if is_taken else "already"
        raise UsageError(
            f"there is a key '{name}' {where}; give this one another name",
            hint="boticelli serve keys list shows which there are",
        )
    return Issued(key, grant, tuple(store.notices))


def known_keys() -> tuple[list[KnownKey], list[str]]:
    """All keys that the gateway takes, and sentences about them. Raises ConfigError."""
    store = _store()
    issued = [KnownKey(grant, "issued") for grant in store.grants()]
    found = [*issued, *(KnownKey(grant, "configuration") for grant in _configured())]
    return sorted(found, key=lambda each: each.grant.name), store.notices


def revoke_key(name: str) -> None:
    """Revoke a key that was issued. Raises UsageError if there is none of this name, ConfigError, SaveError."""
    store = _store()
    if store.remove(name):
        return
    configured = [each.name for each in _configured()]
    if name in configured:
        raise UsageError(f"key '{name}' stands in '{user_config_path(environment())}'; take it out there")
    if wrong_name(name):
        raise UsageError("keys are removed by their names; boticelli serve keys list shows them")
    known = [each.name for each in store.grants()]
    near = did_you_mean(name, known) or ("; boticelli serve keys list shows them" if known else "; there are none")
    raise UsageError(f"no key '{name}' has been issued{near}")


def permissions_of(words: Sequence[str]) -> tuple[Permission, ...]:
    """Permissions by their names, all faces if there are none. Raises UsageError for a word that is none."""
    found = []
    for word in words:
        permission = next((each for each in PERMISSIONS if each == word), None)
        if permission is None:
            hint = did_you_mean(word, PERMISSIONS) or f"; there are {', '.join(PERMISSIONS)}"
            raise UsageError(f"unknown permission '{word}'{hint}")
        found.append(permission)
    return tuple(dict.fromkeys(found)) or ("all",)


def until(text: str, now: datetime) -> datetime:
    """When something ends: hours, days or weeks from now ("30d"), or at a date. Raises UsageError."""
    written = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    ends = now + int(written[1]) * _UNITS[written[2]] if written is not None else expiry_of(text)
    if ends is None:
        raise UsageError(f"'{text}' is no time to end at; it looks like 30d, 12h, 2027-01-31 or 2027-01-31T18:00Z")
    if ends <= now:
        raise UsageError(f"'{text}' is over already; a key has to end later")
    return ends.replace(microsecond=0)


def _store(environ: Mapping[str, str] | None = None) -> IssuedKeys:
    return IssuedKeys(gateway_keys_path(environment() if environ is None else environ))


def _configured() -> tuple[Grant, ...]:
    try:
        return read_config(environment(), Path()).gateway.keys
    except BoticelliError as error:
        error.hint = error.hint or "boticelli doctor says more about the configuration"
        raise
