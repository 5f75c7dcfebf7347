"""Configuration: what the environment and the configuration files say, as frozen values.

This module alone reads the environment and finds the configuration files. The user's file is `config.yaml` in our
configuration folder; the project's, `boticelli.yaml` in the working directory, lies over it: mappings are
merged by their keys, lists are replaced.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher
from pathlib import Path

from boticelli_cli.catalog import Catalog, Limits, Price
from boticelli_cli.config_account_checks import account_problems
from boticelli_cli.config_accounts import KEYS, Account, read_accounts
from boticelli_cli.config_file import ConfigFile, read_file
from boticelli_cli.config_gateway import GatewaySettings, read_gateway
from boticelli_cli.config_providers import BUILT_IN, Provider, read_providers, unknown_provider
from boticelli_cli.config_routes import read_routes
from boticelli_cli.errors import ConfigError, Problem
from boticelli_cli.keystore import KeyStore
from boticelli_cli.narrative.model import Settings
from boticelli_cli.routes import Routes

__all__ = [
    "KEYS",
    "PROJECT_FILE",
    "Account",
    "Config",
    "GatewaySettings",
    "Provider",
    "cache_folder",
    "environment",
    "gateway_keys_path",
    "key_store",
    "media_folder",
    "read_config",
    "state_folder",
    "user_config_path",
]

PROJECT_FILE = "boticelli.yaml"

_VERY_NEAR = 0.92
"""How alike two names of models are of which one is taken for the other, misspelt."""


@dataclass(frozen=True, slots=True)
class Config:
    """`settings` hold for acts that say nothing else; `limits` are by provider and model, `prices` by model.

    `providers` are all that can be named before a slash, but for the embedded one. `accounts` are those that can be
    used, the first ones first; `gateway` is what the user's file says of the gateway; `files` were read, the strongest
    first. `origins` says where each value of the files stands, as file and line, by its path with dots in it. `notices`
    are sentences about what may be meant otherwise, `hints` those for whoever looks for mistakes.
    """

    settings: Settings = Settings()
    providers: Mapping[str, Provider] = field(default_factory=lambda: {name: Provider(name, name) for name in BUILT_IN})
    accounts: tuple[Account, ...] = ()
    routes: Routes = field(default_factory=Routes)
    limits: Mapping[tuple[str, str], Limits] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    files: tuple[Path, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    notices: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def accounts_of(self, provider: str) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if account.provider == provider)


def environment() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ


def read_config(environ: Mapping[str, str], folder: Path) -> Config:
    """The configuration that holds in `folder`. Raises ConfigError with every mistake in its files, and UsageError."""
    files = _read_files(environ, folder)
    providers, problems, hints = read_providers(files, environ)
    problems += account_problems(files, providers)
    routes, wrong_routes = read_routes(files, providers)
    problems += wrong_routes
    problems += _unknown_limits(files, providers)
    gateway, wrong_gateway = read_gateway(files)
    problems += wrong_gateway
    if problems:
        raise ConfigError(_in_order(problems))
    store = key_store(environ)
    accounts = read_accounts(files, providers, environ, store.names())
    settings = Settings()
    prices: dict[str, Price] = {}
    for file in files:
        settings = settings.over(file.settings)
        for model, price in file.document.prices.items():
            prices.setdefault(model, Price(**price.model_dump()))
    return Config(
        settings,
        providers,
        accounts,
        routes,
        _limits(files),
        prices,
        gateway,
        tuple(file.path for file in files),
        {name: place for file in reversed(files) for name, place in file.places()},
        (*store.notices, *_misspelt(files)),
        (*hints, *gateway.notices),
    )


def key_store(environ: Mapping[str, str]) -> KeyStore:
    """Where keys are kept that no file says."""
    return KeyStore(user_config_path(environ).with_name("keys.json"))


def gateway_keys_path(environ: Mapping[str, str]) -> Path:
    """Where the keys are kept that the gateway has issued."""
    return user_config_path(environ).with_name("gateway_keys.json")


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


def _read_files(environ: Mapping[str, str], folder: Path) -> list[ConfigFile]:
    """The files that there are, the strongest first. Raises ConfigError for what does not have their shape."""
    users = user_config_path(environ)
    files: list[ConfigFile] = []
    problems: list[Problem] = []
    for path in (folder / PROJECT_FILE, users):
        if os.path.lexists(path):
            file, wrong = read_file(path, users)
            files += [file] if file is not None else []
            problems += wrong
    if problems:
        raise ConfigError(_in_order(problems))
    return files


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Mistakes as a person comes by them who reads the files."""
    return sorted(problems, key=lambda each: (each.file or "", each.line or 0, each.column or 0))


def _unknown_limits(files: Sequence[ConfigFile], providers: Mapping[str, Provider]) -> Iterator[Problem]:
    for file in files:
        for name in file.document.limits:
            if name not in providers:
                yield file.problem(("limits", name), unknown_provider(name, providers))


def _limits(files: Sequence[ConfigFile]) -> dict[tuple[str, str], Limits]:
    """The limits that are written, by provider and model; where the first file says nothing, those of the next."""
    limits: dict[tuple[str, str], Limits] = {}
    for file in files:
        for provider, models in file.document.limits.items():
            for name, each in models.models.items():
                model = name.removeprefix(f"{provider}/")
                limits[provider, model] = _under(limits.get((provider, model)), Limits(**each.model_dump()))
    return limits


def _under(over: Limits | None, under: Limits) -> Limits:
    """Limits, and where they say nothing, those below them."""
    if over is None:
        return under
    pairs = {each.name: (getattr(over, each.name), getattr(under, each.name)) for each in fields(Limits)}
    return Limits(**{name: below if mine is None else mine for name, (mine, below) in pairs.items()})


def _misspelt(files: Sequence[ConfigFile]) -> Iterator[str]:
    """Warnings of limits for models that nobody knows, where there is one of nearly the same name.

    Another number in a name is another model, not a mistake.
    """
    for file in files:
        for provider, models in file.document.limits.items():
            known = [model.id for model in Catalog.builtin().models() if model.provider == provider]
            for name in models.models:
                model = name.removeprefix(f"{provider}/")
                near = next((each for each in known if model not in known and _is_misspelt(model, each)), None)
                if near is not None:
                    place = file.place(("limits", provider, "models", name))
                    yield f"{place}: no model '{model}' of {provider} is known; did you mean '{near}'?"


def _is_misspelt(name: str, known: str) -> bool:
    return re.findall(r"\d+", name) == re.findall(r"\d+", known) and (
        SequenceMatcher(None, name, known).ratio() > _VERY_NEAR
    )
