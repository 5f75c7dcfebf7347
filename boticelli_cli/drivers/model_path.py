"""Names of models as a part of a path: whatever they hold, nothing else at the provider is asked."""

from urllib.parse import quote

from boticelli_cli.errors import RefusedError

__all__ = ["in_path"]


def in_path(model: str, *, safe: str = "") -> str:
    """A model's name as one segment of a path; the characters in `safe` stay as they are.

    Raises RefusedError for names with a segment of dots only. No model is called so, and whoever takes a path apart
    goes up by them (RFC 3986, 5.2.4): HTTP clients do by one that is alone, proxies by `%2F..` too.
    """
    if any(each in (".", "..") for each in model.replace("\\", "/").split("/")):
        raise RefusedError(f"there is no model '{model}'", status=404)
    return quote(model, safe=safe)
