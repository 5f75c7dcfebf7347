"""What is around the program: proxies, certificates, the clock, and the folders that it writes to."""

import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from boticelli_cli.doctor.finding import Finding
from boticelli_cli.narrative.files import reason_of, why_no_folder
from boticelli_cli.routing.ledger import Ledger

__all__ = ["network", "places"]

_NETWORK = "Network"
_PLACES = "Folders"

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


def network(environ: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Proxies and certificates that the environment names, and the time zone."""
    set_here = [(name, value) for name in _PROXIES if (value := environ.get(name.lower()) or environ.get(name))]
    for name, value in set_here:
        yield _proxy(name, value)
    if not set_here:
        yield Finding(_NETWORK, "proxies", "none", "unused")
    yield _certificates(environ)
    yield Finding(_NETWORK, "clock", f"{now:%Y-%m-%d %H:%M:%S}, time zone {now:%Z (UTC%z)}")


def _proxy(name: str, value: str) -> Finding:
    if name == "NO_PROXY":
        return Finding(_NETWORK, name, value)
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        parts = None
    if parts is None or not parts.hostname:
        return Finding(_NETWORK, name, "is no address", "wrong", "a proxy looks like http://example.com:8080")
    secret = "…@" if "@" in parts.netloc else ""
    shown = f"{parts.scheme}://{secret}{parts.hostname}{port}"
    if parts.scheme.startswith("socks") and not _has_socks():
        hint = "pip install 'httpx[socks]', or name an http:// proxy"
        return Finding(_NETWORK, name, f"{shown}; what speaks SOCKS is not installed", "wrong", hint)
    return Finding(_NETWORK, name, shown)


def _has_socks() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None


def _certificates(environ: Mapping[str, str]) -> Finding:
    """What is trusted. Whoever names a file of certificates wants no others."""
    name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)), None)
    if name is None:
        import certifi

        return Finding(_NETWORK, "certificates", f"those of certifi, {certifi.where()}")
    path = environ[name]
    try:
        if name == "SSL_CERT_DIR":
            with os.scandir(path) as entries:
                count = sum(1 for _ in entries)
        else:
            count = len(_read_certificates(path))
    except (OSError, ValueError) as error:
        why = "there are no certificates in it" if isinstance(error, ssl.SSLError) else reason_of(error)
        return Finding(_NETWORK, name, f"'{path}' cannot be used: {why}", "wrong", f"mend {name}, or unset it")
    return Finding(_NETWORK, name, f"{path}, {count} {'files' if name == 'SSL_CERT_DIR' else 'certificates'}")


def _read_certificates(path: str) -> list[object]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    return list(context.get_ca_certs())


def places(folders: Mapping[str, Path], ledger: Path) -> Iterator[Finding]:
    """Whether what has to be kept can be, in these folders; `ledger` is the file that requests are counted in."""
    for name, folder in folders.items():
        why = why_no_folder(folder)
        if why is None:
            yield Finding(_PLACES, name, f"{folder}, can be written to")
        else:
            yield Finding(_PLACES, name, f"{folder} cannot be written to: {why}", "wrong", "BOTICELLI_HOME moves it")
    yield _ledger(ledger)


def _ledger(path: Path) -> Finding:
    if not os.path.lexists(path):
        return Finding(_PLACES, "counts of requests", "none yet", "unused")
    warnings: list[str] = []
    ledger = Ledger(path, warn=warnings.append)
    try:
        ledger.usage("", "", ledger.now())
    finally:
        ledger.close()
    if warnings:
        return Finding(_PLACES, "counts of requests", warnings[0], "wrong", f"move '{path}' away")
    return Finding(_PLACES, "counts of requests", f"{path}, can be read")
