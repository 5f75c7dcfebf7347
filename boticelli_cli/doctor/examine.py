"""The whole examination: everything that can be looked at here, in order."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from boticelli_cli.account_drivers import list_models
from boticelli_cli.catalog import Catalog
from boticelli_cli.config import (
    Account,
    Config,
    cache_folder,
    environment,
    key_store,
    media_folder,
    state_folder,
)
from boticelli_cli.doctor.access import access
from boticelli_cli.doctor.configuration import files, readable, values
from boticelli_cli.doctor.finding import Finding
from boticelli_cli.doctor.online import Ask, answers, clock_of
from boticelli_cli.doctor.program import program
from boticelli_cli.doctor.surroundings import network, places
from boticelli_cli.errors import InputError
from boticelli_cli.keystore import StoredKey
from boticelli_cli.limit_states import held_back, ledger_path

__all__ = ["examine"]

_ADDRESSES = {
    "gemini": "https://generativelanguage.googleapis.com",
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com",
}
"""Where it can be asked what time it is, by dialect."""


async def examine(
    folder: Path,
    *,
    online: bool = False,
    environ: Mapping[str, str] | None = None,
    ask: Ask | None = None,
    time_at: Callable[[str], Awaitable[datetime | None]] | None = None,
) -> list[Finding]:
    """All findings about the setup that holds in a folder. With `online`, every account is asked for its models.

    `ask` asks instead of the providers' own drivers, and `time_at` what time it is at an address.
    """
    environ = environment() if environ is None else environ
    config, wrong = readable(environ, folder)
    told = "\n".join(finding.text for finding in wrong)
    found = [*program(), *wrong, *files(config, environ, folder, told), *values(config, environ)]
    if wrong:
        found.append(Finding("Providers", "providers", "not looked at: the configuration has mistakes", "unused"))
    else:
        found += access(config, _stored(environ), held_back(config, environ))
    found += network(environ, datetime.now().astimezone())
    folders = {"state": state_folder(environ), "cache": cache_folder(environ), "media": media_folder(environ)}
    found += places(folders, ledger_path(state_folder(environ)))
    if online:
        found += await _online(config, ask or partial(_ask, config, environ), time_at)
    return found


async def _online(
    config: Config, ask: Ask, time_at: Callable[[str], Awaitable[datetime | None]] | None
) -> list[Finding]:
    from boticelli_cli.drivers.http import time_at as time_at_address

    accounts = [account for account in config.accounts if account.is_given and account.lacks is None]
    found = await answers(accounts, ask)
    for account, finding in zip(accounts, found, strict=True):
        address = account.base_url or _ADDRESSES.get(config.providers[account.provider].dialect)
        if finding.state == "fine" and address is not None:
            theirs = await (time_at or time_at_address)(address)
            return [*found, clock_of(theirs, datetime.now(UTC))]
    if not accounts:
        found.append(Finding("Online", "providers", "there is no account to ask with", "unused"))
    return found


async def _ask(config: Config, environ: Mapping[str, str], account: Account) -> int:
    """How many models a provider lists for an account. Raises ProviderError."""
    provider = config.providers[account.provider]
    return len(await list_models(account, provider, Catalog.builtin(), key_store(environ)))


def _stored(environ: Mapping[str, str]) -> dict[str, StoredKey]:
    """The keys that are kept, by name. What is wrong with their file is told elsewhere."""
    try:
        return {key.name: key for key in key_store(environ).entries()}
    except InputError:
        return {}
