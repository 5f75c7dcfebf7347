"""Several providers in bad luck: through the library with fakes and real sockets, and through real processes. Slow.

What was counted is printed: run with `-s` to see it.
"""

import asyncio
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.config import Config, read_config
from boticelli_cli.drivers.base import FallingBack, Notice, fold, listening
from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Message, Request, Text, TextDelta
from boticelli_cli.providers import Providers
from tests.cli.stories import write
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, FakeBedrock
from tests.fakes.behaviours import Behaviour, Drop, Fail, InStreamError, Malformed, NotJSON, Silence, TruncatedClean
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.serving import Served, serving, until
from tests.process import boticelli, start

pytestmark = pytest.mark.slow

MODELS = ("gemini-3.8-flash", "claude-sonnet-5-5", "us.amazon.nova-lite-v1:0", "openai/gpt-4o", "local/llama3.3:8b")

BAD_KEY = "sk-ant-bad-key-of-nobody"


@dataclass
class World:
    """Services, the providers that ask them, and what was told meanwhile."""

    gemini: FakeGemini
    anthropic: FakeAnthropic
    bedrock: FakeBedrock
    openai: FakeOpenAI
    local: FakeOpenAI
    providers: Providers

    @property
    def fakes(self) -> tuple[Any, ...]:
        return (self.gemini, self.anthropic, self.bedrock, self.openai, self.local)

    def fail(self, model: str, behaviour: Behaviour, **where: Any) -> None:
        fake = self.fakes[MODELS.index(model)]
        fake.script.append(behaviour, **{"times": None, **where})

    def prompts(self) -> Counter[str]:
        """How often each prompt was asked, of whomever."""
        return Counter(asked.prompt for fake in self.fakes for asked in fake.requests)

    @property
    def leases(self) -> int:
        return sum(roster.running for roster, _ in self.providers._standings.values())

    @property
    def has_line(self) -> bool:
        return any(roster.has_line for roster, _ in self.providers._standings.values())


ACCOUNTS = "\n".join(
    f"- {{name: {provider}-{number}, provider: {provider}, max_concurrent: 6, {key}}}"
    for provider, key in (
        ("gemini", "api_key: test-key"),
        ("anthropic", "api_key: test-key"),
        ("openai", "api_key: test-key"),
        ("bedrock", "region: us-east-1"),
    )
    for number in (1, 2)
)


@asynccontextmanager
async def world(folder: Path, *, accounts: str = ACCOUNTS, wide: bool = True, more: str = "") -> AsyncIterator[World]:
    """All services and providers. Afterwards nothing of them is left: no lease, no connection, no task."""
    async with AsyncExitStack() as stack:
        fakes = FakeGemini(), FakeAnthropic(), FakeBedrock(), FakeOpenAI(), FakeOpenAI(flavour="ollama")
        for fake in fakes:
            await stack.enter_async_context(fake)
        gemini, anthropic, bedrock, openai, local = fakes
        home = folder / "home"
        home.mkdir()
        (home / "config.yaml").write_text(
            f"providers: {{local: {{dialect: openai, base_url: '{local.base_url}'}}, "
            f"dead: {{dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}}}\n"
            f"accounts:\n{accounts}\n{more}"
        )
        environ = {
            "BOTICELLI_HOME": str(home),
            "GOOGLE_GEMINI_BASE_URL": gemini.url,
            "ANTHROPIC_BASE_URL": anthropic.url,
            "OPENAI_BASE_URL": openai.base_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url,
        }
        config = read_config(environ, folder)
        providers = Providers(config, catalog_of(config), environ, wide=wide)
        made = World(gemini, anthropic, bedrock, openai, local, providers)
        try:
            yield made
            assert (made.leases, made.has_line) == (0, False)
        finally:
            await providers.aclose()
        await settled(*fakes)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def catalog_of(config: Config) -> Catalog:
    return Catalog.builtin().with_providers(config.providers, like={})


async def settled(*fakes: Served) -> None:
    """Wait until the services have seen that all have left."""
    async with asyncio.timeout(5):
        while any(fake.running or fake._server.connections for fake in fakes):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)


def asking(model: str, prompt: str, **settings: Any) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), **settings)


async def text_of(providers: Providers, request: Request, *, whole: bool = False) -> str:
    if whole:
        response = await providers.driver.generate(request)
    else:
        async with providers.driver.stream(request) as deltas:
            response = await fold(deltas)
    return "".join(part.text for part in response.parts if isinstance(part, Text))


@pytest.mark.parametrize("wide", [True, False])
async def test_a_thousand_streams_cancelled_at_random_moments_leave_nothing_behind(folder: Path, wide: bool) -> None:
    chance = random.Random(5)
    ends: Counter[str] = Counter()
    whims = (
        "[[paced chunks=20 delay=0.02]]",
        "[[503 retry=0.05]]",
        "[[silence after=1]]",
        "[[silence]]",
        "[[drop]]",
        "",
    )

    async def one(number: int, world: World) -> None:
        model = chance.choice(MODELS)
        request = asking(
            model,
            f"{number} {chance.choice(whims)}",
            fallback=(chance.choice(MODELS),),
            session=f"s{number % 50}" if number % 3 else None,
        )
        seconds = chance.uniform(0, 1.2)
        try:
            async with asyncio.timeout(seconds):
                await text_of(world.providers, request, whole=number % 7 == 0)
            ends["answered"] += 1
        except TimeoutError:
            ends["cancelled"] += 1
        except ProviderError:
            ends["failed"] += 1

    limits = "limits: {gemini: {models: {gemini-3.8-flash: {rpm: 100000, max_concurrent: 5}}}}"
    async with world(folder, wide=wide, more=limits) as made:
        count = 1000 if wide else 200
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one(number, made))
                if number % 20 == 0:
                    await asyncio.sleep(0.05)
        print(f"\n{count} streams, wide={wide}: {dict(ends)}; leases {made.leases}")
        assert sum(ends.values()) == count
        assert min(ends["answered"], ends["cancelled"]) > 0


async def test_of_two_accounts_one_fails_half_of_the_time_and_no_request_is_lost_or_answered_twice(
    folder: Path,
) -> None:
    accounts = "\n".join(
        f"- {{name: {name}, provider: anthropic, api_key: {key}, max_concurrent: 20}}"
        for name, key in (("good", "test-key"), ("bad", BAD_KEY))
    )
    chance = random.Random(6)
    async with world(folder, accounts=accounts) as made:
        made.anthropic.keys.add(BAD_KEY)
        # Anthropic's being overloaded is no reason to leave an account alone unless it comes twice in a row.
        made.fail("claude-sonnet-5-5", Fail(529), key=BAD_KEY, prompt=lambda _: chance.random() < 0.5)

        async def one(number: int) -> str:
            return await text_of(
                made.providers, asking("claude-sonnet-5-5", f"number {number}."), whole=number % 5 == 0
            )

        texts = await asyncio.gather(*(one(number) for number in range(500)))
        by_status = Counter((asked.key, asked.status) for asked in made.anthropic.requests)
        answered = Counter(asked.prompt for asked in made.anthropic.requests if asked.status == 200)
        print(f"\n500 requests: {dict(by_status)}")
        assert texts == [f"You said: number {number}." for number in range(500)]
        assert answered == Counter({f"number {number}.": 1 for number in range(500)})
        assert by_status[BAD_KEY, 529] > 0


async def test_of_two_accounts_one_fails_in_every_way_and_all_requests_are_answered_once(folder: Path) -> None:
    accounts = "\n".join(
        f"- {{name: {name}, provider: openai, api_key: {key}, max_concurrent: 20}}"
        for name, key in (("good", "test-key"), ("bad", "sk-bad"))
    )
    ways: tuple[Behaviour, ...] = (
        Fail(429),
        Fail(503, retry_after=1),
        Fail(401),
        Fail(404),
        Drop(headers=False),
        TruncatedClean(after=0),
        Malformed(after=0),
        InStreamError(after=0),
        NotJSON(status=200),
    )
    for index, way in enumerate(ways):
        (folder / str(index)).mkdir()
        async with world(folder / str(index), accounts=accounts) as made:
            made.openai.keys.add("sk-bad")
            made.fail("openai/gpt-4o", way, key="sk-bad")
            prompts = [f"number {number}." for number in range(42)]
            texts = await asyncio.gather(
                *(text_of(made.providers, asking("openai/gpt-4o", prompt)) for prompt in prompts),
                return_exceptions=True,
            )
            answered = Counter(asked.prompt for asked in made.openai.requests if asked.key == "test-key")
            refused = [text for text in texts if isinstance(text, BaseException)]
            print(f"\n{way}: {len(refused)} of 42 not answered: {Counter(map(repr, refused)).most_common(1)}")
            assert set(answered.values()) <= {1}
            assert not refused


DEATHS: tuple[Behaviour, ...] = (
    Drop(after=2),
    Drop(after=2, inside=True),
    TruncatedClean(after=2),
    InStreamError(after=2),
    Malformed(after=2),
    Silence(after=2),
)


@pytest.mark.parametrize("death", DEATHS, ids=repr)
async def test_a_stream_that_dies_after_its_first_delta_is_never_continued_by_another(
    folder: Path, death: Behaviour
) -> None:
    async with world(folder) as made:
        for number, model in enumerate(MODELS):
            made.fail(model, death)
            others = tuple(other for other in MODELS if other != model)
            told: list[Notice] = []

            async def hear(notice: Notice, told: list[Notice] = told) -> None:
                told.append(notice)

            text = ""
            prompt = f"number {number}, please: one two three four five six seven."
            with listening(hear), pytest.raises(ProviderError):
                async with made.providers.driver.stream(asking(model, prompt, fallback=others, timeout=1)) as deltas:
                    async for delta in deltas:
                        text += delta.text if isinstance(delta, TextDelta) else ""
            assert text
            who = [asked.model for fake in made.fakes for asked in fake.requests if asked.prompt == prompt]
            assert len(who) == 1, (model, who, told)
            assert not [notice for notice in told if isinstance(notice, FallingBack)]
        print(f"\n{death}: {len(MODELS)} streams died, {made.prompts().total()} requests")


async def test_a_chain_of_five_is_asked_to_its_end_and_each_kind_of_failure_is_told(folder: Path) -> None:
    kinds: tuple[Behaviour, ...] = (
        Fail(400),
        Fail(401),
        Fail(404),
        Fail(429),
        Fail(429, quota="PerDay"),
        Fail(500),
        Fail(503),
        NotJSON(status=200),
        Drop(headers=False),
        TruncatedClean(after=0),
        Malformed(after=0),
        InStreamError(after=0),
    )
    moves = 0
    for index, kind in enumerate(kinds):
        (folder / str(index)).mkdir()
        async with world(folder / str(index)) as made:
            for model in MODELS[:4]:
                made.fail(model, kind)
            told: list[Notice] = []

            async def hear(notice: Notice, told: list[Notice] = told) -> None:
                told.append(notice)

            request = asking(MODELS[0], "Hello.", fallback=("dead/m", *MODELS[1:]), retries=0)
            with listening(hear):
                assert await text_of(made.providers, request) == "You said: Hello.", kind
            moves += (moved := len([notice for notice in told if isinstance(notice, FallingBack)]))
            assert moved == 5, kind
            made.fail(MODELS[4], kind)
            with pytest.raises(ProviderError) as caught:
                await text_of(made.providers, request)
            assert "others failed too" in str(caught.value), kind
            for named in ("gemini", "anthropic", "bedrock", "openai", "local", "dead"):
                assert named in f"{caught.value.provider} {caught.value}", kind
    print(f"\n{len(kinds)} kinds of failure, {moves} moves to the next model")


async def test_the_last_of_a_chain_is_not_waited_for_longer_than_the_time_there_is(folder: Path) -> None:
    async with world(folder) as made:
        for model in MODELS:
            made.fail(model, Silence(headers=False))
        begun = asyncio.get_running_loop().time()
        request = asking(MODELS[0], "Hello.", fallback=MODELS[1:], timeout=1)
        with pytest.raises(ProviderError) as caught:
            await text_of(made.providers, request)
        took = asyncio.get_running_loop().time() - begun
        print(f"\n{made.prompts().total()} requests within {took:.1f} s: {caught.value}")
        assert took < 4


def many(count: int, model: str) -> str:
    acts = "".join(f"  a{number}: 'Say number {number}.'\n" for number in range(count))
    return f"narrative: {{name: many, context: fresh, model: {model}}}\nacts:\n{acts}"


def configured(folder: Path, text: str, **environ: str) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(text)
    return {"BOTICELLI_HOME": str(home), **environ}


def test_a_hundred_acts_share_an_account_that_takes_one_at_a_time(folder: Path) -> None:
    with serving(FakeAnthropic()) as fake:
        account = "accounts: [{name: one, provider: anthropic, api_key: test-key, max_concurrent: 1}]"
        env = configured(folder, account, ANTHROPIC_BASE_URL=fake.url)
        story = write(folder, many(100, "claude-sonnet-5-5"))
        done = boticelli("run", story, "-j", "100", "--format", "json", env=env)
        assert done.code == 0, done.err
        acts = json.loads(done.out)["acts"]
        assert [act["text"] for act in acts.values()] == [f"You said: Say number {n}." for n in range(100)]
        assert (fake.most_running, len(fake.requests)) == (1, 100)
        print(f"\n100 acts, {len(fake.requests)} requests, {fake.most_running} at once")


def test_two_processes_keep_a_minutes_limit_together(folder: Path) -> None:
    with serving(FakeGemini()) as fake:
        limits = "limits: {gemini: {models: {gemini-3.8-flash: {rpm: 10}}}}"
        env = configured(folder, limits, GOOGLE_GEMINI_BASE_URL=fake.url, GEMINI_API_KEY="test-key")
        story = write(folder, many(12, "gemini-3.8-flash"))
        both = [start("run", story, "-j", "12", "--format", "jsonl", env=env) for _ in range(2)]
        until(lambda: len(fake.requests) >= 10, patience=20)
        time.sleep(1.5)
        for running in both:
            running.send_signal(signal.SIGINT)
        told = [running.communicate(timeout=10)[0] for running in both]
        finished = sum(out.count(b'"act.finished"') for out in told)
        print(f"\n24 acts in two processes, {finished} were asked in the first seconds")
        assert (len(fake.requests), finished) == (10, 10)
        assert [running.returncode for running in both] == [130, 130]


MOMENTS = [random.Random(number).uniform(0.3, 1.8) for number in range(2)]
PROMPTS = {
    "retry": ("claude-sonnet-5-5", "[[503 times=9]]"),
    "stream": ("claude-sonnet-5-5", "[[paced chunks=100 delay=0.05]]"),
    "fallback": ("openai/gpt-4o", "[[silence]]"),
    "key": ("gemini-3.8-flash", ""),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", PROMPTS)
def test_ctrl_c_in_the_middle_of_anything_ends_it_at_once(folder: Path, what: str, moment: float) -> None:
    with serving(FakeAnthropic()) as fake:
        accounts = """
accounts:
- {name: slow, provider: gemini, api_key_cmd: "sleep 4; echo key"}
- {name: good, provider: anthropic, api_key: test-key}
- {name: dead, provider: openai, api_key: test-key}
providers: {openai: {base_url: "http://127.0.0.1:9/v1"}}
"""
        env = configured(folder, accounts, ANTHROPIC_BASE_URL=fake.url)
        model, prompt = PROMPTS[what]
        story = f"""
narrative: {{name: n, fallback: claude-sonnet-5-5, retries: {1 if what == "fallback" else 5}}}
acts: {{a: {{model: {model}, prompt: "Hello {prompt}"}}}}
"""
        running = start("run", write(folder, story), "--format", "jsonl", env=env)
        with suppress(subprocess.TimeoutExpired):
            running.wait(moment)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
        assert time.monotonic() - began < 1.5
        assert running.returncode in (130, -signal.SIGINT), err
        assert b"Traceback" not in err
        assert b"Error" not in err
        if events := [json.loads(line) for line in out.splitlines()]:
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            assert events[-1]["type"] == "run.interrupted"
