"""The keys that the gateway has issued, in a file of our own that only its owner can read.

Of a key itself nothing is kept but its SHA-256: 32 random bytes cannot be guessed from it, so that it needs no salt.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

from boticelli_cli.errors import ConfigError, Problem
from boticelli_cli.grants import Grant
from boticelli_cli.narrative.files import reason_of
from boticelli_cli.private_file import close_to_others, locked, write_private

__all__ = ["KEY_PREFIX", "IssuedKeys", "Stamp", "new_key"]

KEY_PREFIX = "bot-"

Stamp = tuple[int, ...]
"""What tells one state of a file from the next."""


def new_key() -> str:
    """A key that nobody guesses: 32 random bytes in the letters of URLs."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


class IssuedKeys:
    """What the keys grant that were issued, in the file at `path`. `notices` are sentences about what was mended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notices: list[str] = []

    def stamp(self) -> Stamp | None:
        """What changes whenever the file does; None where none is seen."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size

    def grants(self) -> tuple[Grant, ...]:
        """What each of them grants. Raises ConfigError for a file that holds no keys, or that others can read."""
        import msgspec

        try:
            if close_to_others(self.path):
                self.notices.append(f"{self.path}: others could read this file of keys; that is mended")
            found = msgspec.json.decode(self.path.read_bytes(), type=dict[str, tuple[Grant, ...]])
            return found["keys"]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError([Problem(f"the keys cannot be read: {reason_of(error)}", str(self.path))]) from None
        except (ValueError, LookupError, RecursionError):
            message = "this is no file of issued keys; move it away, and: boticelli serve keys new NAME"
            raise ConfigError([Problem(message, str(self.path))]) from None

    def add(self, grant: Grant) -> bool:
        """Keep what a key grants; False if one of its name is kept already. Raises ConfigError, SaveError."""
        with locked(self.path):
            grants = self.grants()
            if any(each.name == grant.name for each in grants):
                return False
            self._write((*grants, grant))
            return True

    def remove(self, name: str) -> bool:
        """Forget the key of a name; False if there is none. Raises ConfigError, SaveError."""
        with locked(self.path):
            grants = self.grants()
            left = [each for each in grants if each.name != name]
            if len(left) == len(grants):
                return False
            self._write(left)
            return True

    def _write(self, grants: Sequence[Grant]) -> None:
        import msgspec

        write_private(self.path, msgspec.json.format(msgspec.json.encode({"keys": grants}), indent=1))
