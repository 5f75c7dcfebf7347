"""Keys as people manage them: stored under names, listed without being shown, removed again."""

import re
from dataclasses import dataclass
from pathlib import Path

from boticelli_cli.config import Config, environment, key_store, read_config, user_config_path
from boticelli_cli.errors import UsageError, did_you_mean
from boticelli_cli.keystore import KeyStore, StoredKey
from boticelli_cli.limit_states import forget

__all__ = ["Kept", "StoredKey", "check_name", "keys_path", "remove_key", "store_key", "stored_keys"]

_KEY_LIKE = re.compile(r"(sk|rk|pk|gsk|hf|xai|AIza|AKIA|ABSK)[-_]?[\w-]{12,}|(?=.*\d)[\w+/=.-]{24,}")
"""What keys look like: a vendor's mark, or a long row of letters and numbers."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that was stored, and sentences about it that a person should see."""

    key: StoredKey
    notices: tuple[str, ...] = ()


def check_name(name: str, *more: str) -> None:
    """Raises UsageError for what no key can be stored under, and for a key that is given as an argument itself."""
    config = read_config(environment(), Path())
    provider = name.partition("/")[0]
    if more or (provider not in config.providers and _KEY_LIKE.fullmatch(name)):
        raise UsageError(
            "a key is never an argument: what is typed stands in the shell's history, where others may find it",
            hint="take a new key in its place, then: boticelli keys set NAME, which asks for it",
        )
    if provider not in config.providers:
        near = did_you_mean(provider, config.providers) or f"; there are {', '.join(config.providers)}"
        users = user_config_path(environment())
        raise UsageError(f"unknown provider '{provider}'{near}", hint=f"'providers' in '{users}' may name others")
    if "/" in name and not name.partition("/")[2].strip():
        raise UsageError(f"'{name}' names no account; write it as provider/account")


def store_key(name: str, key: str) -> Kept:
    """Store a key. Raises UsageError for what cannot be one, ConfigError and SaveError where it cannot be kept."""
    key = key.strip()
    if not key:
        raise UsageError("no key was given")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError("this is no key: there are characters in it that no key has, a line break or a blank")
    store = _store()
    stored, refused = store.set(name, key)
    notices = list(store.notices)
    if refused is not None:
        notices.append(f"the keyring did not take it: {refused}")
    config = read_config(environment(), Path())
    forget((account for account in config.accounts if account.key_stored == name), environment())
    return Kept(stored, (*notices, *_unused(name, config)))


def stored_keys() -> tuple[list[StoredKey], list[str]]:
    """The keys that are stored, and sentences about the store. Raises ConfigError."""
    store = _store()
    return store.entries(), store.notices


def remove_key(name: str) -> None:
    """Forget a key. Raises UsageError if there is none of this name, ConfigError, SaveError."""
    store = _store()
    if not store.remove(name):
        if _KEY_LIKE.fullmatch(name):
            raise UsageError("keys are removed by their names; boticelli keys list shows them")
        known = store.names()
        near = did_you_mean(name, known) or ("; boticelli keys list shows them" if known else "; there are none")
        raise UsageError(f"no key '{name}' is stored{near}")


def keys_path() -> Path:
    """The file that says which keys there are."""
    return _store().path


def _store() -> KeyStore:
    return key_store(environment())


def _unused(name: str, config: Config) -> list[str]:
    """A sentence about a key that no account takes, as others come first."""
    provider = name.partition("/")[0]
    accounts = config.accounts_of(provider)
    if any(account.key_stored == name for account in accounts):
        return []
    first = next((account for account in accounts if account.origin is not None), None)
    if first is None:
        return []
    if first.withheld is not None:
        return [f"it is not used here: {first.withheld}"]
    if "/" in name and name.partition("/")[2] not in (names := [account.name for account in accounts]):
        near = did_you_mean(name.partition("/")[2], names) or f"; there are {', '.join(names)}"
        return [f"it is not used here: {provider} has no account '{name.partition('/')[2]}'{near}"]
    return [f"it is not used here: account '{first.name}' comes first ({first.origin})"]
