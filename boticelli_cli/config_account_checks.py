"""What may be wrong with the accounts of configuration files, and with the keys in them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from boticelli_cli.catalog import Catalog
from boticelli_cli.config_accounts import variable_of
from boticelli_cli.config_file import ConfigFile, moved
from boticelli_cli.config_providers import Provider, unknown_provider
from boticelli_cli.errors import Problem, did_you_mean

if TYPE_CHECKING:
    from boticelli_cli.config_document import AccountDocument

__all__ = ["account_problems"]

_REGION = r"[a-z]{2,}(-[a-z]+)+-\d+"
"""What a region looks like. It becomes part of an address, so nothing else may stand in it."""


def account_problems(files: Sequence[ConfigFile], providers: Mapping[str, Provider]) -> Iterator[Problem]:
    """What is wrong with the accounts of the files, and with the keys of providers."""
    for file in files:
        names: set[str] = set()
        for index, account in enumerate(file.document.accounts or []):
            for key, message in _wrong(file, account, providers, names):
                yield file.problem(("accounts", index, key), f"account {index + 1}: {message}")
            names.add(account.name)
        for name, document in file.document.providers.items():
            provider = providers.get(name)
            if provider is not None and (why := _stranger(file, provider, document.api_key)):
                yield file.problem(("providers", name, "api_key"), f"provider '{name}': {why}")


def _wrong(
    file: ConfigFile, account: "AccountDocument", providers: Mapping[str, Provider], names: set[str]
) -> Iterator[tuple[str, str]]:
    if account.name in names:
        yield "name", f"there is an account '{account.name}' already; give this one another name"
    elif account.name in providers and account.name != account.provider:
        yield "name", f"'{account.name}' is a provider's name; give this account another one"
    if account.provider not in providers:
        yield "provider", unknown_provider(account.provider, providers)
        return
    provider = providers[account.provider]
    if account.api_key_cmd is not None and file.is_project:
        yield "api_key_cmd", f"'api_key_cmd' would run a command that came with the project; {moved(file.users_path)}"
    ways = [key for key in ("api_key", "api_key_cmd", "profile") if getattr(account, key) is not None]
    if len(ways) > 1:
        yield ways[1], f"there is '{ways[0]}' already; one of them is enough"
    for key in ("profile", "region"):
        if getattr(account, key) is not None and provider.dialect != "bedrock":
            yield key, f"'{key}' is for bedrock; {provider.name} speaks {provider.dialect}"
    if account.region is not None and not re.fullmatch(_REGION, account.region):
        yield "region", f"'region' is '{account.region}'; a region looks like eu-central-1"
    if why := _stranger(file, provider, account.api_key):
        yield "api_key", why
    if account.profile is not None and file.is_project and provider.from_project:
        yield "profile", f"your AWS credentials are not for an address that came with the project; {_trust(file)}"
    yield from _wrong_tier(account, provider)


def _wrong_tier(account: "AccountDocument", provider: Provider) -> Iterator[tuple[str, str]]:
    if account.tier is None:
        return
    tiers = Catalog.builtin().tiers(provider.name)
    if not tiers:
        yield "tier", f"of {provider.name} no tiers are known; leave it out, and set 'limits'"
    elif account.tier not in tiers:
        hint = did_you_mean(account.tier, tiers) or f"; there {'is' if len(tiers) == 1 else 'are'} {', '.join(tiers)}"
        yield "tier", f"{provider.name} has no tier '{account.tier}'{hint}"


def _stranger(file: ConfigFile, provider: Provider, api_key: str | None) -> str | None:
    """Why a key is none, or one of the environment may not go where a project's file wants it to; None if it may."""
    variable = variable_of(api_key)
    if variable is None and (api_key or "").startswith("$"):
        return "'api_key' begins with $, but names no variable: $NAME is letters, digits and _"
    if variable is None or not (file.is_project and provider.from_project):
        return None
    return f"${variable} is not sent to an address that came with the project; {_trust(file)}"


def _trust(file: ConfigFile) -> str:
    return f"move the provider's 'base_url' into your own file, '{file.users_path}', if you trust it"
