"""Who asks Gemini, and where: by a key at the Gemini API, or by a Google Cloud project at Vertex AI."""

import asyncio
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boticelli_cli.drivers.access import check_key
from boticelli_cli.drivers.http import Outgoing
from boticelli_cli.drivers.model_path import in_path
from boticelli_cli.errors import CredentialsError, UnreachableError
from boticelli_cli.wire.gemini_errors import PROVIDER

if TYPE_CHECKING:
    from google.genai import Client

__all__ = ["PROVIDER", "GeminiAccess"]

_URL = "https://generativelanguage.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


@dataclass(slots=True)
class _Token:
    """The credentials of this machine's Google Cloud user, found when they are first needed."""

    credentials: Any = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class GeminiAccess:
    """A key, or a project and its location; and where to, unless it is Google's own address.

    With neither, nothing that lets anybody in is sent, whoever is logged in to Google Cloud here. `base_url` has no
    version: it is written as google-genai takes it. `key_hint` is what to do about a key that is
    refused, or missing. `provider` is what messages call whoever is asked over HTTP. Raises CredentialsError for what
    no key can be, without showing it.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    project: str | None = None
    location: str = "global"
    key_hint: str | None = None
    provider: str = PROVIDER
    _token: _Token = field(default_factory=_Token, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_key(self.api_key, PROVIDER, self.refused_hint or "copy it again, and set GEMINI_API_KEY to it")

    @property
    def is_vertex(self) -> bool:
        return self.api_key is None and self.project is not None

    @property
    def refused_hint(self) -> str | None:
        """What to do when Vertex refuses, or a key is refused; without a word of it, the error itself says it."""
        if not self.is_vertex:
            return self.key_hint
        role = f"the role Vertex AI User in project '{self.project}'"
        return f"run: gcloud auth application-default login, as somebody who has {role}"

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        if self.base_url is not None:
            return self.base_url.rstrip("/")
        if not self.is_vertex:
            return _URL
        region = "" if self.location == "global" else f"{self.location}-"
        return f"https://{region}aiplatform.googleapis.com"

    @property
    def models_path(self) -> str:
        """Where the models are, below the address."""
        if self.is_vertex:
            return f"/v1/projects/{self.project}/locations/{self.location}/publishers/google/models"
        return "/v1beta/models"

    def path_of(self, model: str, method: str) -> str:
        """Where a model's method is, below the address."""
        return f"{self.models_path}/{in_path(model)}:{method}"

    @contextmanager
    def hinting(self) -> Iterator[None]:
        """Say of credentials that were refused whose they are."""
        try:
            yield
        except CredentialsError as error:
            if error.status is not None or not self.is_vertex:
                error.hint = self.refused_hint or error.hint
            raise

    async def headers(self, _: Outgoing) -> Mapping[str, str]:
        """What lets a request in. Raises CredentialsError."""
        if self.api_key is not None:
            return {"x-goog-api-key": self.api_key}
        if not self.is_vertex:
            return {}
        async with self._token.lock:
            return {"authorization": f"Bearer {await asyncio.to_thread(self._fresh_token)}"}

    def client(self, **more: Any) -> "Client":
        """Google's own client, for what it carries: Live sessions and files. `more` are its connection's options."""
        from google.genai import Client
        from google.genai.types import HttpOptions

        # It warns of words that are newer than itself, which is nothing that a user could do anything about.
        warnings.filterwarnings("ignore", ".* is not a valid ", UserWarning, r"google\.genai")
        options = HttpOptions(base_url=self.base_url, async_client_args=more or None)
        with _without_word_of_keys():
            if self.is_vertex:
                return Client(vertexai=True, project=self.project, location=self.location, http_options=options)
            return Client(vertexai=False, api_key=self.api_key or _NO_KEY, http_options=options)

    def _fresh_token(self) -> str:
        import google.auth
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        token = self._token
        try:
            if token.credentials is None:
                token.credentials, _ = google.auth.default(scopes=_SCOPES)
            if not token.credentials.valid:
                token.credentials.refresh(Request())
        except TransportError as error:
            message = f"Google Cloud gave no token, for it could not be reached: {error}"
            hint = "is there a network, or a proxy to be set?"
            raise UnreachableError(message, provider=PROVIDER, hint=hint) from error
        except GoogleAuthError as error:
            message = f"there are no credentials for Google Cloud project '{self.project}': {error}"
            hint = "run: gcloud auth application-default login; or set GEMINI_API_KEY"
            raise CredentialsError(message, provider=PROVIDER, hint=hint) from error
        return str(token.credentials.token)


_NO_KEY = "none"
"""What google-genai is given for a key where there is none: it would look for one in the environment itself."""


@contextmanager
def _without_word_of_keys() -> Iterator[None]:
    """Keep google-genai from saying which of the environment's keys it takes: it is given ours, and takes that."""
    logger = logging.getLogger("google_genai._api_client")
    logger.addFilter(_is_not_about_keys)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_about_keys)


def _is_not_about_keys(record: logging.LogRecord) -> bool:
    return "GOOGLE_API_KEY" not in record.getMessage()
