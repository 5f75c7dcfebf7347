"""Where a server listens, and how much of a connection it bears: the settings, the sockets, the certificate."""

import errno
import ipaddress
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from boticelli_cli.errors import UsageError

__all__ = ["Listening", "address_of", "allow_many_files", "bind", "is_loopback", "tls_context"]

_MOST_FILES = 65_536


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens. Times are in seconds.

    Port 0 takes a free one. `backlog` connections may wait to be accepted, `max_connections` be open at once. Of the
    addresses in `trusted_proxies` ("*": of all) it is believed for whom they ask (`X-Forwarded-For`, `-Proto`). The
    request line and the headers of a request have `header_bytes`, and `header_seconds` to come. A connection that
    nobody uses is closed after `keep_alive`, which is longer than the 60 s that proxies keep theirs. What is under way
    has `grace` to end, once the server is told to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    backlog: int = 2048
    max_connections: int = 4096
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    header_bytes: int = 65_536
    header_seconds: float = 30.0
    keep_alive: float = 75.0
    grace: float = 30.0


def bind(listening: Listening) -> list[socket.socket]:
    """The sockets of all addresses that a host's name stands for, on one port. Whoever calls closes them.

    Raises UsageError where there is no such address here, or its port is taken.
    """
    host, port = listening.host, listening.port
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            sockets.append(socket.create_server((address, port), family=family, backlog=listening.backlog))
            port = sockets[0].getsockname()[1]  # the one that was free for the first is taken for the others
    except OSError as error:
        for each in sockets:
            each.close()
        raise _why_not(host, port, error) from error
    return sockets


def address_of(listening: Listening, sockets: list[socket.socket]) -> str:
    """The URL at which a server is reached, as in `http://127.0.0.1:8484`."""
    scheme = "https" if listening.tls_cert is not None else "http"
    host = f"[{listening.host}]" if ":" in listening.host else listening.host
    return f"{scheme}://{host}:{sockets[0].getsockname()[1]}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there. A name other than `localhost` may stand for anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(listening: Listening) -> ssl.SSLContext | None:
    """What a server speaks TLS with, where it does. Raises UsageError."""
    cert, key = listening.tls_cert, listening.tls_key
    if cert is None and key is None:
        return None
    if cert is None:
        raise UsageError("there is a key for TLS, but no certificate", hint="give its file: --tls-cert FILE")
    for path in (cert, key or cert):
        if not path.is_file():
            raise UsageError(f"there is no file '{path}'")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=lambda: "-")  # never asked for: a server has nobody to ask
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"'{key or cert}' is no key for the certificate in '{cert}': {error}",
            hint="both are PEM files, the key without a passphrase; --tls-key names the key's where it is another",
        ) from error
    return context


def allow_many_files() -> None:
    """Let this process hold as many connections as the system lets it, where that can be said."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS has a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    named = ((family, str(address[0])) for family, _, _, _, address in found)
    return list(dict.fromkeys(named))


def _why_not(host: str, port: int, error: OSError) -> UsageError:
    if isinstance(error, socket.gaierror):
        return UsageError(f"there is no host '{host}'", hint="--host takes an address of this machine, or its name")
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} of {host} is in use",
            hint=f"give another (--port 0 takes a free one), or find whose it is: lsof -i :{port}",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"port {port} is kept for the system", hint="give one above 1023: --port 8484")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is no address of this machine", hint="--host 127.0.0.1 serves this machine only")
    return UsageError(f"nothing can listen at {host}, port {port}: {error.strerror or error}")
