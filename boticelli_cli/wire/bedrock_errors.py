"""Amazon Bedrock's errors, both ways, as statuses and as exceptions within a stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and the errors of each operation there. Their
kind is in the header `x-amzn-ErrorType`, or in the name of the exception; what is meant, at times only in the message.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError, QuotaError, RefusedError
from boticelli_cli.wire.failure import FINAL, LATER, REFUSED_HINT, phrase, seconds, status_of, without_secrets

__all__ = [
    "KEY_HINT",
    "PROVIDER",
    "decode_error",
    "decode_exception",
    "decode_failure",
    "encode_error",
    "encode_exception",
    "error_name",
    "not_installed",
    "unreadable_frame",
]

PROVIDER: Final = "bedrock"

KEY_HINT: Final = "run: aws sso login; or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def decode_error(
    status: int, body: bytes, retry_after: str | None = None, *, name: str = "", now: datetime | None = None
) -> ProviderError:
    """The error that an answer with a bad status is, whatever its body: Amazon's JSON, a proxy's HTML, or nothing.

    `name` is the kind of error, as a header or an exception's frame tells it; `retry_after` the header of that name,
    measured against `now`. An unknown model is always of status 404, which Bedrock itself says of some only.
    """
    said, kind = _said(body)
    name = _bare(name or kind)
    if name.startswith(("throttling", "toomanyrequests")):  # some of AWS's gates say it with a status of 400
        status = 429
    # The lines that follow the first hold the request as it should have been signed, session token and all.
    message = without_secrets(said.strip().partition("\n")[0]) or phrase(status)
    if name in _CREDENTIALS or status in (401, 403) or name == "accessdeniedexception":
        return _refused_credentials(name, message, status)
    if "per day" in message.lower() and status == 429:
        return QuotaError(f"the day's quota is spent: {message}", provider=PROVIDER, status=status)
    if name == "servicequotaexceededexception":
        hint = "ask for more in the console's Service Quotas, or ask another model"
        return QuotaError(f"a quota is spent: {message}", provider=PROVIDER, status=status, hint=hint)
    if status == 404 or "model identifier is invalid" in message:
        hint = "check the model's id, and whether this region has it"
        return RefusedError(message, provider=PROVIDER, status=404, hint=hint)
    if found := _ON_DEMAND.search(said):
        return _needs_profile(found[1] or "", status)
    if status in FINAL and _TOO_LONG.search(message):
        hint = "shorten it, or ask a model that takes more"
        return RefusedError(f"the prompt is too long: {message}", provider=PROVIDER, status=status, hint=hint)
    if status in FINAL:
        return RefusedError(message, provider=PROVIDER, status=status, hint=REFUSED_HINT)
    wait = seconds(retry_after, now)
    return ProviderError(message, provider=PROVIDER, status=status, retry_after=wait, hint=LATER)


def decode_failure(status: int, body: bytes, headers: Mapping[str, str]) -> ProviderError:
    """The same, by an answer's headers, which are looked up by names in small letters."""
    return decode_error(status, body, headers.get("retry-after"), name=headers.get("x-amzn-errortype") or "")


def decode_exception(name: str, payload: bytes) -> ProviderError:
    """The error that an exception within a stream is."""
    return decode_error(_STATUSES.get(_bare(name), 500), payload, name=name)


def encode_error(error: BoticelliError) -> tuple[int, bytes]:
    """An error as a server of this dialect says it: the HTTP status, and the body. The header is `error_name`."""
    status = status_of(error)
    said = {"__type": error_name(error), "message": error.message.encode(errors="replace").decode()}
    return status, msgspec.json.encode(said)


def error_name(error: BoticelliError) -> str:
    """What stands in the header `x-amzn-ErrorType`."""
    match status_of(error):
        case 401 | 403:
            return "AccessDeniedException"
        case 404:
            return "ResourceNotFoundException"
        case 408 | 504:
            return "ModelTimeoutException"
        case 424:
            return "ModelErrorException"
        case 429:
            return "ThrottlingException"
        case 503 | 529:
            return "ServiceUnavailableException"
        case status:
            return "ValidationException" if status < 500 else "InternalServerException"


def encode_exception(error: BoticelliError, *, timeouts: bool = False) -> tuple[str, bytes]:
    """An error as a stream says it: the exception's name, and its payload. Only InvokeModel's has `timeouts`."""
    name = error_name(error)
    if name == "ModelTimeoutException":
        name = "modelTimeoutException" if timeouts else "serviceUnavailableException"
    else:
        name = _IN_STREAM.get(name, "validationException")
    return name, msgspec.json.encode({"message": error.message.encode(errors="replace").decode()})


def not_installed() -> RefusedError:
    """What there is to say where botocore is missing."""
    hint = "run: pip install 'boticelli[bedrock]'"
    return RefusedError("Bedrock's part is not installed: botocore is missing", provider=PROVIDER, hint=hint)


def unreadable_frame(exc: Exception) -> ProviderError:
    """The error that bytes are which should have been a frame."""
    message = f"what came cannot be read: it is no event-stream frame ({exc or type(exc).__name__})"
    return ProviderError(message, provider=PROVIDER, hint="run it again; something in between may have changed it")


_CREDENTIALS = {
    "expiredtoken",
    "expiredtokenexception",
    "incompletesignature",
    "incompletesignatureexception",
    "invalidclienttokenid",
    "invalidsignatureexception",
    "missingauthenticationtoken",
    "missingauthenticationtokenexception",
    "optinrequired",
    "requestexpired",
    "unrecognizedclientexception",
}

_STATUSES = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}

_IN_STREAM = {
    "InternalServerException": "internalServerException",
    "ModelErrorException": "modelStreamErrorException",
    "ServiceUnavailableException": "serviceUnavailableException",
    "ThrottlingException": "throttlingException",
}

_ON_DEMAND = re.compile(r"(?:model ID (\S+) )?with on-demand throughput isn.t supported")
_TOO_LONG = re.compile(r"(?i)too long|too many (input )?tokens|exceeds? the (maximum|model's).*(context|tokens|length)")


def _said(body: bytes) -> tuple[str, str]:
    """What a body says, as far as it can be read: a message, and of which kind it is."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(raw, dict):
        return "", ""

    def text(*keys: str) -> str:
        return next((raw[key] for key in keys if isinstance(raw.get(key), str)), "")

    # Bedrock writes `message`; what lets requests in before it, `Message`.
    return text("message", "Message", "originalMessage"), text("__type", "code")


def _bare(name: str) -> str:
    """A kind of error without what services put around it: `com.amazon#ValidationException:http://internal…`."""
    return name.partition(":")[0].rpartition("#")[2].lower()


def _refused_credentials(name: str, message: str, status: int) -> CredentialsError:
    words = message.lower()
    if name.startswith(("expired", "requestexpired")) or "token included in the request is expired" in words:
        sentence, hint = f"the credentials have expired: {message}", f"renew them; {KEY_HINT}"
    elif "signature expired" in words or "signature not yet current" in words:
        sentence, hint = f"the signature was refused: {message}", "set this machine's clock right"
    elif name in _CREDENTIALS or status == 401:
        sentence, hint = f"the credentials were refused: {message}", KEY_HINT
    else:
        sentence = f"the credentials may not do this: {message}"
        hint = "they need the permission bedrock:InvokeModel, and the account access to the model, in this region"
    return CredentialsError(sentence, provider=PROVIDER, status=status, hint=hint)


def _needs_profile(model: str, status: int) -> RefusedError:
    message = f"{model or 'this model'} is asked through an inference profile only, not by its own id"
    hint = f"put where it runs before its id: us.{model or '…'}, or eu., apac., global."
    return RefusedError(message, provider=PROVIDER, status=status, hint=hint)
