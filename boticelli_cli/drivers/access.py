"""Who asks a provider, and where: an account's key, and the address if it is not the provider's own."""

from dataclasses import dataclass, field

from boticelli_cli.errors import CredentialsError

__all__ = ["Access", "check_key"]


@dataclass(frozen=True, slots=True)
class Access:
    """A key, where there has to be one, and the base URL, as the provider's own client takes it.

    `key_hint` is what to do about a key that is refused, or missing; without it, the errors themselves say it.
    `provider` is what messages call whoever is asked. Raises CredentialsError for what no key can be, and does not
    show it.
    """

    provider: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    key_hint: str | None = None

    def __post_init__(self) -> None:
        check_key(self.api_key, self.provider, self.key_hint or "copy it again, and set it anew")

    def url(self, otherwise: str) -> str:
        """The base URL without a slash at its end, `otherwise` where none is set."""
        return (self.base_url or otherwise).rstrip("/")


def check_key(key: str | None, provider: str, hint: str) -> None:
    """Raises CredentialsError for characters that no header can hold."""
    if key is not None and not (key.isascii() and key.isprintable()):
        message = "the key has characters in it that no key has: a line break, say, or a quotation mark"
        raise CredentialsError(message, provider=provider, hint=hint)
