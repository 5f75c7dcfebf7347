"""Who asks a provider, and where: an account's key, and the address if it is not the provider's own."""

from dataclasses import dataclass, field

from boticelli_cli.errors import CredentialsError

__all__ = ["Access", "check_key"]


@dataclass(frozen=True, slots=True)
class Access:
    """A key, where there has to be one, and the base URL, as the provider's own client takes it.

    `account` is under which name the key stands in the configuration, if it does. `provider` is what messages call
    whoever is asked. Raises CredentialsError for what no key can be, without showing it.
    """

    provider: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    account: str | None = None

    def __post_init__(self) -> None:
        check_key(self.api_key, self.provider, self.key_hint or f"copy it again: boticelli keys set {self.provider}")

    @property
    def key_hint(self) -> str | None:
        """Whose key it is, for errors about it; what to do about the environment's, the errors themselves say."""
        return f"it is the key of account '{self.account}' in the configuration" if self.account else None

    def url(self, otherwise: str) -> str:
        """The base URL without a slash at its end, `otherwise` where none is set."""
        return (self.base_url or otherwise).rstrip("/")


def check_key(key: str | None, provider: str, hint: str) -> None:
    """Raises CredentialsError for characters that no header can hold."""
    if key is not None and not (key.isascii() and key.isprintable()):
        message = "the key has characters in it that no key has: a line break, say, or a quotation mark"
        raise CredentialsError(message, provider=provider, hint=hint)
