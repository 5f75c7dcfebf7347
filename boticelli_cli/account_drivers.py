"""Drivers of accounts: each made of an account's key, its provider's address and the dialect that is spoken there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Protocol, cast

from boticelli_cli.catalog import Call, Catalog, ListedModel
from boticelli_cli.config import Account, Provider
from boticelli_cli.credentials import key_of
from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import CredentialsError, ProviderError, UsageError
from boticelli_cli.fitting import token_limit_name
from boticelli_cli.keystore import KeyStore
from boticelli_cli.listings import calls_of
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.wire import listing as wire

__all__ = ["Locked", "Opener", "key_hint", "list_models", "load_drivers"]


class Opened(Driver, Protocol):
    """A driver with connections of its own."""

    async def aclose(self) -> None: ...


class Listing(Opened, Protocol):
    """A driver of a provider that says which models it has."""

    async def models(self) -> list[wire.ListedModel]: ...


@dataclass(frozen=True, slots=True)
class Opener:
    """Makes the drivers of accounts. With `wide`, their clients carry hundreds of streams at once.

    `unknown_hint` says what to do about a model that a provider does not have.
    """

    catalog: Catalog
    store: KeyStore
    unknown_hint: Callable[[str, str], str | None] = lambda provider, model: None
    wide: bool = False

    async def open(self, account: Account, provider: Provider, call: Call = "sse") -> Opened:
        """The driver of an account, which is closed by whoever asked for it. Raises CredentialsError."""
        key = await key_of(account, self.store)

        def hint(model: str) -> str | None:
            return self.unknown_hint(provider.name, model)

        match provider.dialect:
            case "gemini":
                return self._gemini(account, provider, key, call, hint)
            case "bedrock":
                from boticelli_cli.drivers.bedrock import bedrock_driver
                from boticelli_cli.drivers.bedrock_access import BedrockAccess

                access = BedrockAccess(
                    account.profile, account.region, account.base_url, _about(account, provider), key
                )
                # To find the region may take botocore and files of AWS's, which are slow to load.
                return await asyncio.to_thread(bedrock_driver, access, unknown_hint=hint, wide=self.wide)
            case "anthropic":
                from boticelli_cli.drivers.anthropic import anthropic_driver

                return anthropic_driver(_access(account, provider, key), unknown_hint=hint, wide=self.wide)
            case "openai":
                return self._openai(account, key, provider, hint)

    def _gemini(
        self, account: Account, provider: Provider, key: str | None, call: Call, hint: Callable[[str], str | None]
    ) -> Opened:
        from boticelli_cli.drivers.gemini_access import GeminiAccess

        about = _about(account, provider)
        access = GeminiAccess(key, account.base_url, account.project, account.location, about, account.provider)
        if call == "live":
            from boticelli_cli.drivers.gemini_live import GeminiLive

            return GeminiLive(access, self.catalog)
        from boticelli_cli.drivers.gemini import Gemini

        return Gemini(access, unknown_hint=hint, wide=self.wide)

    def _openai(
        self, account: Account, key: str | None, provider: Provider, hint: Callable[[str], str | None]
    ) -> Opened:
        from boticelli_cli.drivers.openai import openai_driver

        def limit_name(model: str) -> str:
            return token_limit_name(self.catalog.describe(f"{provider.name}/{model}"), provider.name)

        def renames(model: str) -> bool:
            known = self.catalog.describe(f"{provider.name}/{model}")
            return known is not None and known.token_limit == "max_completion_tokens"

        transformers = {each.name for each in provider.transformers}
        return openai_driver(
            _access(account, provider, key),
            max_tokens_name=limit_name,
            renames=renames,
            cache_marks="openrouter" in transformers,
            thoughts=bool(transformers & {"deepseek", "openrouter"}),
            unknown_hint=hint,
            wide=self.wide,
        )


def load_drivers(dialects: Collection[str], *, wide: bool = False) -> None:
    """Import what asks in these dialects, and read the certificates, which together take as long as many requests."""
    from boticelli_cli.drivers.http import load_client

    load_client(wide=wide)
    if "anthropic" in dialects:
        import boticelli_cli.drivers.anthropic
    if "openai" in dialects:
        import boticelli_cli.drivers.openai
    if "gemini" in dialects:
        import boticelli_cli.drivers.gemini
    if "bedrock" in dialects:
        import boticelli_cli.drivers.bedrock
        import boticelli_cli.drivers.bedrock_access  # noqa: F401


class Locked:
    """A driver that cannot be asked, and says why: nobody has a key for it."""

    def __init__(self, error: ProviderError) -> None:
        self._error = error

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        raise copy(self._error)  # one that is raised again and again keeps the frames of all who asked
        yield

    async def generate(self, request: Request) -> Response:
        raise copy(self._error)


async def list_models(account: Account, provider: Provider, catalog: Catalog, store: KeyStore) -> list[ListedModel]:
    """The models that a provider says an account can ask. Raises ProviderError, and CredentialsError without a key."""
    if account.project is not None:
        raise UsageError("Vertex AI does not list its models where the Gemini API does; --refresh needs a key")
    if account.lacks is not None:
        raise CredentialsError(
            f"account '{account.name}' has no key for {account.provider}: {account.lacks}",
            provider=account.provider,
            hint=key_hint(provider, account),
        )
    driver = cast("Listing", await Opener(catalog, store).open(account, provider))  # all that stream over HTTP list
    try:
        listed = await driver.models()
    finally:
        await driver.aclose()
    return [ListedModel(each.name, each.input_limit, each.output_limit, calls_of(each.methods)) for each in listed]


def key_hint(provider: Provider, account: Account | None = None) -> str:
    """What to do where there is no key for a provider, or for an account of it."""
    if account is not None and account.withheld is not None:
        return f"the address is in {provider.named_by}"
    if account is not None and account.variable is not None:
        otherwise = f"leave 'api_key' out there ({account.origin}), and: boticelli keys set {provider.name}"
        return f"set {account.variable}; or {otherwise}"
    if account is not None and account.is_named:  # one that is written takes no key of the environment's
        name = provider.name if account.name == provider.name else f"{provider.name}/{account.name}"
        return f"give it one: boticelli keys set {name}"
    return _HINTS.get(provider.name, f"give it one: boticelli keys set {provider.name}")


def _access(account: Account, provider: Provider, key: str | None) -> Access:
    return Access(account.provider, key, account.base_url, _about(account, provider))


def _about(account: Account, provider: Provider) -> str | None:
    """What to do about an account's key that was refused, or is missing; of the environment's, errors say it."""
    if account.withheld is not None:
        return account.withheld
    if provider.dialect == "bedrock":
        return f"they are the credentials of account '{account.name}'{_place(account)}" if account.is_named else None
    if not account.has_key and account.project is None:
        if provider.from_project:
            return f"it was asked without a key; its address came with the project ({provider.named_by})"
        return f"it was asked without a key; {key_hint(provider, account)}"
    return f"it is the key of account '{account.name}'{_place(account)}" if account.is_named else None


def _place(account: Account) -> str:
    return f" ({account.origin})" if account.origin is not None else ""


_HINTS = {
    "gemini": "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey, or: boticelli keys set gemini",
    "anthropic": "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys, "
    "or: boticelli keys set anthropic",
    "openai": "set OPENAI_API_KEY to a key from https://platform.openai.com/api-keys, or: boticelli keys set openai",
}
