"""The rolling minute, by itself."""

from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.routing.window import SPAN, Room, Sent, earliest


def test_an_empty_window_has_room_for_anything() -> None:
    assert earliest([], 10**9, rpm=1, tpm=1, now=7.0) == Room(7.0, "requests")


def test_says_what_there_is_too_little_of() -> None:
    sent = [Sent(0.0, 90)]
    assert earliest(sent, 20, rpm=5, tpm=100, now=1.0) == Room(SPAN, "tokens")
    assert earliest(sent, 5, rpm=1, tpm=100, now=1.0) == Room(SPAN, "requests")
    assert earliest(sent, 10, rpm=2, tpm=100, now=1.0).at == 1.0


def test_two_requests_a_minute_apart_share_no_minute() -> None:
    room = earliest([Sent(0.0, 5)], 5, rpm=1, tpm=None, now=60.0)
    assert room.at > 60.0


def test_never_goes_before_what_is_reserved() -> None:
    assert earliest([Sent(50.0, 5)], 5, rpm=9, tpm=None, now=1.0).at == 50.0


@given(
    sizes=st.lists(st.tuples(st.integers(1, 150), st.floats(0, 30)), max_size=40),
    rpm=st.integers(1, 5) | st.none(),
    tpm=st.integers(1, 120) | st.none(),
)
def test_fills_no_window_too_far_and_leaves_none_empty(
    sizes: list[tuple[int, float]], rpm: int | None, tpm: int | None
) -> None:
    sent: list[Sent] = []
    now = 0.0
    for tokens, pause in sizes:
        now += pause
        at = earliest(sent, tokens, rpm=rpm, tpm=tpm, now=now).at
        assert at <= max([now, *(each.at + SPAN for each in sent)])
        sent.append(Sent(at, tokens))
    for each in sent:
        within = [other.tokens for other in sent if each.at <= other.at <= each.at + 60]
        assert rpm is None or len(within) <= rpm
        assert tpm is None or sum(within) <= tpm or len(within) == 1
