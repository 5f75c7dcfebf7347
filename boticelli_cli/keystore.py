"""The key store: keys that no file of the user's says, by name, in the system's keyring or else in a file of our own.

The file says which keys there are, and holds those that no keyring takes; only its owner can read it. A name is a
provider, or provider/account.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from boticelli_cli.errors import ConfigError, CredentialsError, Problem, SaveError
from boticelli_cli.narrative.files import reason_of
from boticelli_cli.private_file import close_to_others, write_private

__all__ = ["KeyStore", "Keyring", "StoredKey", "ending_of", "system_keyrings"]

_SERVICE = "boticelli"

_UNREAL = ("keyring.backends.fail", "keyring.backends.null", "keyring.backends.chainer", "keyrings.alt")
"""Modules of keyrings that keep nothing, or keep it where anybody can read it."""


class Keyring(Protocol):
    """Something that keeps secrets, as the `keyring` library has it."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that is kept, but for itself: where, and how it ends. Of a short one not even that."""

    name: str
    place: Literal["keyring", "file"]
    ends: str


def system_keyrings() -> Sequence[Keyring]:
    """The keyrings of this system, the best first; none where the `keyring` library is missing or finds none."""
    try:
        import keyring
    except ImportError:
        return ()
    try:
        found = keyring.get_keyring()
        several = getattr(found, "backends", None)  # a chain of keyrings has them
        return [each for each in (several or [found]) if not type(each).__module__.startswith(_UNREAL)]
    except Exception:  # whatever a backend does when it is looked for: then it cannot be used
        return ()


def ending_of(key: str) -> str:
    """The last four characters of a key, by which people tell theirs apart; nothing of one that is short."""
    return key[-4:] if len(key) >= 16 else ""


class KeyStore:
    """The keys in the file at `path`, and in keyrings under names that belong to it.

    `keyrings` finds those; it is asked when a key is needed, as finding them takes its time. `notices` are sentences
    about what was mended.
    """

    def __init__(self, path: Path, keyrings: Callable[[], Sequence[Keyring]] = system_keyrings) -> None:
        self.path = path
        self.notices: list[str] = []
        self._keyrings = keyrings

    def names(self) -> tuple[str, ...]:
        """The names of all keys. Raises ConfigError for a file that holds no keys, or that others can read."""
        return tuple(self._read())

    def entries(self) -> list[StoredKey]:
        """All keys, without themselves. Raises ConfigError."""
        return [
            StoredKey(name, "file", ending_of(each["key"]))
            if "key" in each
            else StoredKey(name, "keyring", str(each.get("ends", "")))
            for name, each in sorted(self._read().items())
        ]

    def get(self, name: str) -> str:
        """A key. Raises CredentialsError when it is there no more, or the keyring does not give it."""
        provider, hint = name.partition("/")[0], f"store it again: boticelli keys set {name}"
        entry = self._read().get(name)
        if entry is None:
            raise CredentialsError(f"no key '{name}' is stored", provider=provider, hint=hint)
        if "key" in entry:
            return str(entry["key"])
        for keyring in self._keyrings():
            try:
                key = keyring.get_password(self._service, name)
            except Exception as error:  # each system's keyring has its own
                raise CredentialsError(
                    f"the keyring does not give the key '{name}': {_told(error)}",
                    provider=provider,
                    hint=f"unlock it, or {hint}",
                ) from None
            if key is not None:
                return key
        raise CredentialsError(f"the key '{name}' is no longer in the keyring", provider=provider, hint=hint)

    def set(self, name: str, key: str) -> tuple[StoredKey, str | None]:
        """Keep a key: where it is kept, and why not in a keyring if one refused it. Raises ConfigError, SaveError."""
        entries = self._read()
        refused = None
        entry: dict[str, str] = {"key": key}
        for keyring in self._keyrings():
            try:
                keyring.set_password(self._service, name, key)
            except NotImplementedError:  # one that is only for reading
                continue
            except Exception as error:  # each system's keyring has its own
                refused = _told(error)
                continue
            entry, refused = {"ends": ending_of(key)}, None
            break
        self._write({**entries, name: entry})
        return StoredKey(name, "file" if "key" in entry else "keyring", ending_of(key)), refused

    def remove(self, name: str) -> bool:
        """Forget a key; False if there is none of this name. Raises ConfigError, SaveError."""
        entries = self._read()
        entry = entries.pop(name, None)
        if entry is None:
            return False
        if "key" not in entry:
            for keyring in self._keyrings():
                self._take_from(keyring, name)
        self._write(entries)
        return True

    def _take_from(self, keyring: Keyring, name: str) -> None:
        try:
            if keyring.get_password(self._service, name) is not None:
                keyring.delete_password(self._service, name)
        except Exception as error:  # each system's keyring has its own
            raise SaveError(f"the keyring does not remove the key '{name}': {_told(error)}") from None

    @property
    def _service(self) -> str:
        """What the keys are filed under in a keyring: those of a store in another folder are others."""
        return f"{_SERVICE} {self.path.parent}"

    def _read(self) -> dict[str, dict[str, Any]]:
        if not os.path.lexists(self.path):
            return {}
        try:
            if close_to_others(self.path):
                message = "others could read these keys; that is mended, but they may know them"
                self.notices.append(f"{self.path}: {message}")
            data = json.loads(self.path.read_bytes())
            keys = data["keys"]
            if not all(isinstance(each, dict) for each in keys.values()):
                raise TypeError
        except OSError as error:
            raise ConfigError([Problem(f"the keys cannot be read: {reason_of(error)}", str(self.path))]) from None
        except (ValueError, TypeError, LookupError, AttributeError):
            message = "this is no store of keys; move it away, and: boticelli keys set NAME"
            raise ConfigError([Problem(message, str(self.path))]) from None
        return dict(keys)

    def _write(self, entries: dict[str, dict[str, Any]]) -> None:
        write_private(self.path, json.dumps({"keys": entries}, indent=1).encode())


def _told(error: Exception) -> str:
    """What a keyring says of itself, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
