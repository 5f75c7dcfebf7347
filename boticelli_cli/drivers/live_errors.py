"""What goes wrong with a Live session, translated: close codes and their reasons, refused handshakes, broken lines."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from boticelli_cli.drivers.gemini_access import PROVIDER
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnreachableError,
)
from boticelli_cli.wire.failure import without_secrets
from boticelli_cli.wire.gemini_errors import KEY_HINT

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["translating"]

_CLOUD_HINT = "run: gcloud auth application-default login; or set GEMINI_API_KEY"

_CODES = {
    1000: "normal end",
    1001: "going away",
    1006: "no closing words",
    1007: "it does not take what was sent",
    1008: "against its policy",
    1011: "an error of its own",
}
"""The close codes that the Live API uses (RFC 6455, section 7.4.1), in plain words."""


@contextmanager
def translating(patience: Patience) -> Iterator[None]:
    """Turn the errors of google-genai and websockets into ours, by whether an answer has begun."""
    try:
        yield
    except (BoticelliError, StopAsyncIteration):
        raise
    except Exception as error:
        found = _translated(error)
        if found is None:
            raise
        if patience.answered:
            found = StreamError(found.message, provider=PROVIDER, status=found.status, hint=StreamError.HINT)
        raise found from error


def _translated(error: Exception) -> ProviderError | None:
    from google.auth.exceptions import GoogleAuthError
    from google.genai.errors import APIError
    from pydantic import ValidationError
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

    match error:
        case APIError(details=str() | None):
            return _closed(error.code, error.details or "")
        case APIError():  # a message of no kind that google-genai knows
            message = f"the live session told of an error: {without_secrets(str(error.message or error.code))}"
            return ProviderError(message, provider=PROVIDER)
        case ConnectionClosed():
            frame = error.rcvd
            return _closed(frame.code if frame else 1006, frame.reason if frame else "")
        case InvalidStatus():
            return _refused_handshake(error.response.status_code)
        case ssl.SSLCertVerificationError():
            message = f"no live session came about: the certificate is not trusted: {error.verify_message}"
            hint = "SSL_CERT_FILE names a file of certificates that are to be trusted"
            return RefusedError(message, provider=PROVIDER, hint=hint)
        case InvalidHandshake() | OSError():
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            hint = "is there a network, or a proxy to be set? SSL_CERT_FILE names certificates to be trusted"
            return UnreachableError(f"no live session came about: {reason}", provider=PROVIDER, hint=hint)
        case WebSocketException():
            return ProviderError(f"the live session broke: {error}", provider=PROVIDER)
        case ValidationError():
            return _misshapen(error)
        case ValueError():  # a frame that is not JSON
            message = without_secrets(f"the live session sent what cannot be read: {str(error)[:80]}")
            return ProviderError(message, provider=PROVIDER)
        case ImportError():  # what a SOCKS proxy needs
            hint = "look at HTTPS_PROXY and ALL_PROXY; an http:// proxy can always be used"
            return RefusedError(f"the proxy cannot be used: {error}", provider=PROVIDER, hint=hint)
        case GoogleAuthError():
            return CredentialsError(f"Google Cloud let nobody in: {error}", provider=PROVIDER, hint=_CLOUD_HINT)
    return None


def _misshapen(error: "ValidationError") -> ProviderError:
    """What does not fit google-genai's models: options on their way out, or a message on its way in."""
    first = error.errors(include_url=False, include_input=False)[0]
    what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if error.title == "LiveConnectConfig":
        message = f"'options' does not fit a live session: {what}"
        return RefusedError(message, provider=PROVIDER, hint="they are fields of google-genai's LiveConnectConfig")
    return ProviderError(f"the live session sent what cannot be read: {what}", provider=PROVIDER)


def _closed(code: int, reason: str) -> ProviderError:
    """A session that the server closed; its reason says more than its code."""
    reason = without_secrets(reason)
    words = f"the live session was closed: {code}, {_CODES.get(code, 'unknown')}"
    message = f"{words}: {reason}" if reason else words
    if re.search(r"api.key|unregistered callers|unauthenticated|permission denied", reason, re.IGNORECASE):
        return CredentialsError(f"the key was refused: {reason}", provider=PROVIDER, hint=KEY_HINT)
    if re.search(r"is not found|not supported for bidi", reason, re.IGNORECASE):
        hint = "boticelli models --live lists those that there are"
        return RefusedError(message, provider=PROVIDER, status=404, hint=hint)
    if re.search(r"per.?day|daily", reason, re.IGNORECASE):
        return QuotaError(f"the day's quota is spent: {reason}", provider=PROVIDER, status=429)
    if re.search(r"quota|resource.?exhausted", reason, re.IGNORECASE):
        return ProviderError(message, provider=PROVIDER, status=429)
    if code == 1007:
        hint = (
            "the model may not take this setting, or this kind of input; its page at ai.google.dev says what it takes"
        )
        return RefusedError(message, provider=PROVIDER, hint=hint)
    return ProviderError(message, provider=PROVIDER)


def _refused_handshake(status: int) -> ProviderError:
    message = f"no live session came about: the server answered with status {status}"
    if status in (401, 403):
        return CredentialsError(message, provider=PROVIDER, status=status, hint=KEY_HINT)
    if status in (400, 404):
        hint = "is the address right, and does it serve the Live API?"
        return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
    return ProviderError(message, provider=PROVIDER, status=status)
