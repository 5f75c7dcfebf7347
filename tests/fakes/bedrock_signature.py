"""Who is let in to the fake Bedrock service: signatures are made again, of what came in, and compared."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.bedrock_wire import ApiError, Asked

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request, "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def admit(asked: Asked, secrets: Mapping[str, tuple[str, str | None]], tokens: Collection[str], region: str) -> None:
    """Raises ApiError for a signature that is not that of one of the secrets, and for a bearer token of nobody's.

    `secrets` are, by access key, the secret key, and the session token where there is one.
    """
    said = asked.headers.get("Authorization", "")
    if said.startswith("Bearer "):
        if said.removeprefix("Bearer ") not in tokens:
            raise _denied("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
        return
    found = _AUTHORIZATION.fullmatch(said)
    if found is None:
        raise _denied("MissingAuthenticationTokenException", "Missing Authentication Token")
    if found["key"] not in secrets:
        raise _denied("UnrecognizedClientException", "The security token included in the request is invalid.")
    secret, token = secrets[found["key"]]
    _check_claims(asked, found, token, region)
    signed = found["headers"].split(";")
    if not {"host", "x-amz-date"} <= set(signed):
        raise _denied("InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader'.")
    if _signature(asked, signed, Credentials(found["key"], secret, token), region) != found["signature"]:
        message = (
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
            f"Key and signing method.\n\nThe Canonical String for this request should have been\n'{asked.method}\n…'"
        )
        raise _denied("InvalidSignatureException", message)


def _check_claims(asked: Asked, found: re.Match[str], token: str | None, region: str) -> None:
    if token != asked.headers.get("X-Amz-Security-Token"):
        raise _denied("ExpiredTokenException", "The security token included in the request is expired")
    if (found["region"], found["service"]) != (region, "bedrock"):
        raise _denied(
            "InvalidSignatureException", f"Credential should be scoped to a valid region, not '{found['region']}'."
        )
    date = asked.headers.get("X-Amz-Date", "")
    at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if not date.startswith(found["date"]) or abs((datetime.now(UTC) - at).total_seconds()) > 300:
        raise _denied("InvalidSignatureException", f"Signature expired: {date} is now earlier than it may be")


def _signature(asked: Asked, signed: list[str], credentials: Credentials, region: str) -> str:
    headers = {name: asked.headers[name] for name in signed if name in asked.headers}
    request = AWSRequest(asked.method, f"https://{asked.headers['Host']}{asked.path}", headers, asked.data)
    request.context["timestamp"] = asked.headers["X-Amz-Date"]
    auth = SigV4Auth(credentials, "bedrock", region)
    signature: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return signature


def _denied(name: str, message: str) -> ApiError:
    return ApiError(403, name, message)
