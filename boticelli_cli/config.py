"""Configuration: what the environment and the configuration files say, as frozen values.

This module alone reads the environment and the configuration files. The user's file is `config.yaml` in our
configuration folder; the project's, `boticelli.yaml` in the working directory, lies over it: mappings are
merged by their keys, lists are replaced.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from boticelli_cli.catalog import Catalog, Limits, Price
from boticelli_cli.errors import ConfigError, Problem, UsageError, did_you_mean
from boticelli_cli.narrative.model import Settings

if TYPE_CHECKING:
    from boticelli_cli.config_document import AccountDocument, ConfigDocument
    from boticelli_cli.narrative.source import Source

__all__ = [
    "Account",
    "Config",
    "cache_folder",
    "environment",
    "media_folder",
    "read_config",
    "state_folder",
    "user_config_path",
]

PROJECT_FILE = "boticelli.yaml"

_GEMINI_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's access to a provider: a key, or for Gemini a project of Google Cloud's.

    `lacks` says why there is no key where one was to be; `base_url` is where to, unless the provider's own;
    `is_named` where it stands in a file, under a name that is one account's for good.
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

    @property
    def counted_as(self) -> str:
        """Under which name its requests are counted: of keys and projects that nobody has named, each for itself."""
        if self.is_named:
            return self.name
        if self.api_key is None:
            return f"{self.name} {self.project} {self.location}"
        return f"{self.name} {hashlib.sha256(self.api_key.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Config:
    """`settings` hold for acts that say nothing else; `limits` are by provider and model, `prices` by model.

    `accounts` are those that can be used, the first ones first; `files` were read, the strongest first.
    """

    settings: Settings = Settings()
    accounts: tuple[Account, ...] = ()
    limits: Mapping[tuple[str, str], Limits] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def accounts_of(self, provider: str) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if account.provider == provider)


def environment() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ


def read_config(environ: Mapping[str, str], folder: Path) -> Config:
    """The configuration that holds in `folder`. Raises ConfigError with every mistake in its files."""
    paths = [path for path in (folder / PROJECT_FILE, user_config_path(environ)) if os.path.lexists(path)]
    settings = Settings()
    accounts: list[AccountDocument] | None = None
    limits: dict[tuple[str, str], Limits] = {}
    prices: dict[str, Price] = {}
    for path in paths:
        read, document = _read(path)
        settings = settings.over(read)
        accounts = accounts if accounts is not None else document.accounts
        for provider, models in document.limits.items():
            for name, each in models.models.items():
                model = name.removeprefix(f"{provider}/")
                limits[provider, model] = _under(limits.get((provider, model)), Limits(**each.model_dump()))
        for model, price in document.prices.items():
            prices.setdefault(model, Price(**price.model_dump()))
    return Config(settings, _accounts(accounts or [], environ), limits, prices, tuple(paths))


def user_config_path(environ: Mapping[str, str]) -> Path:
    """Where the user's configuration file is, or would be."""
    if home := _home(environ):
        return home / "config.yaml"
    from platformdirs import user_config_path as platform_config_path

    return platform_config_path("boticelli") / "config.yaml"


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where we keep what has to outlast a run."""
    if home := _home(environ):
        return home / "state"
    from platformdirs import user_state_path

    return user_state_path("boticelli")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where we keep what can be fetched again."""
    if home := _home(environ):
        return home / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("boticelli")


def media_folder(environ: Mapping[str, str]) -> Path:
    """Where we keep what models have made, a folder a run, unless somebody names another."""
    if home := _home(environ):
        return home / "media"
    from platformdirs import user_data_path

    return user_data_path("boticelli") / "media"


def _home(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("BOTICELLI_HOME")
    return Path(os.path.expanduser(home)) if home else None  # noqa: PTH111  (leaves an unknown ~user as it is)


def _read(path: Path) -> tuple[Settings, "ConfigDocument"]:
    from boticelli_cli.config_document import ConfigDocument
    from boticelli_cli.narrative.files import is_regular
    from boticelli_cli.narrative.load import settings_of
    from boticelli_cli.narrative.shape import validate
    from boticelli_cli.narrative.source import UnreadableError, read_text
    from boticelli_cli.narrative.yaml import read_yaml

    if not is_regular(path):
        raise ConfigError([Problem("this is no file that could be read", str(path))])
    try:
        source = read_yaml(read_text(path, str(path)), str(path), allow_empty=True)
    except UnreadableError as error:
        raise ConfigError([error.problem]) from None
    document, problems = validate(ConfigDocument, source)
    problems += _more_problems(document, source)
    if found := [*source.problems, *problems]:
        raise ConfigError(found)
    return settings_of(document, literal=True), document


def _more_problems(document: "ConfigDocument", source: "Source") -> list[Problem]:
    problems = []
    if isinstance(document.context, list):
        message = "'context' names acts, but a configuration knows none; write 'conversation' or 'fresh'"
        problems.append(source.problem(("context",), message))
    names: set[str] = set()
    for index, account in enumerate(document.accounts or []):
        if account.name in names:
            message = f"there is an account '{account.name}' already; give this one another name"
            problems.append(source.problem(("accounts", index, "name"), message))
        names.add(account.name)
        tiers = Catalog.builtin().tiers(account.provider) if account.tier is not None else ()
        if account.tier is not None and account.tier not in tiers:
            hint = did_you_mean(account.tier, tiers) or f"; there are {', '.join(tiers)}"
            message = f"account {index + 1}: {account.provider} has no tier '{account.tier}'{hint}"
            problems.append(source.problem(("accounts", index, "tier"), message))
    return problems


def _under(over: Limits | None, under: Limits) -> Limits:
    """Limits, and where they say nothing, those below them."""
    if over is None:
        return under
    pairs = {each.name: (getattr(over, each.name), getattr(under, each.name)) for each in fields(Limits)}
    return Limits(**{name: below if mine is None else mine for name, (mine, below) in pairs.items()})


def _accounts(written: "list[AccountDocument]", environ: Mapping[str, str]) -> tuple[Account, ...]:
    """The accounts of the files, those to be used first at the front; or those that the environment has."""
    base_url = _base_url("GOOGLE_GEMINI_BASE_URL", environ)
    found = []
    for each in sorted(written, key=lambda account: account.priority):
        api_key, lacks = _key(each.api_key, environ)
        found.append(
            Account(
                each.name,
                each.provider,
                api_key,
                lacks,
                base_url=base_url,
                tier=each.tier,
                priority=each.priority,
                max_concurrent=each.max_concurrent,
            )
        )
    if found:
        return tuple(found)
    if key := next((environ[name] for name in _GEMINI_KEYS if environ.get(name)), None):
        return (Account("default", "gemini", key.strip(), base_url=base_url, is_named=False),)
    if project := environ.get("GOOGLE_CLOUD_PROJECT"):
        location = environ.get("GOOGLE_CLOUD_LOCATION") or "global"
        base_url = _base_url("GOOGLE_VERTEX_BASE_URL", environ)
        return (Account("vertex", "gemini", None, None, project, location, base_url, is_named=False),)
    return ()


def _key(written: str | None, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """A key as it is written, or from the variable that it names; or why there is none."""
    if written is None:
        return None, "it has no 'api_key'"
    named = re.fullmatch(r"\$(\w+)|\$\{(\w+)\}", written)
    if named is None:
        return written, None
    name = named[1] or named[2]
    return (environ[name].strip(), None) if environ.get(name) else (None, f"${name} is not set")


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _base_url(name: str, environ: Mapping[str, str]) -> str | None:
    url = environ.get(name)
    if not url:
        return None
    if not re.match(r"https?://[^/\s]", url) or not _has_good_port(url):
        raise UsageError(f"{name} is '{url}'; a URL looks like https://example.com")
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"{name} may be a plain address only: no name, no password and no query in it")
    url = url.rstrip("/")
    if version := re.search(r"/v1(beta\d*|alpha)?$", url):
        raise UsageError(f"{name} is '{url}'; it is written without the version: '{url[: version.start()]}'")
    return url
