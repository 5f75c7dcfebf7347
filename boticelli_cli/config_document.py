"""The shape of a configuration file: act settings as defaults, accounts, limits and prices."""

from typing import Annotated, Literal

from pydantic import Field

from boticelli_cli.narrative.document import SettingsDocument, Words
from boticelli_cli.narrative.shape import Shape

__all__ = ["AccountDocument", "ConfigDocument", "LimitsDocument", "PriceDocument"]

Count = Annotated[int, Field(ge=0)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LimitsDocument(Shape):
    """How much may be asked of a model."""

    rpm: Count | None = Field(None, description="Requests in any minute.")
    tpm: Count | None = Field(None, description="Input tokens in any minute.")
    rpd: Count | None = Field(None, description="Requests in a day, by the provider's calendar.")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests under way at once.")


class ProviderLimitsDocument(Shape):
    """The limits of a provider's models."""

    models: dict[str, LimitsDocument] = Field(default_factory=dict)


class AccountDocument(Shape):
    """A key, and what it may be used for."""

    name: Words = Field(description="What it is called in messages and limits.")
    provider: Literal["gemini"] = Field(description="Whose key it is.")
    api_key: Words | None = Field(None, description="The key, or $NAME for an environment variable that holds it.")
    tier: Words | None = Field(None, description="The provider's tier, by which the catalogue knows its limits.")
    priority: int = Field(100, description="The account with the lowest is used.")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="Requests under way at once.")


class PriceDocument(Shape):
    """USD for a million tokens."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None


class ConfigDocument(SettingsDocument):
    """What a user, or a project, has set."""

    accounts: list[AccountDocument] | None = None
    limits: dict[Literal["gemini"], ProviderLimitsDocument] = Field(default_factory=dict)
    prices: dict[str, PriceDocument] = Field(default_factory=dict)
