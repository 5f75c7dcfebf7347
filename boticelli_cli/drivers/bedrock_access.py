"""Who asks Bedrock, and where: keys, a profile or a role of AWS, and a region.

botocore finds credentials and signs; nothing of it leaves this module, and it is loaded when it is first needed.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from boticelli_cli.drivers.access import check_key
from boticelli_cli.drivers.http import Outgoing
from boticelli_cli.errors import CredentialsError, UnreachableError
from boticelli_cli.wire.bedrock_errors import KEY_HINT, PROVIDER, not_installed
from boticelli_cli.wire.failure import without_secrets

__all__ = ["PROVIDER", "BedrockAccess"]

_REGION_HINT = "set AWS_REGION to where the models are to run, as us-east-1; or 'region' in a profile or an account"
_SERVICE = "bedrock"
_LARGE = 1_000_000
"""Bytes that take a millisecond to sign; more of them are signed in a thread."""

_CONTENT = {"content-type": "application/json"}


@dataclass(slots=True)
class _Found:
    """What botocore found: its session, the credentials, and these as they are now."""

    session: Any = None
    credentials: Any = None
    frozen: Any = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class BedrockAccess:
    """Credentials and a region; and where to, unless it is Amazon's own address.

    With an `access_key` and its `secret_key`, these sign; an `api_key` is sent as it is. Otherwise botocore looks where
    AWS's own tools do: `AWS_BEARER_TOKEN_BEDROCK`, unless a `profile` is given; the environment's keys; `AWS_PROFILE`,
    with SSO and chains of roles; the machine's role. Without a `region`, it is `AWS_REGION`, `AWS_DEFAULT_REGION` or
    the profile's. `key_hint` is what to do about those that are refused. Raises CredentialsError for what no key can
    be, without showing it, and for half of a pair of keys.
    """

    profile: str | None = None
    region: str | None = None
    base_url: str | None = None
    key_hint: str | None = None
    api_key: str | None = field(default=None, repr=False)
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    _found: _Found = field(default_factory=_Found, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key in (self.api_key, self.access_key, self.secret_key, self.session_token):
            check_key(key, PROVIDER, self.key_hint or KEY_HINT)
        if (self.access_key is None) != (self.secret_key is None):
            message = "an access key and its secret key belong together, and one of them is missing"
            raise CredentialsError(message, provider=PROVIDER, hint=self.key_hint or KEY_HINT)

    @property
    def url(self) -> str:
        """Where models are asked, without a slash at the end. Raises CredentialsError where no region is known."""
        return self._url("bedrock-runtime")

    @property
    def listing_url(self) -> str:
        """Where models are listed."""
        return self._url("bedrock")

    @property
    def region_name(self) -> str:
        """The region. Raises CredentialsError where there is none."""
        region = self.region
        if region is None:
            with _translating(self.profile):
                region = self._session().get_config_variable("region")
        if not region:
            raise CredentialsError("there is no region to ask Bedrock in", provider=PROVIDER, hint=_REGION_HINT)
        return str(region)

    async def headers(self, outgoing: Outgoing) -> Mapping[str, str]:
        """What lets this request in: a bearer token, or a signature of all that is sent.

        Credentials are looked for, and renewed, in a thread. Raises CredentialsError, and UnreachableError where those
        who give them cannot be reached.
        """
        if (token := self._token()) is not None:
            return {"authorization": f"Bearer {token}"}
        credentials, region = await self._credentials(), self.region_name
        if len(outgoing.body) > _LARGE:
            return await asyncio.to_thread(_signed, outgoing, credentials, region)
        return _signed(outgoing, credentials, region)

    def _url(self, host: str) -> str:
        if self.base_url is not None:
            return self.base_url.rstrip("/")
        return f"https://{host}.{self.region_name}.amazonaws.com"

    def _token(self) -> str | None:
        if self.api_key is not None or self.profile is not None or self.access_key is not None:
            return self.api_key
        with _installed():
            from botocore.utils import get_token_from_environment

        token: str | None = get_token_from_environment(_SERVICE)
        check_key(token, PROVIDER, "copy it again, and set AWS_BEARER_TOKEN_BEDROCK to it")
        return token or None

    async def _credentials(self) -> Any:
        found = self._found
        if self.access_key is not None:
            with _installed():
                from botocore.credentials import ReadOnlyCredentials

            return ReadOnlyCredentials(self.access_key, self.secret_key, self.session_token)
        if _is_stale(found):
            async with found.lock:
                if _is_stale(found):
                    await asyncio.to_thread(self._find)
        return found.frozen

    def _find(self) -> None:
        found = self._found
        with _translating(self.profile):
            if found.credentials is None:
                found.credentials = self._session().get_credentials()
            if found.credentials is not None:
                found.frozen = found.credentials.get_frozen_credentials()
        if found.credentials is None:
            raise CredentialsError("there are no AWS credentials for Bedrock", provider=PROVIDER, hint=KEY_HINT)

    def _session(self) -> Any:
        found = self._found
        if found.session is None:
            with _installed():
                from botocore.session import Session

            # botocore itself reads AWS_DEFAULT_REGION only, where all newer tools of AWS's read AWS_REGION first.
            variables = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
            session = Session(session_vars=variables, profile=self.profile)
            if self.region is not None:  # roles are asked for in it, too
                session.set_config_variable("region", self.region)
            found.session = session
        return found.session


def _is_stale(found: _Found) -> bool:
    """Whether credentials have to be found, or renewed: those that expire know when they will."""
    renewed = getattr(found.credentials, "refresh_needed", None)
    return found.frozen is None or (renewed is not None and renewed())


def _signed(outgoing: Outgoing, credentials: Any, region: str) -> Mapping[str, str]:
    """The headers of a request, signed (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).

    The path as it is sent, `%2F` and all, is encoded once more for the signature; botocore does that.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(outgoing.method, outgoing.url, headers=_CONTENT, data=outgoing.body)
    SigV4Auth(credentials, _SERVICE, region).add_auth(request)
    return dict(request.headers.items())


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise not_installed() from error


@contextmanager
def _translating(profile: str | None) -> Iterator[None]:
    """Make errors of ours of what botocore says of profiles, logins and roles."""
    with _installed():
        from botocore import exceptions as aws
    try:
        yield
    except aws.ProfileNotFound as error:
        hint = "aws configure list-profiles names those that there are; AWS_PROFILE chooses one"
        raise CredentialsError(str(error), provider=PROVIDER, hint=hint) from error
    except (aws.ConnectionError, aws.HTTPClientError) as error:
        message = f"AWS gave no credentials, for it could not be reached: {error}"
        hint = "is there a network, or a proxy to be set?"
        raise UnreachableError(message, provider=PROVIDER, hint=hint) from error
    except (aws.BotoCoreError, aws.ClientError) as error:
        login = "aws sso login" if profile is None else f"aws sso login --profile {profile}"
        message = f"AWS gave no credentials: {without_secrets(str(error))}"
        raise CredentialsError(message, provider=PROVIDER, hint=f"run: {login}; or look at the profile") from error
