"""Gemini's models by way of a Google Cloud project: no key, but a token of Google's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from boticelli_cli.config import read_config
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.errors import CredentialsError, UnreachableError
from boticelli_cli.messages import Original
from tests.drivers.asking import MODEL, ask, asking, closed_port, failure
from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import serving
from tests.fakes.token import FakeTokens, service_account

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTokens]:
    """A service account whose tokens come from a fake, which google-auth asks from a thread."""
    with serving(FakeTokens()) as tokens:
        path = service_account(tmp_path / "account.json", f"{tokens.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
        yield tokens


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nobody has logged in to Google Cloud."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@both_ways
async def test_asks_with_the_token_of_a_service_account(tokens: FakeTokens, whole: bool) -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess(base_url=fake.url, project="project", location="europe-west4"))
        assert (await ask(driver, whole=whole)).text == "You said: Hello."
        assert await driver.count_tokens(asking("one two", system="Be brief.", options={"safetySettings": []})) == 4
        await driver.aclose()
    assert tokens.asked == 1
    asked = fake.requests[0]
    action = "generateContent" if whole else "streamGenerateContent"
    path = f"/v1/projects/project/locations/europe-west4/publishers/google/models/{MODEL}:{action}"
    assert (asked.vertex, asked.path, asked.key) == (True, path, "test-token")


@both_ways
async def test_without_a_project_no_token_is_sent_to_an_address_of_ones_own(tokens: FakeTokens, whole: bool) -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess(base_url=fake.url))
        error = await failure(driver, whole=whole)
        await driver.aclose()
    assert isinstance(error, CredentialsError)
    assert tokens.asked == 0
    assert [(asked.vertex, asked.key) for asked in fake.requests] == [(False, None)]


def test_nor_does_googles_own_client_look_for_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "recognizable")
    monkeypatch.setenv("GEMINI_API_KEY", "recognizable")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "recognizable")
    client = GeminiAccess(base_url="http://127.0.0.1:8").client()
    assert client._api_client.api_key == "none"


async def test_many_requests_at_once_fetch_one_token(tokens: FakeTokens) -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess(base_url=fake.url, project="project"))
        await asyncio.gather(*(ask(driver) for _ in range(20)))
        await driver.aclose()
    assert tokens.asked == 1


async def test_a_token_that_is_refused_says_whose_it_is(tokens: FakeTokens) -> None:
    tokens.token = "ya29.recognizable"
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess(base_url=fake.url, project="project"))
        error = await failure(driver)
        await driver.aclose()
    assert isinstance(error, CredentialsError)
    assert error.status == 401
    assert error.hint == (
        "run: gcloud auth application-default login, as somebody who has the role Vertex AI User in project 'project'"
    )
    assert "recognizable" not in repr(vars(error))


async def test_an_account_that_is_refused_a_token_is_told(tokens: FakeTokens) -> None:
    tokens.status = 400
    driver = Gemini(GeminiAccess(project="project"))
    error = await failure(driver)
    assert isinstance(error, CredentialsError)
    assert error.message.startswith("there are no credentials for Google Cloud project 'project': ")
    assert "No such account." in error.message
    assert "gcloud auth application-default login" in (error.hint or "")


@pytest.mark.slow  # google-auth asks again, and waits in between
async def test_a_token_endpoint_that_cannot_be_reached_is_no_fault_of_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = service_account(tmp_path / "account.json", f"http://127.0.0.1:{closed_port()}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
    error = await failure(Gemini(GeminiAccess(project="project")))
    assert isinstance(error, UnreachableError)
    assert error.message.startswith("Google Cloud gave no token, for it could not be reached: ")


@pytest.mark.usefixtures("nobody")
async def test_nobody_is_told_how_to_log_in() -> None:
    error = await failure(Gemini(GeminiAccess(project="project")))
    assert isinstance(error, CredentialsError)
    assert error.message.startswith("there are no credentials for Google Cloud project 'project': ")
    assert error.hint == "run: gcloud auth application-default login; or set GEMINI_API_KEY"


async def test_credentials_that_are_not_whole_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "account.json").write_text('{"type": "service_account"')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    assert isinstance(await failure(Gemini(GeminiAccess(project="project"))), CredentialsError)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_every_location_has_its_address(location: str, url: str) -> None:
    assert GeminiAccess(project="project", location=location).url == url


def test_a_project_asks_only_where_there_is_no_key(folder: Path) -> None:
    project = {
        "GOOGLE_CLOUD_PROJECT": "project",
        "GOOGLE_CLOUD_LOCATION": "europe-west4",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:1/",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:2",
    }
    [account] = read_config(project, folder).accounts_of("gemini")
    assert (account.api_key, account.project, account.location) == (None, "project", "europe-west4")
    assert account.base_url == "http://127.0.0.1:1"
    [account] = read_config({**project, "GEMINI_API_KEY": "k"}, folder).accounts_of("gemini")
    assert (account.api_key, account.project, account.base_url) == ("k", None, "http://127.0.0.1:2")


@both_ways
async def test_writes_requests_anew_and_reads_their_answers(tokens: FakeTokens, whole: bool) -> None:
    async with FakeGemini() as fake:
        driver = Gemini(GeminiAccess(base_url=fake.url, project="project", location="global"))
        response = await ask(driver, asking(original=Original("gemini", b"not sent")), whole=whole)
        await driver.aclose()
    assert (response.text, response.forwarded) == ("You said: Hello.", None)
