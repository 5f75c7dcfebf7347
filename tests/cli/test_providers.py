"""The program asking several providers with several accounts: real processes, and a fake for each at the other end."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.stories import write
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, FakeBedrock
from tests.fakes.behaviours import Drop, Fail
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.serving import serving
from tests.process import boticelli

ROOT = Path(__file__).parents[2]

CLAUDE = "narrative: {name: n, context: fresh, model: claude-sonnet-5-5}\nacts: {a: 'Say hello.'}\n"


@dataclass
class Services:
    gemini: FakeGemini
    anthropic: FakeAnthropic
    bedrock: FakeBedrock
    local: FakeOpenAI
    environ: dict[str, str]


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        gemini, anthropic = stack.enter_context(serving(FakeGemini())), stack.enter_context(serving(FakeAnthropic()))
        bedrock = stack.enter_context(serving(FakeBedrock()))
        local = stack.enter_context(serving(FakeOpenAI(flavour="ollama")))
        environ = {
            "GEMINI_API_KEY": "test-key",
            "GOOGLE_GEMINI_BASE_URL": gemini.url,
            "ANTHROPIC_API_KEY": "test-key",
            "ANTHROPIC_BASE_URL": anthropic.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield Services(gemini, anthropic, bedrock, local, environ)


def configure(folder: Path, text: str, environ: dict[str, str]) -> dict[str, str]:
    """An environment in which this is the user's own configuration."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(text)
    return {**environ, "BOTICELLI_HOME": str(home)}


def two_accounts(folder: Path, services: Services, first: str, second: str = "test-key") -> dict[str, str]:
    return configure(
        folder,
        f"accounts:\n- {{name: first, provider: anthropic, api_key: {first}, priority: 1}}\n"
        f"- {{name: second, provider: anthropic, api_key: {second}, priority: 2}}\n",
        services.environ,
    )


def test_one_narrative_runs_on_four_providers_and_one_of_them_is_stood_in_for(folder: Path, services: Services) -> None:
    local = f"providers: {{local: {{dialect: openai, base_url: '{services.local.base_url}'}}}}\n"
    env = configure(folder, local, services.environ)
    done = boticelli("run", str(ROOT / "narratives" / "relay.yaml"), "-v", "--format", "json", env=env)
    assert done.code == 0, done.err
    acts = json.loads(done.out)["acts"]
    assert {name: act["provider"] for name, act in acts.items()} == {
        "outline": "gemini",
        "draft": "anthropic",
        "critique": "bedrock",
        "edit": "anthropic",
    }
    [fallback] = acts["edit"]["fallbacks"]
    assert (fallback["from"], fallback["to"]) == ("local/llama3.2:3b", "anthropic/claude-haiku-5-5")
    assert fallback["error"]["status"] == 404
    assert acts["draft"]["cost_usd"] > 0


def test_verbose_says_who_is_asked_and_why(folder: Path, services: Services) -> None:
    env = configure(folder, "routes: {aliases: {'gpt-*': [claude-sonnet-5-5]}}\n", services.environ)
    done = boticelli("stream", "Say hello.", "-m", "gpt-9", "-v", env=env)
    assert done.code == 0, done.err
    route = "→ answer · anthropic/claude-sonnet-5-5, account 'anthropic' · alias: 'gpt-9' is an alias, by 'gpt-*'"
    assert route in done.err


def test_the_next_account_answers_for_one_that_is_refused_and_the_refused_one_rests(
    folder: Path, services: Services
) -> None:
    env = two_accounts(folder, services, "wrong-key")
    story = write(folder, CLAUDE)
    done = boticelli("run", story, "--format", "json", env=env)
    assert (done.code, json.loads(done.out)["acts"]["a"]["account"]) == (0, "second"), done.err
    assert "account 'first' was refused" in done.err
    asked = len(services.anthropic.requests)
    again = boticelli("run", story, env=env)
    assert again.code == 0
    assert len(services.anthropic.requests) == asked + 1
    told = boticelli("limits", env=env)
    assert "account 'first' is not asked until" in told.err
    [held] = json.loads(boticelli("limits", "--format", "json", env=env).out)["held_back"]
    assert (held["account"], held["provider"]) == ("first", "anthropic")
    assert "account anthropic/first: is not asked until" in " ".join(boticelli("doctor", env=env).out.split())
    fresh = two_accounts(folder, services, "test-key")
    assert json.loads(boticelli("run", story, "--format", "json", env=fresh).out)["acts"]["a"]["account"] == "first"


def test_a_key_that_all_accounts_were_refused_with_exits_with_3(folder: Path, services: Services) -> None:
    env = two_accounts(folder, services, "wrong-key", "worse-key")
    done = boticelli("run", write(folder, CLAUDE), env=env)
    assert (done.code, done.out) == (3, "")
    assert "account 'first'" in done.err
    assert "wrong-key" not in done.err
    assert "worse-key" not in done.err


def test_a_limit_that_is_hit_is_answered_by_the_next_account_at_once(folder: Path, services: Services) -> None:
    env = two_accounts(folder, services, "test-key", "other-key")
    services.anthropic.keys.add("other-key")
    services.anthropic.script.extend([Fail(429, retry_after=600)])
    done = boticelli("run", write(folder, CLAUDE), "--format", "json", env=env)
    assert (done.code, json.loads(done.out)["acts"]["a"]["account"]) == (0, "second"), done.err


def test_what_broke_off_is_kept_and_nobody_else_goes_on_with_it(folder: Path, services: Services) -> None:
    services.anthropic.script.extend([Drop(after=2)])
    story = "narrative: {name: n, context: fresh, model: claude-sonnet-5-5, fallback: gemini-3.8-flash}\nacts: {a: 'Count to ten, please.'}\n"
    before = len(services.gemini.requests)
    done = boticelli("run", write(folder, story), "--format", "json", env=services.environ)
    told = json.loads(done.out)
    assert (done.code, told["status"], told["error"]["kind"]) == (1, "failed", "stream")
    assert told["acts"]["a"]["text"]
    assert len(services.gemini.requests) == before


def test_doctor_finds_a_wrong_key_when_it_asks(folder: Path, services: Services) -> None:
    env = {**services.environ, "ANTHROPIC_API_KEY": "wrong-key", "BOTICELLI_HOME": str(folder / "home")}
    done = boticelli("doctor", "--online", "--format", "json", env=env)
    assert done.code == 1
    online = {each["name"]: each for each in json.loads(done.out)["findings"] if each["section"] == "Online"}
    assert {name: online[name]["state"] for name in ("gemini/default", "anthropic", "bedrock/aws")} == {
        "gemini/default": "fine",
        "anthropic": "wrong",
        "bedrock/aws": "fine",
    }
    assert "refused" in online["anthropic"]["text"]
    assert "ANTHROPIC_API_KEY" in online["anthropic"]["hint"]
    assert "wrong-key" not in done.out


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        (
            "gone/claude-sonnet-5-5",
            "set GONE_KEY; or leave 'api_key' out there ({file}:2), and: boticelli keys set gone",
        ),
        ("bare/claude-sonnet-5-5", "it was asked without a key; give it one: boticelli keys set bare"),
        ("bad/claude-sonnet-5-5", "it is the key of account 'bad' ({file}:4)"),
        ("ours/claude-sonnet-5-5", "it was asked without a key; its address came with the project (boticelli.yaml:3)"),
        (
            "anthropic/claude-sonnet-5-5",
            "the key ($ANTHROPIC_API_KEY) is not sent to an address that came with the pro",
        ),
    ],
)
def test_a_hint_about_a_key_leads_to_one_that_would_be_used(
    folder: Path, services: Services, model: str, hint: str
) -> None:
    at = f"dialect: anthropic, base_url: '{services.anthropic.url}'"
    ours = f"providers:\n  gone: {{{at}, api_key: $GONE_KEY}}\n  bare: {{{at}}}\n  bad: {{{at}, api_key: wrong-key}}\n"
    env = configure(folder, ours, services.environ)
    del env["ANTHROPIC_BASE_URL"]
    (folder / "boticelli.yaml").write_text(f"providers:\n  anthropic: {{{at[20:]}}}\n  ours: {{{at}}}\n")
    done = boticelli("stream", "-q", "-m", model, "Hello.", env=env)
    assert done.code == 3
    assert f"hint: {hint.format(file=folder / 'home' / 'config.yaml')}" in done.err


@pytest.mark.parametrize("address", ["", ", base_url: '{url}'"], ids=["vendor's", "own"])
def test_a_written_account_without_a_key_is_not_sent_to_the_environment(
    folder: Path, services: Services, address: str
) -> None:
    """Its key is not taken from there."""
    ours = f"providers: {{anthropic: {{transformers: []{address.format(url=services.anthropic.url)}}}}}\n"
    env = configure(folder, f"{ours}accounts: [{{name: work, provider: anthropic}}]\n", {"ANTHROPIC_API_KEY": "key"})
    done = boticelli("stream", "-q", "-m", "claude-sonnet-5-5", "Hello.", env=env)
    assert done.code == 3
    assert "give it one: boticelli keys set anthropic/work" in done.err
    assert "ANTHROPIC_API_KEY" not in done.err


def test_a_model_that_a_server_has_not_leads_to_its_list_and_to_its_address(folder: Path, services: Services) -> None:
    ours = "providers: {{mine: {{dialect: openai, base_url: '{url}'}}}}"
    lists = "hint: boticelli models --refresh --provider mine lists those that there are; or is the address wrong"
    for url, end in ((services.local.url, " It mostly ends in /v1\n"), (f"{services.local.url}/v1", "?\n")):
        env = configure(folder, ours.format(url=url), {})
        done = boticelli("stream", "-q", "-m", "mine/nobody", "Hello.", env=env)
        assert lists in done.err
        assert done.err.endswith(end)


def test_a_name_that_is_nobodys_is_told_though_a_route_serves_it(folder: Path, services: Services) -> None:
    env = configure(folder, "routes: {default: claude-sonnet-5-5}\n", services.environ)
    done = boticelli("stream", "-m", "claude_sonnet", "Hello.", env=env)
    assert (done.code, done.out) == (0, "You said: Hello.\n")
    assert "no model is known as 'claude_sonnet', so the routes say which one answers" in done.err
    assert "no model is known" not in boticelli("stream", "Hello.", env=env).err


def test_one_provider_that_does_not_list_its_models_hides_no_others(folder: Path, services: Services) -> None:
    env = configure(folder, "", {**services.environ, "ANTHROPIC_API_KEY": "wrong-key"})
    done = boticelli("models", "--refresh", env=env)
    assert done.code == 3
    assert "us.amazon.nova-lite-v1:0\tbedrock\tsse" in done.out
    assert "error: anthropic did not list its models: the key was refused" in done.err
    assert "hint: set ANTHROPIC_API_KEY" in done.err


def test_models_are_listed_by_each_provider_itself(folder: Path, services: Services) -> None:
    local = f"providers: {{local: {{dialect: openai, base_url: '{services.local.base_url}'}}}}\n"
    env = configure(folder, local, services.environ)
    done = boticelli("models", "--refresh", env=env)
    assert done.code == 0, done.err
    assert "llama3.3:8b\tlocal\tsse" in done.out
    assert "us.amazon.nova-lite-v1:0\tbedrock\tsse" in done.out
