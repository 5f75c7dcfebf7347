"""Configuration files for tests, and what is read of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from boticelli_cli.config import Account, Config, read_config
from boticelli_cli.errors import ConfigError


def configured(
    folder: Path, *, user: str = "", project: str = "", environ: Mapping[str, str] | None = None, keys: str = ""
) -> Config:
    """What holds in a folder, with these files. `keys` is the file of the key store."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(user)
    (folder / "boticelli.yaml").write_text(project)
    if keys:
        (home / "keys.json").write_text(keys)
        (home / "keys.json").chmod(0o600)
    return read_config({"BOTICELLI_HOME": str(home), **(environ or {})}, folder)


def mistakes(folder: Path, *, user: str = "", project: str = "", environ: Mapping[str, str] | None = None) -> str:
    """All that is said to be wrong with these files, without the folders they are in."""
    with pytest.raises(ConfigError) as caught:
        configured(folder, user=user, project=project, environ=environ)
    return str(caught.value).replace(f"{folder}/", "").replace(f"{folder.parent}/", "")


def only(config: Config, provider: str) -> Account:
    """The one account of a provider."""
    [account] = config.accounts_of(provider)
    return account
