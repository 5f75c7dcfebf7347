"""The shape of a configuration file: act settings as defaults, providers, accounts, routes, limits, prices, gateway."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from boticelli_cli.errors import did_you_mean
from boticelli_cli.grants import Permission
from boticelli_cli.narrative.document import SettingsDocument, Words
from boticelli_cli.narrative.shape import Shape
from boticelli_cli.routes import TRANSFORMER_NAMES, wanted_argument

__all__ = [
    "AccountDocument",
    "ConfigDocument",
    "GatewayDocument",
    "GatewayKeyDocument",
    "LimitsDocument",
    "LongContextDocument",
    "PatternDocument",
    "PriceDocument",
    "ProviderDocument",
    "RoutesDocument",
]


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _command(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value) and value[0]:
        return value
    raise PydanticCustomError("command", "'api_key_cmd' is a command line, or a list of a program and its arguments")


def _transformer(value: Any) -> Any:
    """A transformer's name, or a mapping of one name to its argument."""
    name, argument = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (value, None)
    if not isinstance(name, str):
        raise PydanticCustomError("transformer", "a transformer is its name, or one name with its argument")
    if name not in TRANSFORMER_NAMES:
        hint = did_you_mean(name, TRANSFORMER_NAMES) or f"; there are {', '.join(TRANSFORMER_NAMES)}"
        raise PydanticCustomError("transformer", "unknown transformer '{name}'{hint}", {"name": name, "hint": hint})
    if wanted := wanted_argument(name, argument):
        raise PydanticCustomError("transformer", "transformer '{name}' takes {what}", {"name": name, "what": wanted})
    return value


Count = Annotated[int, Field(ge=0)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Command = Annotated[Any, PlainValidator(_command, json_schema_input_type=Words | list[str])]
Transformer = Annotated[Any, PlainValidator(_transformer, json_schema_input_type=str | dict[str, Any])]
Targets = Annotated[
    list[Words], Field(min_length=1), BeforeValidator(_one_or_several, json_schema_input_type=Words | list[Words])
]


class ProviderDocument(Shape):
    """Somebody who serves models: where, and how to speak to them."""

    dialect: Literal["gemini", "anthropic", "openai", "bedrock"] | None = Field(
        None, description="Whose interface it speaks."
    )
    base_url: Words | None = Field(None, description="Where it is, as the dialect's own client takes it.")
    api_key: Words | None = Field(None, description="The key, or $NAME for an environment variable that holds it.")
    api_key_cmd: Command = Field(None, description="A command that writes the key.")
    transformers: list[Transformer] | None = Field(None, description="What its requests pass through, in order.")


class AccountDocument(Shape):
    """A key, and what it may be used for."""

    name: Words = Field(description="What it is called in messages and limits.")
    provider: Words = Field(description="Whose key it is.")
    api_key: Words | None = Field(None, description="The key, or $NAME for an environment variable that holds it.")
    api_key_cmd: Command = Field(None, description="A command that writes the key.")
    profile: Words | None = Field(None, description="For Bedrock: the profile of the AWS configuration.")
    region: Words | None = Field(None, description="For Bedrock: the AWS region.")
    tier: Words | None = Field(None, description="The provider's tier, by which the catalogue knows its limits.")
    priority: int = Field(100, description="Accounts with the lowest are used first.")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests under way at once.")


class LongContextDocument(Shape):
    """Where requests go that are longer than others."""

    over_tokens: Annotated[int, Field(ge=1)] | None = Field(None, description="More input tokens than this.")
    to: Targets | None = Field(None, description="The model, or the chain of them.")


class PatternDocument(Shape):
    """Where requests go whose prompt something is found in."""

    match: Words = Field(description="A regular expression, in Python's words.")
    to: Targets = Field(description="The model, or the chain of them.")


class RoutesDocument(Shape):
    """Which models are asked for which requests. A list is a chain: the next is asked when one does not answer."""

    default: Targets | None = Field(None, description="For requests that name no model.")
    background: Targets | None = Field(None, description="For those that are asked for as background work.")
    think: Targets | None = Field(None, description="For those that ask for thinking.")
    long_context: LongContextDocument | None = Field(None, description="For long ones.")
    image: Targets | None = Field(None, description="For those with pictures.")
    web_search: Targets | None = Field(None, description="For those that search the web.")
    patterns: list[PatternDocument] | None = Field(None, description="By what stands in the prompt; the first wins.")
    aliases: dict[str, Targets] = Field(default_factory=dict, description="Other names for models; may be globs.")


class LimitsDocument(Shape):
    """How much may be asked of a model."""

    rpm: Count | None = Field(None, description="Requests in any minute.")
    tpm: Count | None = Field(None, description="Input tokens in any minute.")
    rpd: Count | None = Field(None, description="Requests in a day, by the provider's calendar.")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests under way at once.")


class ProviderLimitsDocument(Shape):
    """The limits of a provider's models."""

    models: dict[str, LimitsDocument] = Field(default_factory=dict)


class PriceDocument(Shape):
    """USD for a million tokens."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None


class GatewayKeyDocument(Shape):
    """A key that the gateway takes, by its hash, and what its holder may do."""

    name: Words = Field(description="What it is called in messages, counts and metrics.")
    sha256: Words = Field(description="The SHA-256 of the key, in hexadecimal.")
    permissions: Annotated[list[Permission], Field(min_length=1)] | None = Field(
        None, description="The faces that it opens: claude, gemini, openai, all; or admin."
    )
    models: Targets | None = Field(None, description="The models that may be asked for; may be globs.")
    expires: Words | None = Field(None, description="When it ends: a date, or a time, in UTC if it names no zone.")
    rpm: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests in any minute.")
    tpm: Annotated[int, Field(ge=1)] | None = Field(None, description="Tokens in any minute, input and output.")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests under way at once.")
    usd_per_day: Dollars | None = Field(None, description="What its requests may cost in a day (UTC).")
    usd_total: Dollars | None = Field(None, description="What its requests may cost in all.")


class GatewayDocument(Shape):
    """The gateway: who may use it, and what its options are where the command line says nothing."""

    keys: list[GatewayKeyDocument] | None = Field(None, description="The keys that it takes, beside those issued.")
    host: Words | None = Field(None, description="The address to listen at.")
    port: Annotated[int, Field(ge=0, le=65_535)] | None = Field(None, description="The port to listen at.")
    redis: Words | None = Field(None, description="The Redis through which several gateways share what they know.")
    workers: Annotated[int, Field(ge=1)] | None = Field(None, description="How many processes serve.")
    grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="Seconds that streams have to finish when it is shut down."
    )
    max_body_mb: Annotated[int, Field(ge=1)] | None = Field(None, description="The largest request, in megabytes.")
    tls_cert: Words | None = Field(None, description="The file of the certificate, for TLS.")
    tls_key: Words | None = Field(None, description="The file of its private key.")


class ConfigDocument(SettingsDocument):
    """What a user, or a project, has set."""

    providers: dict[str, ProviderDocument] = Field(default_factory=dict)
    accounts: list[AccountDocument] | None = None
    routes: RoutesDocument | None = None
    limits: dict[str, ProviderLimitsDocument] = Field(default_factory=dict)
    prices: dict[str, PriceDocument] = Field(default_factory=dict)
    gateway: GatewayDocument | None = None
