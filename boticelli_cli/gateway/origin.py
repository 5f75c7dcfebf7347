"""Where a request of a browser comes from: which page sent it, and by which name it found this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

__all__ = ["is_another_site", "is_for_loopback", "is_from_elsewhere", "names_this_machine"]


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page makes it send this.

    Browsers tell the origin of every POST. What tells none is no browser, and acts for nobody but itself.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    return _place(origin) != _place(f"//{request.headers.get('host', '')}") or _place(origin) is None


def is_for_loopback(request: Request) -> bool:
    """Whether a request calls this machine by a name that no name server can point elsewhere.

    A page of a site whose name is made to point at 127.0.0.1 (DNS rebinding) sends that site's name.
    """
    return names_this_machine(request.headers.get("host", ""))


def is_another_site(origin: str) -> bool:
    """Whether an Origin header names a web page, and none of this machine's.

    A page may send a POST anywhere, and spend money by it, though it never sees the answer: nobody is asked where the
    body has no type (https://fetch.spec.whatwg.org/#simple-header). Programs with a scheme of their own are no sites.
    """
    if origin == "null":
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    return parts.scheme in ("http", "https") and not names_this_machine(parts.netloc)


def names_this_machine(host: str) -> bool:
    """Whether a Host header is one of this machine's own names."""
    place = _place(f"//{host}")
    if place is None:
        return False
    name = place[0].removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _place(url: str) -> tuple[str, int | None] | None:
    """The host of a URL, in small letters, and its port where it is not the usual one of either scheme."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, None if port in (80, 443) else port) if host else None
