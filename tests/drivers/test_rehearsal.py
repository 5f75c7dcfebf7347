"""The embedded model."""

import pytest

from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.rehearsal import Rehearsal, refuse_unknown_model
from boticelli_cli.errors import ProviderError, StreamError, UsageError
from boticelli_cli.messages import Delta, Finish, Media, Message, Request, Response, Text, TextDelta
from tests.clock import run_virtual


def asked(
    prompt: str = "Outline a story about a keeper and the storm.", model: str = "rehearsal/fast", **settings: object
) -> Request:
    return Request(model, (Message("user", (Text(prompt),)),), **settings)  # type: ignore[arg-type]


def answer(request: Request) -> Response:
    return run_virtual(Rehearsal().generate(request))


def deltas(request: Request) -> list[Delta]:
    async def collect() -> list[Delta]:
        async with Rehearsal().stream(request) as stream:
            return [delta async for delta in stream]

    return run_virtual(collect())


def test_says_the_same_to_the_same_and_something_else_to_something_else() -> None:
    assert answer(asked()) == answer(asked())
    assert answer(asked()).text != answer(asked("Outline a poem about a keeper and the storm.")).text
    assert answer(asked()).text != answer(asked(temperature=0.1)).text


def test_its_pace_does_not_change_its_words() -> None:
    texts = {answer(asked(model=model)).text for model in ("rehearsal", "rehearsal/slow", "rehearsal/fast")}
    assert len(texts) == 1


def test_says_what_it_is_and_speaks_of_what_it_was_given() -> None:
    text = answer(asked(system="You are brief.")).text
    assert text.startswith("This is a rehearsal; no model was asked.")
    assert "“Outline a story about a keeper and the storm.”" in text
    assert "“You are brief.”" in text
    assert "the keeper" in text.lower()


def test_streams_word_by_word() -> None:
    pieces = [delta.text for delta in deltas(asked()) if isinstance(delta, TextDelta)]
    assert len(pieces) > 60
    assert all(len(piece.split()) == 1 for piece in pieces)
    assert "".join(pieces) == answer(asked()).text


def test_names_the_media_it_was_shown() -> None:
    picture = Media("image", "image/png", data=bytes(1200), name="lighthouse.png")
    sound = Media("audio", "audio/wav", url="https://example.com/wind.wav", name="wind.wav")
    text = answer(Request("rehearsal/fast", (Message("user", (Text("Look."), picture, sound)),))).text
    assert "an image, lighthouse.png (image/png, 1 kB)" in text
    assert "an audio recording, wind.wav (audio/wav, by its address)" in text


def test_has_heard_the_turns_before() -> None:
    turns = (
        Message("user", (Text("Begin."),)),
        Message("assistant", (Text("It began. It rained."),)),
        Message("user", (Text("Go on."),)),
    )
    assert "ending “It rained.”" in answer(Request("rehearsal/fast", turns)).text


@pytest.mark.parametrize("limit", [1, 7, 30])
def test_honours_max_tokens(limit: int) -> None:
    whole = answer(asked())
    cut = answer(asked(max_tokens=limit))
    assert len(cut.text.split()) == limit
    assert whole.text.startswith(cut.text)
    assert cut.finish.reason == "length"
    assert whole.finish.reason == "stop"


def test_honours_stop() -> None:
    cut = answer(asked(stop=("never said", "no model")))
    assert cut.text == "This is a rehearsal; "
    assert cut.finish.reason == "stop"


def test_reports_usage_in_words() -> None:
    response = answer(asked("one two three", system="four five"))
    usage = response.finish.usage
    assert (usage.input, usage.output) == (5, len(response.text.split()))
    assert usage.total == 5 + len(response.text.split())
    assert usage.thinking is None


@pytest.mark.parametrize(
    ("model", "fewest", "most"), [("rehearsal/fast", 0, 0), ("rehearsal", 1, 10), ("rehearsal/slow", 10, 60)]
)
def test_takes_its_time(model: str, fewest: float, most: float) -> None:
    async def timed() -> float:
        import asyncio

        start = asyncio.get_running_loop().time()
        await Rehearsal().generate(asked(model=model))
        return asyncio.get_running_loop().time() - start

    assert fewest <= run_virtual(timed()) <= most


def test_breaks_off_where_it_is_told_to() -> None:
    with pytest.raises(ProviderError, match="before the first word") as before:
        deltas(asked(model="rehearsal/fail-after-0"))
    assert not isinstance(before.value, StreamError)

    async def collect() -> list[str]:
        words = []
        async with Rehearsal().stream(asked(model="rehearsal/fail-after-3")) as stream:
            with pytest.raises(StreamError, match="after 3 words"):
                async for delta in stream:
                    assert isinstance(delta, TextDelta)
                    words.append(delta.text)
        return words

    assert len(run_virtual(collect())) == 3


@pytest.mark.parametrize("model", ["rehearsal/fsat", "rehearsal/fail-after-x", "rehearsal/"])
def test_unknown_paces_are_refused(model: str) -> None:
    with pytest.raises(UsageError, match="there is no model"):
        refuse_unknown_model(model)


@pytest.mark.parametrize("prompt", ["", "\n", "灯台の話を書いてください。", "🙂" * 50, "x" * 5000, "\ud800"])
def test_any_prompt_gets_an_answer(prompt: str) -> None:
    response = answer(asked(prompt))
    assert len(response.text.split()) > 40
    assert response.finish == Finish("stop", response.finish.usage, "rehearsal/fast")


def test_folding_its_stream_is_its_whole_answer() -> None:
    async def folded() -> Response:
        async with Rehearsal().stream(asked()) as stream:
            return await fold(stream)

    assert run_virtual(folded()) == answer(asked())
