"""What every driver over HTTP says of requests that are refused: what went wrong, and what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import anthropic_driver
from boticelli_cli.drivers.dialect import HttpDriver
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError
from tests.clock import in_virtual_time
from tests.drivers.dialects import (
    ANTHROPIC,
    GEMINI,
    OPENAI,
    PAIRS,
    Dialect,
    both_transports,
    both_ways,
    every_dialect,
)
from tests.fakes.behaviours import Behaviour, Blocked, Fail, NotJSON

Case = tuple[Behaviour, type[ProviderError], str, str, float | None]

OF_GEMINI: list[Case] = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(403, "Not allowed."), CredentialsError, "the key may not do this: Not allowed.", "GEMINI_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(429), ProviderError, "a quota is spent for now", "later", None),
    (Fail(429, retry=17), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, retry_after=5), ProviderError, "a quota is spent for now", "later", 5),
    (Fail(429, retry=17, retry_after=5), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, quota="PerMinute", retry=2.5), ProviderError, "GenerateRequestsPerMinutePer", "later", 2.5),
    (Fail(429, quota="PerDay", retry=17), QuotaError, "the day's quota is spent: GenerateRequestsPerDay", "", None),
    (Fail(500), ProviderError, "An internal error has occurred", "later", None),
    (Fail(503), ProviderError, "The model is overloaded", "later", None),
    (Fail(503, retry_after=30), ProviderError, "The model is overloaded", "later", 30),
    (Fail(504), ProviderError, "The request timed out", "later", None),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked(), RefusedError, "the prompt was blocked (PROHIBITED_CONTENT)", "reword it", None),
    (Blocked("SAFETY"), RefusedError, "the prompt was blocked (SAFETY)", "safetySettings", None),
    (
        Fail(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        RefusedError,
        "the prompt is 151,424 tokens too long",
        "shorten it",
        None,
    ),
]
OF_ANTHROPIC: list[Case] = [
    (Fail(400, "top_k: no."), RefusedError, "top_k: no.", "change what is asked", None),
    (Fail(403), CredentialsError, "the key may not do this: Your API key", "ANTHROPIC_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(413), RefusedError, "the request is too large", "shorten it", None),
    (Fail(429), ProviderError, "a limit is reached for now: This request would exceed", "later", None),
    (Fail(429, retry_after=5), ProviderError, "a limit is reached for now", "later", 5),
    (Fail(402), QuotaError, "what may be used is spent", "billing", None),
    (Fail(400, quota="PerDay"), QuotaError, "You will regain access on 2026-12-01", "billing", None),
    (Fail(500), ProviderError, "Internal server error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "Error 503.", "later", 30),
    (Fail(529), ProviderError, "Overloaded", "later", None),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked("Not this."), RefusedError, "the model refused to answer (cyber): Not this.", "reword it", None),
    (
        Fail(400, "prompt is too long: 210000 tokens > 200000 maximum"),
        RefusedError,
        "the prompt is 10,000 tokens too long",
        "shorten it",
        None,
    ),
]
OF_OPENAI: list[Case] = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(403, "Not allowed."), CredentialsError, "the key may not do this: Not allowed.", "OPENAI_API_KEY", None),
    (Fail(404, "Not there."), RefusedError, "Not there.", "check the model's name", None),
    (Fail(402, "Insufficient credits."), QuotaError, "the account's credit is spent", "add credit", None),
    (Fail(429), ProviderError, "a quota is spent for now", "later", None),
    (Fail(429, retry=17), ProviderError, "a quota is spent for now", "later", 17),
    (Fail(429, retry=17, retry_after=5), ProviderError, "a quota is spent for now", "later", 5),
    (Fail(429, quota="PerDay"), QuotaError, "the account's credit is spent: You exceeded", "add credit", None),
    (Fail(500), ProviderError, "The server had an error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "The engine is currently overloaded", "later", 30),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
    (Blocked(), RefusedError, "the prompt was blocked: Invalid prompt", "reword it", None),
    (
        Fail(
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        ),
        RefusedError,
        "the prompt is 2,000 tokens too long",
        "shorten it",
        None,
    ),
]
OF_BEDROCK: list[Case] = [
    (Fail(400, "Invalid value."), RefusedError, "Invalid value.", "change what is asked", None),
    (Fail(400, "Input is too long for requested model."), RefusedError, "the prompt is too long", "shorten it", None),
    (Fail(403), CredentialsError, "the credentials may not do this", "access to the model", None),
    (Fail(404), RefusedError, "Model not found.", "region", None),
    (Fail(408), ProviderError, "Model has timed out", "later", None),
    (Fail(424), ProviderError, "The model returned", "later", None),
    (Fail(429), ProviderError, "Too many requests", "later", None),
    (Fail(429, retry_after=5), ProviderError, "Too many requests", "later", 5),
    (Fail(429, quota="PerDay"), QuotaError, "the day's quota is spent", "", None),
    (Fail(500), ProviderError, "unexpected error", "later", None),
    (Fail(503, retry_after=30), ProviderError, "Bedrock is unable", "later", 30),
    (NotJSON(), ProviderError, "HTTP 502 Bad Gateway", "later", None),
]
CASES_OF = {"gemini": OF_GEMINI, "anthropic": OF_ANTHROPIC, "openai": OF_OPENAI, "bedrock": OF_BEDROCK}
CASES = [(*pair, *case) for pair in PAIRS for case in CASES_OF[pair[0].provider]]


@pytest.mark.parametrize(
    ("dialect", "wide", "behaviour", "kind", "message", "hint", "wait"),
    CASES,
    ids=[f"{dialect}-{number}" for number, (dialect, *_) in enumerate(CASES)],
)
@in_virtual_time
async def test_says_what_went_wrong_and_what_to_do(
    dialect: Dialect,
    wide: bool,
    behaviour: Behaviour,
    kind: type[ProviderError],
    message: str,
    hint: str,
    wait: float | None,
) -> None:
    async with dialect.talking(behaviour, behaviour, wide=wide) as (fake, driver):
        for whole in (False, True):
            error = await dialect.failure(driver, whole=whole)
            assert type(error) is kind
            assert message in error.message
            assert hint in (error.hint or "")
            assert (error.retry_after, error.provider) == (wait, dialect.provider)
        assert (await dialect.ask(driver)).text == "You said: Hello."
        assert fake.connections == 1


@every_dialect
@in_virtual_time
async def test_retry_after_may_be_a_date(dialect: Dialect) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with dialect.talking(Fail(503, retry_after=date)) as (_, driver):
        assert 80 < ((await dialect.failure(driver)).retry_after or 0) <= 90


@pytest.mark.parametrize(
    ("dialect", "key", "status", "message", "hint"),
    [
        (
            GEMINI,
            "AIzaSyRecognizable-0123456789abcdefghijk",
            400,
            "the key was refused: API key not valid. Please pass a valid API key.",
            "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey",
        ),
        (
            ANTHROPIC,
            "sk-ant-api03-Recognizable-0123456789",
            401,
            "the key was refused: invalid x-api-key",
            "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys",
        ),
        (
            OPENAI,
            "sk-proj-Recognizable0123456789",
            401,
            "the key was refused",
            "set OPENAI_API_KEY to a key from https://platform.openai.com/api-keys",
        ),
    ],
    ids=str,
)
@both_transports
@both_ways
@in_virtual_time
async def test_a_bad_key_is_refused_and_never_told(
    dialect: Dialect, key: str, status: int, message: str, hint: str, wide: bool, whole: bool
) -> None:
    async with dialect.talking(wide=wide, key=key) as (_, driver):
        error = await dialect.failure(driver, whole=whole)
        assert key not in repr(vars(driver))
    assert isinstance(error, CredentialsError)
    assert (error.status, error.hint) == (status, hint)
    assert error.message.startswith(message)
    assert "Recogn" not in error.message
    assert key[-4:] not in error.message


@pytest.mark.parametrize("dialect", [GEMINI, ANTHROPIC, OPENAI], ids=str)
@in_virtual_time
async def test_a_key_of_the_configuration_that_is_refused_is_named_by_its_account(dialect: Dialect) -> None:
    async with dialect.talking(key="not-a-key", key_hint="it is the spare one's") as (_, driver):
        error = await dialect.failure(driver)
    assert isinstance(error, CredentialsError)
    assert error.hint == "it is the spare one's"


@pytest.mark.parametrize(("dialect", "wide"), PAIRS, ids=str)
@both_ways
@in_virtual_time
async def test_an_unknown_model_is_hinted_at(dialect: Dialect, wide: bool, whole: bool) -> None:
    async with dialect.talking(unknown_hint="not {}, but this".format, wide=wide) as (_, driver):
        error = await dialect.failure(driver, dialect.asking(model="soonet-0"), whole=whole)
        other = await dialect.failure(driver, dialect.asking("[[400]]"), whole=whole)
    assert (error.status, error.hint) == (404, "not soonet-0, but this")
    assert "soonet-0" in error.message or dialect.provider == "bedrock"
    assert (other.hint or "").startswith("change what is asked")


@pytest.mark.parametrize(
    ("make", "provider", "named"),
    [
        (anthropic_driver, "anthropic", "ANTHROPIC_BASE_URL"),
        (anthropic_driver, "mine", "'base_url' of 'mine'"),
        (openai_driver, "openai", "OPENAI_BASE_URL"),
        (openai_driver, "mine", "'base_url' of 'mine'"),
    ],
)
@in_virtual_time
async def test_an_address_that_is_none_says_where_it_was_set(
    make: Callable[[Access], HttpDriver], provider: str, named: str
) -> None:
    driver = make(Access(provider, "test-key", "http://localhost:no-port"))
    error = await ANTHROPIC.failure(driver)
    await driver.aclose()
    assert isinstance(error, RefusedError)
    assert named in (error.hint or "")
