"""Media that are too large to go along with a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.gemini_files import INLINE_LIMIT, GeminiFiles
from boticelli_cli.errors import CredentialsError, NoAnswerError, ProviderError, RefusedError
from boticelli_cli.messages import Media, Original
from tests.clock import in_virtual_time
from tests.drivers.asking import ask, asking, closed_port, failure, gemini, settle
from tests.fakes.gemini import FakeGemini

# by google-genai
pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]

LARGE = Media("video", "video/mp4", b"v" * (INLINE_LIMIT + 1), name="film.mp4")
SMALL = Media("image", "image/png", b"picture", name="a.png")


@asynccontextmanager
async def sending() -> AsyncIterator[tuple[FakeGemini, GeminiFiles]]:
    """The part of the driver that sends files, by itself: in virtual time no thread may run beside a timer."""
    async with FakeGemini() as fake:
        files = GeminiFiles(GeminiAccess("test-key", fake.url))
        try:
            yield fake, files
        finally:
            await files.aclose()


def parts(fake: FakeGemini) -> list[list[str]]:
    """What kinds of parts each request held."""
    asked = [each for each in fake.requests if each.action]
    return [[next(iter(part)) for part in each.content["contents"][0]["parts"]] for each in asked]


def uploads(fake: FakeGemini) -> int:
    return sum(asked.path.startswith("/upload") and "upload_id" not in asked.query for asked in fake.requests)


async def test_what_passes_twenty_megabytes_is_put_where_the_model_finds_it() -> None:
    async with gemini() as (fake, driver):
        response = await ask(driver, asking("What is this?", SMALL, LARGE))
        [stored] = fake.files.stored.values()
    assert response.text == "You said: What is this?"
    assert parts(fake) == [["text", "inlineData", "fileData"]]
    assert (bytes(stored.data), stored.mime_type, stored.display_name) == (LARGE.data, "video/mp4", "film.mp4")


@in_virtual_time
async def test_what_has_twenty_megabytes_all_together_may_go_inline() -> None:
    half = Media("image", "image/png", b"x" * (INLINE_LIMIT // 2))
    async with sending() as (fake, files):
        fitting = asking("What is this?", half, half)
        assert await files.fit(fitting) is fitting
        assert not fake.requests
    async with gemini() as (fake, driver):
        small = Media("image", "image/png", b"x" * 7_000_000)
        await ask(driver, asking("What is this?", small, small))
    assert parts(fake) == [["text", "inlineData", "inlineData"]]


@in_virtual_time
async def test_it_is_sent_once_even_when_two_acts_send_it_at_once_and_a_third_later() -> None:
    async with sending() as (fake, files):
        first, second = await asyncio.gather(files.fit(asking("one", LARGE)), files.fit(asking("two", LARGE)))
        third = await files.fit(asking("three", LARGE))
        assert uploads(fake) == 1
    assert first.messages[0].parts[1] == second.messages[0].parts[1] == third.messages[0].parts[1]


@in_virtual_time
async def test_the_largest_are_sent_apart_until_the_rest_fits() -> None:
    eight, nine = (Media("image", "image/png", bytes([size]) * size * 1_000_000) for size in (8, 9))
    async with sending() as (fake, files):
        request = await files.fit(asking("What?", eight, nine, SMALL, eight))
        assert uploads(fake) == 1
    [_, first, second, third, fourth] = request.messages[0].parts
    assert (first, third, fourth) == (eight, SMALL, eight)
    assert isinstance(second, Media)
    assert (second.data, second.mime) == (None, "image/png")
    assert second.url


@in_virtual_time
async def test_waits_until_a_file_has_been_processed() -> None:
    async with sending() as (fake, files):
        fake.files.polls = 60
        await files.fit(asking("What?", LARGE))
        assert sum(asked.method == "GET" for asked in fake.requests) == 61


@in_virtual_time
async def test_says_that_a_file_could_not_be_processed_and_sends_it_again_when_asked_again() -> None:
    async with sending() as (fake, files):
        fake.files.fails = True
        with pytest.raises(RefusedError, match=r"Gemini could not process film\.mp4 \(video/mp4\)") as raised:
            await files.fit(asking("What?", LARGE))
        assert raised.value.hint
        fake.files.fails = False
        await files.fit(asking("What?", LARGE))
        assert uploads(fake) == 2


async def test_a_bad_key_is_a_bad_key_here_too() -> None:
    async with gemini(key="AIzaSyRecognizable-0123456789") as (_, driver):
        error = await failure(driver, asking("What?", LARGE))
    assert isinstance(error, CredentialsError)
    assert error.message == "the key was refused: API key not valid. Please pass a valid API key."
    assert "Recognizable" not in repr(vars(error))


@pytest.mark.parametrize(("status", "kind"), [(503, ProviderError), (400, RefusedError)])
async def test_errors_of_the_upload_say_what_they_were_about(status: int, kind: type[ProviderError]) -> None:
    async with gemini() as (fake, driver):
        fake.files.refusal = status
        error = await failure(driver, asking("What?", LARGE))
    assert type(error) is kind
    assert error.message == "film.mp4 could not be put where the model finds it: It is too full."
    assert error.status == status
    assert error.hint


@in_virtual_time
async def test_says_that_a_file_could_not_be_sent() -> None:
    files = GeminiFiles(GeminiAccess("test-key", f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(ProviderError, match=r"film\.mp4 could not be sent: ") as raised:
        await files.fit(asking("What?", LARGE))
    await files.aclose()
    assert raised.value.hint


async def test_timeout_holds_for_the_upload_too() -> None:
    async with gemini() as (fake, driver):
        fake.files.polls = 1000
        error = await failure(driver, asking("What?", LARGE, timeout=0.5))
    assert isinstance(error, NoAnswerError)


async def test_closing_withdraws_what_is_being_sent_and_leaves_no_task() -> None:
    async with gemini() as (fake, driver):
        fake.files.polls = 1000
        asked = asyncio.create_task(ask(driver, asking("What?", LARGE)))
        async with asyncio.timeout(10):
            while not fake.files.stored:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.wait({asked})
        await driver.aclose()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("upload")]
        await settle()


@in_virtual_time
async def test_vertex_takes_large_media_from_cloud_storage_only() -> None:
    driver = Gemini(GeminiAccess(project="project"))
    error = await failure(driver, asking("What?", LARGE))
    assert isinstance(error, RefusedError)
    assert error.message == "the media are 20.0 MB, and Vertex AI takes 20 MB with a request"
    assert error.hint == "put them into Cloud Storage and give their gs:// url"


async def test_does_not_pass_on_what_has_to_be_put_elsewhere_first() -> None:
    async with gemini() as (fake, driver):
        request = asking("What is this?", LARGE, original=Original("gemini", b"not sent"))
        response = await ask(driver, request)
    assert response.text == "You said: What is this?"
    assert parts(fake) == [["text", "fileData"]]
