"""Conversations: what makes two requests parts of one."""

from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.messages import CachePoint, Media, Message, Part, Request, Text, ToolCall, ToolResult
from boticelli_cli.routing.conversations import STICKY_SECONDS, Conversations, conversation_of


def asking(*parts: Part, system: str | None = None, session: str | None = None) -> Request:
    return Request("m", (Message("user", parts),) if parts else (), system=system, session=session)


def grown(request: Request) -> Request:
    answered = Message("assistant", (Text("Yes."),))
    return Request("other", (*request.messages, answered, Message("user", (Text("Why?"),))), system=request.system)


parts = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Media, st.sampled_from(["image", "audio"]), st.just("x/y"), st.binary()),
    st.builds(ToolCall, st.text(), st.just({"a": [1]})),
    st.builds(ToolResult, st.text(), st.just({"a": [1]})),
    st.builds(CachePoint),
)


@given(st.lists(parts, min_size=1, max_size=3), st.text() | st.none())
def test_a_conversation_stays_one_as_it_grows(first: list[Part], system: str | None) -> None:
    request = asking(*first, system=system)
    conversation = conversation_of(request)
    assert conversation is not None
    assert conversation_of(grown(request)) == conversation
    assert conversation_of(asking(Text("?"), *first, system=system)) != conversation


def test_a_name_is_stronger_than_a_beginning() -> None:
    assert conversation_of(asking(Text("a"), session="s")) == conversation_of(asking(Text("b"), session="s"))
    assert conversation_of(asking(Text("a"), session="s")) != conversation_of(asking(Text("a"), session="t"))


def test_media_count_by_their_length() -> None:
    def shown(data: bytes) -> Request:
        return asking(Media("image", "image/png", data))

    assert conversation_of(shown(b"abc")) == conversation_of(shown(b"xyz"))
    assert conversation_of(shown(b"abc")) != conversation_of(shown(b"abcd"))


def test_a_system_prompt_tells_conversations_apart_and_nothing_is_none() -> None:
    assert conversation_of(asking(Text("a"), system="s")) != conversation_of(asking(Text("a")))
    assert conversation_of(asking(system="s")) is not None
    assert conversation_of(asking()) is None


def test_a_place_is_kept_for_an_hour_after_its_last_use_and_the_latest_are_remembered() -> None:
    conversations: Conversations[str] = Conversations()
    conversations.keep("old", "a", 0.0)
    conversations.keep("used", "a", 0.0)
    conversations.keep("used", "b", STICKY_SECONDS - 1)
    assert conversations.place_of("old", STICKY_SECONDS) is None
    assert conversations.place_of("used", STICKY_SECONDS) == "b"
    for number in range(10_000):
        conversations.keep(number, "c", STICKY_SECONDS)
    assert conversations.place_of("used", STICKY_SECONDS) is None
    assert conversations.place_of(0, STICKY_SECONDS) == "c"


def test_a_conversation_is_known_by_the_same_word_in_every_process() -> None:
    assert conversation_of(asking(Text("Hello."), system="Be kind.")) == "9d00e9fdb9bd9f6632d086a625cd9eab"
