"""Accounts: who asks a provider, and where the key is.

An account that is written in a file says where its key is, or it is its provider's, or it is in the key store. A
provider that no account is written for has one of its own key, or else those of the environment, or else those of the
key store. Each provider stands for itself.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from boticelli_cli.config_file import ConfigFile
from boticelli_cli.config_providers import BUILT_IN, Provider, base_url_in

if TYPE_CHECKING:
    from boticelli_cli.config_document import AccountDocument, ProviderDocument
    from boticelli_cli.narrative.source import DocumentPath

__all__ = ["KEYS", "Account", "read_accounts", "variable_of"]

KEYS: Mapping[str, tuple[str, ...]] = {
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "bedrock": ("AWS_BEARER_TOKEN_BEDROCK",),
}
"""The variables that hold the keys of those providers that are always there."""

_AWS = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK")
"""The variables by which somebody says that they are at AWS."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's access to a provider: a key, or for Gemini a project of Google Cloud's, for Bedrock AWS credentials.

    The key is `api_key`; or a command writes it (`key_command`, for the shell or as a list), or it is kept in the key
    store under the name `key_stored`: `credentials.key_of` gets it. One with none of them asks without a key.
    `lacks` says why there is no key where one was to be, `withheld` which key is not sent to its address. `base_url` is
    where to, unless the provider's own. `profile` and `region` are AWS's, where they are not to be found the usual way.
    `is_named` is whether it stands in a file, under a name that is one account's for good; `is_given`, whether
    anybody has said that they have it: Bedrock's is always there. `origin` is where its key was found, `variable` which
    one was to hold it and does not.
    """

    name: str
    provider: str
    api_key: str | None = field(default=None, repr=False)
    lacks: str | None = None
    project: str | None = None
    location: str = "global"
    base_url: str | None = None
    tier: str | None = None
    priority: int = 100
    max_concurrent: int | None = None
    is_named: bool = True
    key_command: str | tuple[str, ...] | None = field(default=None, repr=False)
    key_stored: str | None = None
    profile: str | None = None
    region: str | None = None
    withheld: str | None = None
    is_given: bool = True
    origin: str | None = field(default=None, compare=False)
    variable: str | None = field(default=None, compare=False)

    @property
    def has_key(self) -> bool:
        """Whether it asks with a key, wherever that comes from."""
        return any(each is not None for each in (self.api_key, self.key_command, self.key_stored))

    @property
    def counted_as(self) -> str:
        """Under which name its requests are counted: of keys and projects that nobody has named, each for itself."""
        if self.is_named:
            return self.name
        if self.api_key is None:
            place = (self.project, self.location) if self.project is not None else (self.profile,)
            return " ".join((self.name, *(each for each in place if each is not None)))
        return f"{self.name} {hashlib.sha256(self.api_key.encode()).hexdigest()[:12]}"

    @property
    def known_as(self) -> str:
        """Under which name it is remembered how its provider answered it: another key, or another place of it, is new.

        What is kept under a name in the key store is forgotten of when that is replaced.
        """
        whose = repr((self.provider, self.api_key, self.key_command, self.key_stored, self.profile, self.base_url))
        return f"{self.name} {hashlib.sha256(whose.encode()).hexdigest()[:12]}"


def read_accounts(
    files: Sequence[ConfigFile], providers: Mapping[str, Provider], environ: Mapping[str, str], stored: Iterable[str]
) -> tuple[Account, ...]:
    """All accounts, those to be used first at the front. `stored` are the names of the keys in the key store."""
    stored = tuple(stored)
    file = _with_accounts(files)
    found = []
    for index, written in enumerate(file.document.accounts or () if file is not None else ()):
        assert file is not None
        if written.provider in providers:
            provider = providers[written.provider]
            found.append(_written(file, index, written, provider, environ, _in_store(written, stored), files))
    found.sort(key=lambda account: account.priority)
    taken = {account.name for account in found}
    for provider in providers.values():
        if not any(account.provider == provider.name for account in found):
            for account in _unwritten(files, provider, environ, stored):
                name = next(
                    name for name in (account.name, provider.name, account.key_stored or "") if name not in taken
                )
                taken.add(name)
                found.append(replace(account, name=name, base_url=account.base_url or _address_for(account, provider)))
    return tuple(found)


def _with_accounts(files: Sequence[ConfigFile]) -> ConfigFile | None:
    """The file whose accounts hold: a list is replaced, not merged."""
    return next((file for file in files if file.document.accounts is not None), None)


def _in_store(written: "AccountDocument", stored: Sequence[str]) -> str | None:
    """Under which name the key of an account is kept, if it is."""
    names = (f"{written.provider}/{written.name}", written.provider)
    return next((name for name in names if name in stored), None)


def _written(
    file: ConfigFile,
    index: int,
    written: "AccountDocument",
    provider: Provider,
    environ: Mapping[str, str],
    stored: str | None,
    files: Sequence[ConfigFile],
) -> Account:
    """An account of a file, with a key from wherever it says, its provider's, or the one in the key store."""
    account = Account(
        written.name,
        written.provider,
        base_url=provider.base_url,
        tier=written.tier,
        priority=written.priority,
        max_concurrent=written.max_concurrent,
        profile=written.profile,
        region=written.region,
        origin=file.place(("accounts", index)),
    )
    key = _key(file, ("accounts", index), written, environ)
    if key is not None or written.profile is not None:
        return _kept_from(provider, file, replace(account, **(key or {})))
    if (found := _own_key(files, provider, environ)) is not None:
        holder, key = found
        return _kept_from(provider, holder, replace(account, **key))
    if stored is not None:
        return _kept_from(provider, None, replace(account, key_stored=stored, origin="the key store"))
    if provider.dialect == "bedrock":
        return _kept_from(provider, None, account)
    return account if _asks_without_key(provider) else replace(account, lacks="it has no 'api_key'")


def _unwritten(
    files: Sequence[ConfigFile], provider: Provider, environ: Mapping[str, str], stored: Sequence[str]
) -> Iterator[Account]:
    """The accounts of a provider that none is written for."""
    if (found := _own_key(files, provider, environ)) is not None:
        holder, key = found
        yield _kept_from(provider, holder, Account(provider.name, provider.name, **key))
        return
    accounts = list(_environments(provider, environ)) or list(_stored(provider, stored))
    if not accounts and provider.dialect == "bedrock":
        accounts = [_aws(provider, environ, is_given=provider.name != "bedrock" or provider.base_url is not None)]
    if accounts:
        yield from (account if account.project else _kept_from(provider, None, account) for account in accounts)
    elif _asks_without_key(provider):
        yield Account(provider.name, provider.name, origin=provider.named_by)


def _asks_without_key(provider: Provider) -> bool:
    """Whether a key may be missing. Google's own service wants one, whatever stands in between."""
    return provider.base_url is not None and provider.name != "gemini"


def _environments(provider: Provider, environ: Mapping[str, str]) -> Iterator[Account]:
    """What the environment has for one of those providers that are always there."""
    if provider.name not in BUILT_IN:
        return
    if provider.dialect == "bedrock":
        if any(environ.get(name) for name in _AWS):
            yield _aws(provider, environ)
        return
    name = "default" if provider.name == "gemini" else provider.name
    if variable := next((each for each in KEYS[provider.name] if environ.get(each)), None):
        key = environ[variable].strip()
        yield Account(name, provider.name, key, is_named=False, origin=f"${variable}")
    elif provider.name == "gemini" and (project := environ.get("GOOGLE_CLOUD_PROJECT")):
        location = environ.get("GOOGLE_CLOUD_LOCATION") or "global"
        base_url = base_url_in(environ, "GOOGLE_VERTEX_BASE_URL", "gemini")
        origin = "$GOOGLE_CLOUD_PROJECT"
        yield Account("vertex", "gemini", None, None, project, location, base_url, is_named=False, origin=origin)


def _aws(provider: Provider, environ: Mapping[str, str], *, is_given: bool = True) -> Account:
    """The account of whoever AWS's own tools take this user for."""
    variable = next((name for name in reversed(_AWS) if environ.get(name)), None)
    builtin = provider.name == "bedrock"
    return Account(
        "aws" if builtin else provider.name,
        provider.name,
        (environ.get("AWS_BEARER_TOKEN_BEDROCK") or "").strip() or None if builtin else None,
        is_named=False,
        is_given=is_given,
        origin=f"${variable}" if variable is not None and builtin else "AWS's own configuration",
    )


def _stored(provider: Provider, stored: Sequence[str]) -> Iterator[Account]:
    for name in stored:
        owner, _, account = name.partition("/")
        if owner == provider.name:
            yield Account(account or owner, provider.name, key_stored=name, origin="the key store")


def _own_key(
    files: Sequence[ConfigFile], provider: Provider, environ: Mapping[str, str]
) -> tuple[ConfigFile, dict[str, Any]] | None:
    """The key that stands beside a provider in a file, and the file."""
    for file in files:
        document = file.document.providers.get(provider.name)
        if document is not None and (key := _key(file, ("providers", provider.name), document, environ)) is not None:
            return file, key
    return None


def _key(
    file: ConfigFile,
    path: "DocumentPath",
    written: "AccountDocument | ProviderDocument",
    environ: Mapping[str, str],
) -> dict[str, Any] | None:
    """A key as it is written, from the variable that it names, or the command that writes it; None if there is none."""
    if written.api_key_cmd is not None:
        command = written.api_key_cmd if isinstance(written.api_key_cmd, str) else tuple(written.api_key_cmd)
        return {"key_command": command, "origin": f"'api_key_cmd', {file.place((*path, 'api_key_cmd'))}"}
    if written.api_key is None:
        return None
    place = file.place((*path, "api_key"))
    variable = variable_of(written.api_key)
    if variable is None:
        return {"api_key": written.api_key, "origin": place}
    if not environ.get(variable):
        return {"lacks": f"${variable} is not set", "variable": variable, "origin": place}
    return {"api_key": environ[variable].strip(), "origin": f"${variable}, {place}"}


def variable_of(api_key: str | None) -> str | None:
    """The variable that a key is to be taken from, if it is."""
    named = re.fullmatch(r"\$(\w+)|\$\{(\w+)\}", api_key or "")
    return (named[1] or named[2]) if named is not None else None


def _kept_from(provider: Provider, holder: ConfigFile | None, account: Account) -> Account:
    """An account without its key, if its address came with a project, and the key did not."""
    if not provider.from_project or (holder is not None and holder.is_project and account.api_key is not None):
        return account
    if account.lacks is not None:
        return account
    whose = account.origin or "your key"
    why = (
        f"the key ({whose}) is not sent to an address that came with the project ({provider.named_by}); "
        "set 'base_url' in your own file if you trust it"
    )
    bare = replace(account, api_key=None, key_command=None, key_stored=None, profile=None, withheld=why)
    if provider.is_on_this_machine and provider.dialect != "bedrock":
        return bare
    return replace(bare, lacks=why)


def _address_for(account: Account, provider: Provider) -> str | None:
    """Where an account asks: a Google Cloud project has an address of its own."""
    return None if account.project is not None else provider.base_url
