"""The status page in a real browser: headless Chromium, as the system has it."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from boticelli_cli.gateway.base import AccountState
from boticelli_cli.gateway.status import Slice
from tests.gateway.showing import NOON, Door, Gateway, entry, showing, under_way

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
KEY = "bot-admin-k3y"
HOSTILE = "</td><script>document.title='mine'</script><img src=x onerror=\"document.title='mine'\">"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(
        shown_accounts=[
            AccountState("gemini", "main", 1, 4, "ready"),
            AccountState("openai", "team", 0, None, "disabled"),
        ],
        slices=[
            Slice(NOON - 1800 * step, "ci", model, 3, 0, 9_000 * step, 700, 0.01 * step)
            for step in range(20)
            for model in ("gemini-3.8-flash", "openrouter/meta-llama/llama-4-maverick-with-a-long-name")
        ],
    )


@pytest.fixture
def url(gateway: Gateway) -> Iterator[str]:
    door = Door()
    door.issue(KEY, "malin")
    with showing(gateway, door, clock=lambda: NOON, most_watchers=8) as url:
        yield url


class Window:
    """A browser window, which remembers what went wrong in it."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.context = browser.new_context(base_url=url, **options)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on(
            "console", lambda message: message.type in ("error", "warning") and self.wrong.append(message.text)
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def sign_in(self) -> Page:
        self.page.goto("/")
        self.page.get_by_label("Admin key").fill(KEY)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Accounts")).to_be_visible()
        return self.page


@pytest.fixture
def window(browser: Browser, url: str) -> Iterator[Window]:
    window = Window(browser, url)
    yield window
    window.context.close()
    assert window.wrong == []
    assert all(asked.startswith(url) and KEY not in asked for asked in window.asked)


def test_signs_in_by_typing_the_key_and_out_again(window: Window) -> None:
    page = window.sign_in()
    expect(page.locator("#accounts")).to_contain_text("gemini main")
    assert KEY not in page.content()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin key")).to_be_focused()
    page.goto("/")
    expect(page.get_by_label("Admin key")).to_be_visible()


def test_shows_what_happens_without_being_loaded_again(window: Window, gateway: Gateway) -> None:
    page = window.sign_in()
    expect(page.get_by_role("status")).to_have_text("live")
    loads = len(window.asked)
    gateway.under_way.append(under_way("gemini-3.8-flash", served="gemini-4-hydrogen"))
    expect(page.locator("#flight")).to_contain_text("gemini-4-hydrogen for gemini-3.8-flash")
    gateway.under_way.clear()
    gateway.errors.append(entry("no connection came about"))
    expect(page.locator("#flight")).to_contain_text("Nothing at present")
    expect(page.locator("#errors")).to_contain_text("no connection came about")
    assert len(window.asked) == loads


def test_shows_hostile_words_as_words(window: Window, gateway: Gateway) -> None:
    gateway.errors.append(entry(HOSTILE, model=HOSTILE, key=HOSTILE))
    page = window.sign_in()
    expect(page.locator("#errors")).to_contain_text(HOSTILE)
    gateway.under_way.append(under_way(HOSTILE, key=HOSTILE))
    expect(page.locator("#flight")).to_contain_text(HOSTILE[:79])
    assert page.title() == "Status – Boticelli"
    assert page.locator("img, main script").count() == 0


def test_runs_no_script_that_gets_into_the_page_all_the_same(browser: Browser, url: str) -> None:
    window = Window(browser, url)
    page = window.sign_in()
    page.evaluate("html => document.querySelector('#errors').innerHTML = html", HOSTILE)
    page.wait_for_function("document.querySelector('#errors img').complete")
    assert page.title() == "Status – Boticelli"
    assert any("Content Security Policy" in wrong for wrong in window.wrong)
    window.context.close()


def test_says_so_while_the_gateway_is_away(browser: Browser, gateway: Gateway) -> None:
    with showing(gateway, Door(), is_open=lambda: True) as url:
        window = Window(browser, url)
        window.page.goto("/")
        expect(window.page.get_by_role("status")).to_have_text("live")
    expect(window.page.get_by_role("status")).to_have_text("connecting again …")
    expect(window.page.locator("#accounts")).to_contain_text("gemini main")
    window.context.close()


def test_asks_for_the_key_again_when_the_session_is_over(browser: Browser, gateway: Gateway) -> None:
    door = Door()
    door.issue(KEY, "malin")
    with showing(gateway, door) as url:
        window = Window(browser, url)
        page = window.sign_in()
        expect(page.get_by_role("status")).to_have_text("live")
        door.grants.clear()
        expect(page.get_by_label("Admin key")).to_be_visible(timeout=30_000)
        window.context.close()


def test_can_be_read_without_scripts(browser: Browser, url: str) -> None:
    window = Window(browser, url, java_script_enabled=False)
    page = window.sign_in()
    page.get_by_role("link", name="7 days").click()
    expect(page.locator("nav [aria-current]")).to_have_text("7 days")
    assert page.locator("#errors").inner_text().split() == ["Recent", "errors", "None."]
    assert page.locator("figure svg rect").count() > 40
    window.context.close()


def test_is_dark_where_the_system_is(browser: Browser, url: str) -> None:
    lightness = {}
    for scheme in ("light", "dark"):
        window = Window(browser, url, color_scheme=scheme)
        color = window.sign_in().evaluate("getComputedStyle(document.body).backgroundColor")
        lightness[scheme] = sum(map(int, re.findall(r"\d+", color)[:3]))
        window.context.close()
    assert lightness["dark"] < 100
    assert lightness["light"] > 700


@pytest.mark.parametrize("width", [320, 360, 700, 1_200])
def test_needs_no_sideways_scrolling(browser: Browser, url: str, gateway: Gateway, width: int) -> None:
    long = "x" * 300
    gateway.errors.append(entry(long, model=long, key=long, provider=long, account=long, error=long))
    gateway.under_way.append(under_way(long, key=long, provider=long, account=long, at=0))
    gateway.slices.append(Slice(NOON, long, long, 10**9, 10**6, 10**12, 10**12, 123_456.78))
    gateway.shown_accounts.append(AccountState(long, long, 1000, 1000, "resting", None, long))
    window = Window(browser, url, viewport={"width": width, "height": 740})
    page = window.sign_in()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """() => [...document.querySelectorAll('section, section *, dl *')].filter(
        (each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth).length"""
    assert page.evaluate(beyond) == 0
    window.context.close()


def test_prints_what_there_is_to_read_and_nothing_to_click(window: Window) -> None:
    page = window.sign_in()
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
