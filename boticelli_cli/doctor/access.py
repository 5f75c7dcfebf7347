"""Access: for each provider where it is, which accounts ask it, and where their keys came from."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from boticelli_cli.config import KEYS, Account, Config, Provider
from boticelli_cli.doctor.finding import Finding, State
from boticelli_cli.keystore import StoredKey, ending_of
from boticelli_cli.limit_states import HeldBack

__all__ = ["access", "name_of"]

_SECTION = "Providers"


def access(config: Config, stored: Mapping[str, StoredKey], held: Sequence[HeldBack]) -> Iterator[Finding]:
    """Each provider, then its accounts, with what they are held back for."""
    for provider in config.providers.values():
        accounts = config.accounts_of(provider.name)
        yield _address(provider, accounts)
        for account in accounts:
            yield from _account(account, stored)
            yield from (_held_back(each) for each in held if each.account == account)
    if not any(account.is_given for account in config.accounts):
        said = "no provider has a key: the embedded model answers, 'rehearsal'"
        yield Finding(_SECTION, "keys", said, "doubtful", "boticelli keys set NAME keeps a key")


def name_of(account: Account) -> str:
    """An account as people tell them apart: with its provider."""
    return account.provider if account.name == account.provider else f"{account.provider}/{account.name}"


def _address(provider: Provider, accounts: tuple[Account, ...]) -> Finding:
    where = f"{provider.base_url}  ({provider.named_by})" if provider.base_url is not None else "at its own address"
    if provider.transformers:
        where += f"; through {', '.join(each.name for each in provider.transformers)}"
    url = urlsplit(provider.base_url or "")
    if url.scheme == "http" and not provider.is_on_this_machine and any(each.has_key for each in accounts):
        hint = "write it with https://, if the server can"
        return Finding(_SECTION, provider.name, f"{where}; keys and prompts go there unencrypted", "doubtful", hint)
    if not accounts:
        instead = "".join(f"set {variable}, or: " for variable in KEYS.get(provider.name, ())[:1])
        return Finding(_SECTION, provider.name, f"no key; {instead}boticelli keys set {provider.name}", "unused")
    return Finding(_SECTION, provider.name, where)


def _account(account: Account, stored: Mapping[str, StoredKey]) -> Iterator[Finding]:
    text, state = _key(account, stored)
    yield Finding(_SECTION, f"account {name_of(account)}", text, state)
    if account.withheld is not None and account.lacks is None:
        yield Finding(_SECTION, f"account {name_of(account)}", account.withheld, "doubtful")


def _key(account: Account, stored: Mapping[str, StoredKey]) -> tuple[str, State]:
    """Where an account's key is, without it, and whether it can be one."""
    origin = f", from {account.origin}" if account.origin else ""
    if account.lacks is not None:
        return f"no key: {account.lacks}", "wrong"
    if account.key_command is not None:
        return f"a command writes the key{origin}", "fine"
    if account.key_stored is not None:
        entry = stored.get(account.key_stored)
        place = f"the {entry.place}" if entry is not None else "the key store"
        return f"the key '{account.key_stored}' is kept in {place}{_ends(entry.ends if entry else '')}", "fine"
    if account.api_key is not None:
        said = f"set, {len(account.api_key)} characters{_ends(ending_of(account.api_key))}{origin}"
        if not (account.api_key.isascii() and account.api_key.isprintable()) or " " in account.api_key:
            return f"{said}; there are characters in it that no key has", "wrong"
        return said, "fine"
    if account.project is not None:
        return f"Google Cloud project '{account.project}' in {account.location}{origin}", "fine"
    if account.profile is not None:
        return f"AWS profile '{account.profile}'{origin}", "fine"
    if account.origin is not None and "AWS" in account.origin:
        if not account.is_given:
            return "credentials of AWS, if its own tools find any", "unused"
        return f"credentials of AWS{origin}", "fine"
    return "asks without a key", "fine"


def _ends(ending: str) -> str:
    return f", ends in …{ending}" if ending else ""


def _held_back(held: HeldBack) -> Finding:
    name = f"account {name_of(held.account)}"
    what = f"is not asked for {held.model}" if held.model is not None else "is not asked"
    if held.until is None:
        said = f"{what} any more while there is another: {held.reason}"
        return Finding(_SECTION, name, said, "wrong", "give it another key")
    said = f"{what} until {held.until.astimezone():%H:%M:%S} while there is another: {held.reason}"
    return Finding(_SECTION, name, said, "doubtful")
