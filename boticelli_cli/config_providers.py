"""Providers: who serves models, where, and in which dialect they are spoken to.

Those that everybody knows are always there. The configuration may give them another address, and name more. An address
that a project's file names is not the user's word: it gets none of the user's keys.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from boticelli_cli.config_file import ConfigFile, moved
from boticelli_cli.errors import Problem, UsageError, did_you_mean
from boticelli_cli.routes import Transformation

if TYPE_CHECKING:
    from boticelli_cli.config_document import ProviderDocument

__all__ = ["BUILT_IN", "Dialect", "Provider", "read_providers", "unknown_provider"]

Dialect = Literal["gemini", "anthropic", "openai", "bedrock"]

BUILT_IN: Mapping[Dialect, str] = {
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "bedrock": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
}
"""The providers that are always there, each with its own dialect, and the variables that hold their addresses."""

_RESERVED = ("rehearsal", "auto")
"""What stands before a slash, or for a model, and is no provider of the configuration's."""

_WITHOUT_VERSION = ("gemini", "anthropic")

_ENDPOINT = re.compile(r"(/chat)?/completions$|(/v1)?/messages$")
"""What clients put behind an address themselves, and people copy with it."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody who serves models. Without a `base_url`, at the dialect's own address.

    `named_by` is where that address was set: a variable, or a file and line. One that is `from_project` is named by
    a project's file, which may be anybody's: it gets no key but those that the same file holds.
    """

    name: str
    dialect: Dialect
    base_url: str | None = None
    transformers: tuple[Transformation, ...] = ()
    from_project: bool = False
    named_by: str | None = field(default=None, compare=False)

    @property
    def is_on_this_machine(self) -> bool:
        host = (urlsplit(self.base_url).hostname or "") if self.base_url is not None else ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        from ipaddress import ip_address

        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


def read_providers(
    files: Sequence[ConfigFile], environ: Mapping[str, str]
) -> tuple[Mapping[str, Provider], list[Problem], list[str]]:
    """All providers, what is wrong with those of the files (the strongest first), and hints about what is not wrong.

    Raises UsageError for a variable that holds no address.
    """
    names = dict.fromkeys((*BUILT_IN, *(name for file in files for name in file.document.providers)))
    providers: dict[str, Provider] = {}
    problems = [problem for file in files for problem in _problems(file, files)]
    hints: list[str] = []
    for name in names:
        written = [(file, file.document.providers[name]) for file in files if name in file.document.providers]
        dialect = _dialect(name, written)
        if dialect is None:
            file, _ = written[0]
            problems.append(file.problem(("providers", name), f"provider '{name}': 'dialect' is missing"))
            continue
        provider = _provider(name, dialect, written, environ)
        providers[name] = provider
        hints += _hints(provider)
    return providers, problems, hints


def unknown_provider(name: str, providers: Mapping[str, Provider]) -> str:
    """A sentence about a provider that there is not."""
    hint = did_you_mean(name, providers) or f"; there are {', '.join(providers)}"
    return f"unknown provider '{name}'{hint}"


def _problems(file: ConfigFile, files: Sequence[ConfigFile]) -> Iterator[Problem]:
    """What is wrong with the providers of a file. One that is sound may still lack its dialect."""
    for name, document in file.document.providers.items():
        for key, wrong in _wrong(name, document, file, files):
            path = ("providers", name) if key is None else ("providers", name, key)
            yield file.problem(path, f"provider '{name}': {wrong}")


def _wrong(
    name: str, document: "ProviderDocument", file: ConfigFile, files: Sequence[ConfigFile]
) -> Iterator[tuple[str | None, str]]:
    if not re.fullmatch(r"[^\s/]+", name) or not name.isprintable():
        yield None, "a name stands before a slash, so it has neither blanks nor slashes in it"
    if name in _RESERVED:
        yield None, "this name has a meaning of its own; give it another one"
    own = _dialect(name, [(each, each.document.providers[name]) for each in files if name in each.document.providers])
    if document.dialect is not None and name in BUILT_IN and document.dialect != name:
        yield "dialect", f"it speaks {name}; give a provider of your own another name"
    theirs = next((each for each in files if not each.is_project), None)
    users = theirs.document.providers.get(name) if theirs is not None else None
    if users is not None and users.dialect is not None and document.dialect not in (None, users.dialect):
        yield "dialect", f"your own file says that it speaks {users.dialect}"
    if document.base_url is not None and (wrong := _wrong_address(document.base_url, own)):
        yield "base_url", f"'base_url' {wrong}"
    if document.api_key is not None and document.api_key_cmd is not None:
        yield "api_key_cmd", "there is an 'api_key' already; one of them is enough"
    if document.api_key_cmd is not None and file.is_project:
        yield "api_key_cmd", f"'api_key_cmd' would run a command that came with the project; {moved(file.users_path)}"


def _dialect(name: str, written: "Sequence[tuple[ConfigFile, ProviderDocument]]") -> Dialect | None:
    if name in BUILT_IN:
        return next(each for each in BUILT_IN if each == name)
    spoken = [document.dialect for _, document in written if document.dialect is not None]
    return spoken[-1] if spoken else None  # what the user says of it holds


def _provider(
    name: str, dialect: Dialect, written: "Sequence[tuple[ConfigFile, ProviderDocument]]", environ: Mapping[str, str]
) -> Provider:
    transformers = next((each.transformers for _, each in written if each.transformers is not None), [])
    base_url, named_by, from_project = None, None, False
    variable = BUILT_IN[dialect]
    if name in BUILT_IN and (base_url := base_url_in(environ, variable, dialect)):
        named_by = variable
    elif found := next(((file, each.base_url) for file, each in written if each.base_url is not None), None):
        file, url = found
        base_url, from_project = url.rstrip("/"), file.is_project
        named_by = file.place(("providers", name, "base_url"))
    return Provider(name, dialect, base_url, tuple(map(_transformation, transformers)), from_project, named_by)


def _transformation(written: str | Mapping[str, object]) -> Transformation:
    if isinstance(written, str):
        return Transformation(written)
    [(name, argument)] = written.items()
    return Transformation(name, argument)


def base_url_in(environ: Mapping[str, str], variable: str, dialect: Dialect) -> str | None:
    """The address that a variable holds. Raises UsageError for what is none."""
    url = environ.get(variable)
    if not url:
        return None
    if wrong := _wrong_address(url, dialect):
        raise UsageError(f"{variable} {wrong}")
    return url.rstrip("/")


def _wrong_address(url: str, dialect: Dialect | None) -> str | None:
    """What is wrong with an address, as the end of a sentence; None if nothing is. A password in it is not shown."""
    shown = url if "@" not in url else "no address"
    if not re.match(r"https?://[^/\s]", url) or re.search(r"\s", url) or not _has_good_port(url):
        return f"is '{shown}'; a URL looks like https://example.com"
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        return "may be a plain address only: no name, no password and no query in it"
    url = url.rstrip("/")
    if endpoint := _ENDPOINT.search(url):
        return f"is '{url}'; it is written without its end: '{url[: endpoint.start()]}'"
    if dialect in _WITHOUT_VERSION and (version := re.search(r"/v1(beta\d*|alpha)?$", url)):
        return f"is '{url}'; it is written without the version: '{url[: version.start()]}'"
    return None


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _hints(provider: Provider) -> Iterator[str]:
    url = provider.base_url
    if (
        provider.dialect == "openai"
        and url is not None
        and not _wrong_address(url, "openai")
        and not urlsplit(url).path
    ):
        yield f"{provider.named_by}: '{url}' has no path; most servers that speak openai are at '{url}/v1'"
