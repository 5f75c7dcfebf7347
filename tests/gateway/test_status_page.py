"""What the status page shows."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from boticelli_cli.gateway.base import AccountState
from boticelli_cli.gateway.status import Slice, status_routes
from boticelli_cli.gateway.status.figures import bars, beginning, compact, lasting, moment, money, outline
from boticelli_cli.gateway.status.spending import spending
from tests.gateway.showing import NOON, Door, Gateway, entry, under_way


class Outline(HTMLParser):
    """A page as elements and the text that is seen; fails on what is not closed in its turn."""

    VOID = ("meta", "link", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.texts += [" "] if tag in ("td", "th", "dt", "dd") else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


async def seen(gateway: Gateway, path: str = "/") -> Outline:
    """The page as a browser gets it from a gateway that nobody has looked at yet."""
    app = Starlette(routes=status_routes(gateway, Door(), is_open=lambda: True, clock=lambda: NOON))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return Outline(answer.content.decode())


async def test_shows_a_gateway_that_has_done_nothing_yet() -> None:
    page = await seen(Gateway())
    assert "0.1.0 · up 3 h 12 min" in page.text
    assert "Redis" not in page.text
    assert page.text.count("nothing yet") == 2
    assert "Under way Nothing at present." in page.text
    assert "Recent errors None." in page.text


async def test_shows_accounts_and_why_they_rest() -> None:
    until = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    page = await seen(
        Gateway(
            redis_state="gone; going on alone",
            shown_accounts=[
                AccountState("gemini", "main", 3, 4, "ready"),
                AccountState("gemini", "spare", 0, None, "resting", until, "quota"),
                AccountState("openai", "team", 0, 0, "disabled", None, "401"),
            ],
        )
    )
    assert "Redis gone; going on alone" in page.text
    assert (
        "gemini main ready – 3 of 4 gemini spare resting until 12:05:00 quota 0 openai team disabled 401 0 of 0"
        in page.text
    )


async def test_shows_requests_under_way_the_oldest_first() -> None:
    page = await seen(
        Gateway(
            under_way=[
                under_way("gpt-4o", at=NOON - 2.25, served="gemini-3.8-flash", provider="gemini", account="main"),
                under_way("older", at=NOON - 90, key=None, queued=1_234),
            ]
        )
    )
    rows = "older – – openai 1,234 1 min 30 s gemini-3.8-flash for gpt-4o gemini main ci openai 0 2.2 s"
    assert rows in page.text


async def test_sums_up_what_was_spent_by_key_and_by_model() -> None:
    at = NOON - 3600
    page = await seen(
        Gateway(
            slices=[
                Slice(at, "ci", "gemini-3.8-flash", 7, 2, 1_000_000, 234_567, 1.25),
                Slice(at, "ci", "rehearsal", 1, 0, 10, 5, None),
                Slice(NOON, None, "gemini-3.8-flash", 1, 0, 100, 50, 0.0004),
            ]
        )
    )
    assert "Requests 9 2 failed Tokens in 1.00 M Tokens out 235 K Cost $1.25" in page.text
    assert "ci 2 failed 8 1.23 M $1.25 without a key 1 150 $0.0004" in page.text
    assert "gemini-3.8-flash 2 failed 8 1.23 M $1.25 rehearsal 1 15 –" in page.text


@pytest.mark.parametrize(
    ("path", "since", "step"),
    [
        ("/?span=hour", NOON - 29 * 120, 120),
        ("/", NOON - 47 * 1800, 1800),
        ("/?span=week", NOON - 41 * 14_400, 14_400),
        ("/?span=month", NOON - 12 * 3600 - 29 * 86_400, 86_400),
        ("/?span=<b>", NOON - 47 * 1800, 1800),
    ],
)
async def test_looks_back_as_far_as_it_is_asked(path: str, since: float, step: float) -> None:
    gateway = Gateway()
    await seen(gateway, path)
    assert gateway.series_asked == [(since, step)]


async def test_shows_what_went_wrong() -> None:
    page = await seen(
        Gateway(
            errors=[
                entry("no connection", key="ci", provider="anthropic", account="main"),
                entry("60 requests a minute", ending="refused", status=429, error="rate_limit", at=NOON - 86_400),
            ]
        )
    )
    assert "11:58:45 failed, 502 unreachable no connection claude-sonnet-5-5 anthropic main ci" in page.text
    assert "20 Nov 12:00 refused, 429 rate_limit 60 requests a minute claude-sonnet-5-5 – –" in page.text


async def test_leaves_out_what_would_make_a_page_too_long() -> None:
    page = await seen(
        Gateway(
            under_way=[under_way(f"model-{number}") for number in range(1_000)],
            slices=[Slice(NOON, f"key-{number}", f"model-{number}", 1, 0, 1, 1, None) for number in range(1_000)],
            shown_accounts=[AccountState("gemini", f"a-{number}", 0, None, "ready") for number in range(1_000)],
            errors=[entry("x" * 10_000) for _ in range(1_000)],
        )
    )
    for left_out in ("And 950 more.", "And 975 more.", "And 900 more."):
        assert left_out in page.text
    assert len(page.text) < 40_000


HOSTILE = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>\"' on={{ 7 }} &lt;"


def everywhere(text: str) -> Gateway:
    """A gateway in which everything that others may name has the same name."""
    return Gateway(
        redis_state=text,
        shown_accounts=[AccountState(text, text, 0, None, "resting", None, text)],
        under_way=[under_way(text, key=text, provider=text, account=text), under_way("gpt", served=text)],
        slices=[Slice(NOON, text, text, 1, 0, 1, 1, None)],
        errors=[entry(text, model=text, key=text, provider=text, account=text, error=text)],
    )


async def test_shows_names_and_messages_as_they_are_whatever_they_are() -> None:
    plain, hostile = await seen(everywhere("name")), await seen(everywhere(HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [
        sorted(attributes) for _, attributes in plain.tags
    ]
    for tag, attributes in hostile.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    assert hostile.texts.count(HOSTILE) >= 10


@given(st.text(st.characters(codec=None), max_size=60))
@settings(max_examples=25, deadline=None)
def test_survives_any_text(text: str) -> None:
    page = asyncio.run(seen(everywhere(text)))
    plain = asyncio.run(seen(everywhere("name")))
    if text:
        assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]


async def test_needs_no_script_to_be_read_and_asks_no_other_host() -> None:
    page = await seen(Gateway())
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in page.tags
    for _, attributes in page.tags:
        for name in ("src", "href", "action"):
            assert not re.match(r"[a-z]+:|/", attributes.get(name) or "")


async def test_is_small() -> None:
    folder = files("boticelli_cli.gateway.status")
    parts = [*folder.joinpath("pages").iterdir(), *(folder / f"status.{kind}" for kind in ("js", "css", "svg"))]
    assert len(parts) == 8
    assert sum(len(part.read_bytes()) for part in parts) < 20_000


slices = st.builds(
    Slice,
    at=st.integers(-3, 12).map(lambda step: 1_000.0 + 10 * step),
    key=st.sampled_from(["a", "b", None]),
    model=st.sampled_from(["m", "n"]),
    requests=st.integers(0, 9),
    failed=st.integers(0, 9),
    input=st.integers(0, 10**12),
    output=st.integers(0, 10**9),
    cost_usd=st.none() | st.integers(0, 1000).map(float),
)


@given(st.lists(slices))
def test_loses_nothing_in_its_sums(some: list[Slice]) -> None:
    spent = spending(some, 1_000, 10, 10)
    inside = [each for each in some if 1_000 <= each.at < 1_100]
    for sums in ((spent.total,), spent.keys, spent.models):
        assert sum(each.requests for each in sums) == sum(each.requests for each in inside)
        assert sum(each.cost_usd or 0 for each in sums) == sum(each.cost_usd or 0 for each in inside)
        tokens = sum(each.input + each.output for each in inside)
        assert sum(sum(each.tokens) for each in sums) == sum(each.input + each.output for each in sums) == tokens
    assert {each.name for each in spent.keys} == {each.key for each in inside}
    assert [each.cost_usd or 0 for each in spent.keys] == sorted(
        (each.cost_usd or 0 for each in spent.keys), reverse=True
    )
    assert [*map(sum, zip(spent.inputs, spent.outputs, strict=True))] == list(spent.total.tokens)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        *(
            (compact(number), text)
            for number, text in ((0, "0"), (9_999, "9,999"), (10_000, "10.0 K"), (999_499, "999 K"))
        ),
        *(
            (compact(number), text)
            for number, text in ((999_999, "1.00 M"), (12_345_678, "12.3 M"), (10**16, "10,000 T"))
        ),
        *((money(usd), text) for usd, text in ((None, "–"), (0, "$0.00"), (1e-9, "< $0.0001"), (0.0123, "$0.0123"))),
        *((money(usd), text) for usd, text in ((1, "$1.00"), (12_345.678, "$12,345.68"))),
        *(
            (lasting(seconds), text)
            for seconds, text in ((-1, "0.0 s"), (0.25, "0.2 s"), (59.9, "60 s"), (60, "1 min"))
        ),
        *((lasting(seconds), text) for seconds, text in ((3_601, "1 h"), (90_000, "1 d 1 h"), (86_400 * 400, "400 d"))),
        (moment(NOON - 12 * 3600, NOON), "00:00:00"),
        (moment(NOON - 12 * 3600 - 1, NOON), "20 Nov 23:59"),
        (beginning(NOON, 120), "12:00"),
        (beginning(NOON, 14_400), "21 Nov 12:00"),
        (beginning(NOON, 86_400), "21 Nov"),
        (outline((0, 5, 10)), "0,19.0 1,10.0 2,1.0"),
        (outline((0, 0)), "0,19.0 1,19.0"),
    ],
)
def test_writes_figures_as_people_read_them(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=50))
def test_keeps_bars_within_the_chart_and_lets_all_be_seen(values: list[tuple[int, int]]) -> None:
    drawn = bars([*zip(*values, strict=True)], [""] * len(values))
    for pair, bar in zip(values, drawn, strict=True):
        assert all(0 <= y <= 100 and 0 <= height <= 100 for y, height in bar.parts)
        assert [height > 0 for _, height in bar.parts] == [value > 0 for value in pair]
