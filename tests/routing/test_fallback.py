"""The router as a driver: which models are asked one after the other, for how long, and what is raised in the end."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import FallingBack, Going, Notice, Retrying, Routed, Waiting, fold, listening, notify
from boticelli_cli.errors import (
    CredentialsError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnreachableError,
    UsageError,
)
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    Message,
    Original,
    Request,
    Response,
    Text,
    TextDelta,
    Thought,
    ToolCall,
)
from boticelli_cli.routes import Alias, Routes
from boticelli_cli.routing.accounts import Member, Pool
from boticelli_cli.routing.fallback import Router
from boticelli_cli.routing.retries import WithRetries
from tests.clock import in_virtual_time
from tests.routing.pooling import ask, saying

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "generate"])

A, B, C = "gpt-a", "claude-b", "gemini-c"
ROUTES = Routes(default=(A, B, C), aliases=(Alias("fast", (B,)),))


class Models:
    """Each model fails with its errors, one a request, and then answers with its name; `seconds` is how long it takes."""

    def __init__(self, **errors: Iterable[Exception]) -> None:
        self.errors = defaultdict(list, {f"{name}": list(each) for name, each in errors.items()})
        self.requests: list[Request] = []
        self.seconds = 0.0
        self.waits = 0.0
        self.open = 0

    @property
    def asked(self) -> str:
        """The last letters of the models, in their order."""
        return "".join(request.model[-1] for request in self.requests)

    def supports_streaming(self, model: str) -> bool:
        return "whole" not in model

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        self.requests.append(request)
        if self.waits:
            await notify(Waiting("for its turn", self.waits))
            await asyncio.sleep(self.waits)
            await notify(Going())
        await asyncio.sleep(self.seconds)
        if errors := self.errors[request.model[-1]]:
            raise errors.pop(0)
        self.open += 1
        try:
            yield self._deltas(request.model)
        finally:
            self.open -= 1

    async def _deltas(self, model: str) -> AsyncIterator[Delta]:
        yield TextDelta(model)
        if errors := self.errors[f"later {model}"]:
            raise errors.pop(0)
        yield Finish("stop")

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            return await fold(deltas)


def routing(driver: Any, routes: Routes = ROUTES) -> Router:
    return Router(driver, routes=routes, catalog=Catalog.builtin(), dialect_of=lambda provider: provider)


def auto(**settings: Any) -> Request:
    return saying("Hello.", "auto", **settings)


def failing(status: int, message: str = "no", **facts: Any) -> ProviderError:
    return ProviderError(message, status=status, **facts)


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        failing(503),
        RefusedError("no", status=400),
        RefusedError("no", status=404),
        CredentialsError("no"),
        QuotaError("no"),
        NoAnswerError("no"),
        UnreachableError("no"),
        StreamError("broke before it began"),
    ],
    ids=repr,
)
@in_virtual_time
async def test_falls_back_before_the_first_delta(error: ProviderError, whole: bool) -> None:
    models = Models(a=[error])
    notices: list[Notice] = []

    async def listen(notice: Notice) -> None:
        notices.append(notice)

    with listening(listen):
        assert (await ask(routing(models), auto(), whole=whole)).text == B
    assert notices == [FallingBack("openai/gpt-a", "anthropic/claude-b", error), Going()]
    assert (models.asked, models.open) == ("ab", 0)


@in_virtual_time
async def test_never_continues_with_another_model_after_the_first_delta() -> None:
    models = Models()
    models.errors[f"later {A}"] = [StreamError("died")]
    heard: list[Delta] = []
    with pytest.raises(StreamError, match="died"):
        async with routing(models).stream(auto()) as deltas:
            async for delta in deltas:
                heard.append(delta)
    assert (heard, models.asked, models.open) == ([TextDelta(A)], "a", 0)


@in_virtual_time
async def test_an_error_of_the_reader_moves_nothing_on() -> None:
    models = Models()
    with pytest.raises(ProviderError):
        async with routing(models).stream(auto()):
            raise failing(503)
    assert models.asked == "a"


@in_virtual_time
async def test_what_is_no_providers_error_is_raised_as_it_is() -> None:
    models = Models(a=[ValueError("a bug")])
    with pytest.raises(ValueError, match="a bug"):
        await ask(routing(models), auto())
    with pytest.raises(UsageError, match="it is not known whose model 'nobodys' is"):
        await ask(routing(models, Routes()), saying(model="nobodys"))
    assert models.asked == "a"


@in_virtual_time
async def test_others_are_told_whose_seals_a_conversation_holds() -> None:
    models = Models(a=[failing(500)])
    sealed = Message("assistant", (Thought("Hm.", "seal"),))
    request = saying("Hello.", A, fallback=(B,))
    await ask(routing(models), replace(request, messages=(sealed, *request.messages)))
    assert [each.dialect for each in models.requests] == [None, "openai"]


@both_ways
@in_virtual_time
async def test_a_request_is_passed_on_under_the_name_of_its_target_with_nothing_left_to_fall_back_to(
    whole: bool,
) -> None:
    models = Models(a=[failing(500)])
    await ask(routing(models), saying("Hello.", A, fallback=("fast",), temperature=0.5), whole=whole)
    assert [(each.model, each.fallback, each.temperature) for each in models.requests] == [(A, (), 0.5), (B, (), 0.5)]


@pytest.mark.parametrize(
    ("model", "dialects"),
    [("auto", [None, "openai", "openai"]), (A, [None]), ("claude-alias", ["anthropic", None, "anthropic"])],
)
@in_virtual_time
async def test_others_are_told_whose_words_the_options_are(model: str, dialects: list[str | None]) -> None:
    models = Models(a=[failing(500)], b=[failing(500)] if model == "auto" else [])
    routes = Routes(default=(A, B, C), aliases=(Alias("claude-alias", (A, B)),))
    if model == A:
        models.errors.clear()
    options = {"options": {"service_tier": "flex"}}
    await ask(routing(models, routes), saying("Hello.", model, **options))
    assert [each.dialect for each in models.requests] == dialects[: len(models.requests)]
    models.errors["a"] = [failing(500)]
    await ask(routing(models, routes), saying("Hello.", A, fallback=(B,), dialect="gemini", **options))
    assert [each.dialect for each in models.requests[-2:]] == ["gemini", "gemini"]
    models.errors["a"] = [failing(500)]
    original = Original("anthropic", b"{}")
    await ask(routing(models, routes), saying("Hello.", A, fallback=(B,), original=original, **options))
    assert [each.dialect for each in models.requests[-2:]] == ["anthropic", "anthropic"]


# What is raised


@in_virtual_time
async def test_a_sole_models_error_is_raised_as_it_is() -> None:
    error = failing(500)
    with pytest.raises(ProviderError) as caught:
        await ask(routing(Models(a=[error])), saying("Hello.", A))
    assert caught.value is error


@in_virtual_time
async def test_the_first_models_error_is_raised_and_names_the_others() -> None:
    models = Models(
        a=[failing(503, "it is overloaded", provider="openai", retry_after=3.0)],
        b=[RefusedError("too long a context " + "x" * 500)],
        c=[CredentialsError("there is no key for gemini")],
    )
    with pytest.raises(ProviderError) as caught:
        await ask(routing(models), auto())
    error = caught.value
    assert error.message.startswith(
        "openai/gpt-a: it is overloaded; others failed too: anthropic/claude-b (too long a context xxx"
    )
    assert error.message.endswith("…), gemini/gemini-c (there is no key for gemini)")
    assert len(error.message) < 400
    assert str(error) == error.message
    assert (error.provider, error.status, error.retry_after) == ("openai", 503, 3.0)


@in_virtual_time
async def test_a_spent_quota_stays_one() -> None:
    resets_at = datetime(2030, 1, 1, tzinfo=UTC)
    models = Models(
        a=[CredentialsError("no key")],
        b=[QuotaError("spent", resets_at=resets_at, hint="wait")],
        c=[failing(500)],
    )
    with pytest.raises(
        QuotaError, match=r"^[a-z/-]+: spent; others failed too: openai/gpt-a \(no key\), gemini/"
    ) as caught:
        await ask(routing(models), auto())
    assert (caught.value.resets_at, caught.value.hint) == (resets_at, "wait")


@in_virtual_time
async def test_it_is_for_want_of_credentials_only_if_all_of_them_want_them() -> None:
    with pytest.raises(CredentialsError, match="no key 1; others failed too"):
        await ask(
            routing(Models(a=[CredentialsError("no key 1")], b=[CredentialsError("no")], c=[CredentialsError("no")])),
            auto(),
        )
    with pytest.raises(RefusedError, match="not you; others failed too"):
        await ask(
            routing(Models(a=[CredentialsError("no")], b=[RefusedError("not you")], c=[CredentialsError("no")])), auto()
        )


# How long


def times_of(notices: list[tuple[float, Notice]]) -> list[tuple[float, str]]:
    return [(round(at, 1), type(notice).__name__) for at, notice in notices if not isinstance(notice, Going | Routed)]


@in_virtual_time
async def test_is_asked_again_once_where_another_model_waits() -> None:
    models = Models(a=[failing(503)] * 9, b=[failing(503)] * 9)
    assert (await ask(routing(WithRetries(models)), auto())).text == C
    assert models.asked == "aabbc"


@in_virtual_time
async def test_retries_come_first_and_then_the_next_model_all_within_one_budget() -> None:
    models = Models(a=[failing(503)] * 9, b=[failing(503)] * 9)
    router = routing(WithRetries(models, chance=lambda: 0.5))
    heard: list[tuple[float, Notice]] = []

    async def listen(notice: Notice) -> None:
        heard.append((asyncio.get_running_loop().time(), notice))

    with listening(listen):
        assert (await ask(router, auto(timeout=19, retries=9))).text == C
    assert times_of(heard) == [
        *[(0, "Retrying"), (2, "Retrying"), (6, "Retrying"), (14, "FallingBack")],
        *[(14, "Retrying"), (16, "FallingBack")],
    ]
    assert models.asked == "aaaabbc"


@in_virtual_time
async def test_a_model_is_not_begun_when_the_time_is_over() -> None:
    models = Models(a=[failing(500)] * 2, b=[failing(500)] * 2)
    models.seconds = 25.0
    with pytest.raises(ProviderError):
        await ask(routing(models), auto(timeout=20))
    assert models.asked == "ab"
    models.seconds = 1.0
    await ask(routing(models), auto(timeout=20))
    assert models.asked == "ababc"


@in_virtual_time
async def test_waiting_for_a_turn_takes_nothing_from_the_time() -> None:
    models = Models(a=[failing(500)], b=[failing(500)])
    models.waits = 1000.0
    assert (await ask(routing(models), auto(timeout=20))).text == C


@in_virtual_time
async def test_a_budget_is_one_requests_own() -> None:
    models = Models()
    router = routing(WithRetries(models, chance=lambda: 0.0), Routes(default=(A,)))
    for _ in range(3):
        models.errors["a"] = [failing(503, retry_after=500)]
        assert (await ask(router, auto())).text == A
    assert asyncio.get_running_loop().time() == 1500


@both_ways
@in_virtual_time
async def test_cancelling_ends_it_where_it_is(whole: bool) -> None:
    models = Models(a=[failing(500)])
    models.seconds = 10.0
    task = asyncio.create_task(ask(routing(models), auto(), whole=whole))
    await asyncio.sleep(15)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert (models.asked, models.open) == ("ab", 0)


# Circuits


@in_virtual_time
async def test_a_model_that_failed_five_times_in_a_row_is_passed_over_for_a_minute_and_then_probed() -> None:
    models = Models(a=[failing(500)] * 6)
    router = routing(models)
    for _ in range(7):
        await ask(router, auto())
    assert models.asked == "ab" * 5 + "bb"
    await asyncio.sleep(61)
    models.seconds = 5.0
    await asyncio.gather(*(ask(router, auto()) for _ in range(4)))
    assert models.asked[12:] == "abbbb"
    await ask(router, auto())
    assert models.asked[17:] == "b"
    await asyncio.sleep(61)
    for _ in range(2):
        await ask(router, auto())
    assert models.asked[18:] == "aa"


@in_virtual_time
async def test_passing_over_a_model_is_told_with_its_last_error() -> None:
    last = failing(503)
    models = Models(a=[*[failing(500)] * 4, last])
    router = routing(models)
    for _ in range(5):
        await ask(router, auto())
    heard: list[Notice] = []

    async def listen(notice: Notice) -> None:
        heard.append(notice)

    with listening(listen):
        await ask(router, auto())
    assert heard[0] == FallingBack("openai/gpt-a", "anthropic/claude-b", last)


@in_virtual_time
async def test_a_model_is_not_passed_over_while_no_other_is_left() -> None:
    models = Models(a=[failing(500)] * 7)
    router = routing(models)
    for _ in range(6):
        with pytest.raises(ProviderError):
            await ask(router, saying("Hello.", A))
    models.errors["b"], models.errors["c"] = [failing(500)], [failing(500)]
    with pytest.raises(ProviderError):
        await ask(router, auto())
    assert models.asked == "a" * 6 + "bca"


@pytest.mark.parametrize("answer", [RefusedError("no"), QuotaError("no"), failing(429)], ids=repr)
@in_virtual_time
async def test_refusals_and_quotas_open_no_circuit(answer: ProviderError) -> None:
    models = Models(a=[failing(500)] * 4 + [answer] + [failing(500)] * 4 + [answer] * 6)
    router = routing(models)
    for _ in range(15):
        await ask(router, auto())
    assert models.asked == "ab" * 15


@in_virtual_time
async def test_a_probe_that_is_cancelled_leaves_the_probing_to_the_next() -> None:
    models = Models(a=[failing(500)] * 5)
    router = routing(models)
    for _ in range(5):
        await ask(router, auto())
    await asyncio.sleep(61)
    models.seconds = 5.0
    probe = asyncio.create_task(ask(router, auto()))
    await asyncio.sleep(1)
    probe.cancel()
    await asyncio.wait({probe})
    assert (await ask(router, auto())).text == A


# Ways of answering


@in_virtual_time
async def test_a_model_that_does_not_stream_answers_whole_in_a_stream() -> None:
    parts = (Thought("Hm.", "sealed"), Text("Yes."), ToolCall("look", {"at": 1}), Media("image", "image/png", b"..."))

    class Whole(Models):
        async def generate(self, request: Request) -> Response:
            return Response(parts, Finish("tool_call"))

    router = routing(Whole(a=[failing(500)]), Routes(default=(A, "gpt-whole")))
    assert await ask(router, auto()) == Response(parts, Finish("tool_call"))


def test_says_whether_the_first_model_streams_and_leaves_it_open_for_others() -> None:
    router = routing(Models(), Routes(default=("gpt-whole",), aliases=(Alias("slow", ("gpt-whole", A)),)))
    assert [router.supports_streaming(model) for model in (A, "gpt-whole", "slow", "auto", "nobodys")] == [
        *[True, False, False, True, True]
    ]
    assert routing(Models(), Routes()).supports_streaming("nobodys")

    class Keyless(Models):
        def supports_streaming(self, model: str) -> bool:
            raise CredentialsError("there is no key")

    assert routing(Keyless()).supports_streaming(A)


@in_virtual_time
async def test_accounts_are_told_why_they_are_asked() -> None:
    models = Models(a=[failing(429, retry_after=1)] * 2)
    accounts = Pool([Member(name, models, name) for name in ("main", "spare")], provider="openai")
    heard: list[Notice] = []

    async def listen(notice: Notice) -> None:
        heard.append(notice)

    with listening(listen):
        await ask(routing(accounts), auto())
    assert [notice for notice in heard if isinstance(notice, Routed)] == [
        Routed(A, "openai", "main", "default", "no model is named"),
        Routed(A, "openai", "spare", "default", "no model is named"),
        Routed(B, "openai", "main", "default", "gpt-a does not answer"),
    ]
    assert [type(notice) for notice in heard if not isinstance(notice, Going | Routed)] == [Retrying, FallingBack]
