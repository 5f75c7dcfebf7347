"""Providers of the configuration: who there is, and where."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.config import Provider
from boticelli_cli.errors import InputError, UsageError
from boticelli_cli.routes import Transformation
from tests.configuring import configured, mistakes

OPENROUTER = """
providers:
  openrouter: {dialect: openai, base_url: "https://openrouter.ai/api/v1/", api_key: $KEY, transformers: [openrouter]}
"""


def test_those_that_everybody_knows_are_always_there(folder: Path) -> None:
    providers = configured(folder).providers
    assert {name: each.dialect for name, each in providers.items()} == {
        "gemini": "gemini",
        "anthropic": "anthropic",
        "openai": "openai",
        "bedrock": "bedrock",
    }
    assert all(each.base_url is None and not each.from_project for each in providers.values())


def test_a_file_adds_others_and_gives_known_ones_an_address(folder: Path) -> None:
    user = f"{OPENROUTER}  anthropic: {{base_url: 'http://proxy.test:8080'}}\n"
    providers = configured(folder, user=user).providers
    assert providers["openrouter"] == Provider(
        "openrouter", "openai", "https://openrouter.ai/api/v1", (Transformation("openrouter"),)
    )
    assert providers["anthropic"] == Provider("anthropic", "anthropic", "http://proxy.test:8080")
    assert str(providers["openrouter"].named_by).endswith("home/config.yaml:3")


def test_the_environments_addresses_win_over_the_files(folder: Path) -> None:
    project = "providers: {openai: {base_url: 'http://evil.test/v1', transformers: [tool_use, {max_tokens: 8192}]}}"
    environ = {
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1/",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:2",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:3",
    }
    providers = configured(folder, project=project, environ=environ).providers
    assert providers["openai"] == Provider(
        "openai", "openai", "http://127.0.0.1:1/v1", (Transformation("tool_use"), Transformation("max_tokens", 8192))
    )
    assert providers["openai"].named_by == "OPENAI_BASE_URL"
    assert providers["anthropic"].base_url == "http://127.0.0.1:2"
    assert providers["bedrock"].base_url == "http://127.0.0.1:3"


def test_a_project_adds_to_what_the_user_has_written_and_is_known_by_its_address(folder: Path) -> None:
    project = "providers: {openrouter: {transformers: [sampling]}, mine: {dialect: openai, base_url: 'http://a.test'}}"
    providers = configured(folder, user=OPENROUTER, project=project).providers
    assert providers["openrouter"].transformers == (Transformation("sampling"),)
    assert (providers["openrouter"].from_project, providers["mine"].from_project) == (False, True)
    moved = configured(folder, user=OPENROUTER, project="providers: {openrouter: {base_url: 'http://a.test/v1'}}")
    assert moved.providers["openrouter"].from_project


def test_an_address_without_a_path_is_pointed_out_for_openai(folder: Path) -> None:
    user = "providers: {local: {dialect: openai, base_url: 'http://localhost:11434'}, gemini: {base_url: 'http://a'}}"
    [notice] = configured(folder, user=user).hints
    assert notice.endswith(
        "'http://localhost:11434' has no path; most servers that speak openai are at 'http://localhost:11434/v1'"
    )
    [notice] = configured(folder, environ={"OPENAI_BASE_URL": "http://localhost:1"}).hints
    assert notice.startswith("OPENAI_BASE_URL: 'http://localhost:1' has no path")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://me.localhost/v1", True),
        ("http://localhost.evil.test/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_knows_what_is_on_this_machine(url: str, here: bool) -> None:
    assert Provider("p", "openai", url).is_on_this_machine is here


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("a b: {dialect: openai}", "1:13: provider 'a b': a name stands before a slash, so it has neither blanks"),
        ("a/b: {dialect: openai}", "a name stands before a slash"),
        ("rehearsal: {dialect: openai}", "provider 'rehearsal': this name has a meaning of its own"),
        ("auto: {dialect: openai}", "this name has a meaning of its own"),
        ("mine: {base_url: 'http://a'}", "1:13: provider 'mine': 'dialect' is missing"),
        ("mine: {dialect: openia}", "it must be one of gemini, anthropic, openai, bedrock; did you mean 'openai'?"),
        ("openai: {dialect: anthropic}", "1:22: provider 'openai': it speaks openai; give a provider of your own"),
        ("mine: {dialect: openai, base_url: 'http://['}", "'base_url' is 'http://['; a URL looks like"),
        ("mine: {dialect: openai, base_url: a.test}", "'base_url' is 'a.test'; a URL looks like https://example.com"),
        ("mine: {dialect: openai, base_url: 'http://me:hunter2@a'}", "no name, no password and no query in it"),
        ("mine: {dialect: openai, base_url: 'htp://me:hunter2@a'}", "'base_url' is 'no address'; a URL looks like"),
        ("mine: {dialect: anthropic, base_url: 'http://a/v1'}", "it is written without the version: 'http://a'"),
        (
            "mine: {dialect: openai, base_url: 'http://a/v1/chat/completions'}",
            "it is written without its end: 'http://a/v1'",
        ),
        ("anthropic: {base_url: 'http://a/v1/messages/'}", "it is written without its end: 'http://a'"),
        ("gemini: {base_url: 'http://a/v1beta'}", "it is written without the version: 'http://a'"),
        (
            "mine: {dialect: openai, transformers: [openruter]}",
            "1:52: provider 'mine': unknown transformer 'openruter'",
        ),
        ("mine: {dialect: openai, transformers: [{openrouter: 1}]}", "transformer 'openrouter' takes no argument"),
        ("mine: {dialect: openai, transformers: [{max_tokens: 0}]}", "'max_tokens' takes a whole number above 0"),
        ("mine: {dialect: openai, transformers: [max_tokens]}", "'max_tokens' takes a whole number above 0"),
        (
            "mine: {dialect: openai, transformers: [{sampling: {temperature: hot}}]}",
            "transformer 'sampling' takes the highest value of each parameter, as in {temperature: 1}",
        ),
        ("mine: {dialect: openai, transformers: [[a]]}", "a transformer is its name, or one name with its argument"),
        ("mine: {dialect: openai, api_key: k, api_key_cmd: k}", "there is an 'api_key' already; one of them is enough"),
        ("mine: {dialect: openai, api_key_cmd: []}", "'api_key_cmd' is a command line, or a list of a program and its"),
        ("mine: {dialect: openai, headers: {}}", "provider 'mine': unknown key 'headers'"),
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, provider: str, said: str) -> None:
    told = mistakes(folder, user=f"providers: {{{provider}}}")
    assert said in told
    assert "hunter2" not in told


def test_a_wrong_transformer_is_told_once(folder: Path) -> None:
    told = mistakes(folder, user="providers: {a: {dialect: openai, transformers: [ollma, {max_tokens: x}]}}")
    assert told.splitlines() == [
        "home/config.yaml:1:49: provider 'a': unknown transformer 'ollma'; did you mean 'ollama'?",
        "home/config.yaml:1:56: provider 'a': transformer 'max_tokens' takes a whole number above 0, as in {max_tokens: 8192}",
    ]


def test_a_project_does_not_say_how_the_users_providers_are_spoken_to(folder: Path) -> None:
    told = mistakes(folder, user=OPENROUTER, project="providers: {openrouter: {dialect: anthropic}}")
    assert told == "boticelli.yaml:1:26: provider 'openrouter': your own file says that it speaks openai"


def test_a_project_runs_no_command(folder: Path) -> None:
    project = """
providers: {mine: {dialect: openai, api_key_cmd: touch /tmp/hacked}}
accounts: [{name: a, provider: openai, api_key_cmd: [touch, /tmp/hacked]}]
"""
    first, second = mistakes(folder, project=project).splitlines()
    assert first == (
        "boticelli.yaml:2:37: provider 'mine': 'api_key_cmd' would run a command that came with the project; "
        "write it into your own file, 'home/config.yaml', if you trust it"
    )
    assert second.startswith("boticelli.yaml:3:40: account 1: 'api_key_cmd' would run a command")


@pytest.mark.parametrize(
    ("variable", "url", "said"),
    [
        ("ANTHROPIC_BASE_URL", "https://host/v1", "written without the version: 'https://host'"),
        ("OPENAI_BASE_URL", "host", "a URL looks like https://example.com"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://host:0", "a URL looks like https://example.com"),
    ],
)
def test_an_address_in_the_environment_that_cannot_be_one_is_refused(
    folder: Path, variable: str, url: str, said: str
) -> None:
    with pytest.raises(UsageError, match=variable) as caught:
        configured(folder, environ={variable: url})
    assert said in str(caught.value)


@given(st.text(alphabet="sk-abc123", min_size=12, max_size=40), st.sampled_from(("{}", "[{}]", "{{mine: {}}}")))
def test_shows_nothing_that_stands_where_a_provider_or_a_key_should(key: str, around: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        value = around.format(f"'{key}'")
        told = mistakes(folder, user=f"providers: {value}\naccounts: {value}\n")
    assert key not in told


SECRET = "sk-ant-0123456789abcdef"
FULL = f"""
providers:
  mine: {{dialect: openai, base_url: "http://a.test/v1", api_key: {SECRET}, transformers: [ollama, {{max_tokens: 8}}]}}
accounts:
  - {{name: a, provider: openai, api_key: "{SECRET}", priority: 1}}
  - name: b
    provider: bedrock
    region: eu-central-1
    api_key: {SECRET}
routes: {{think: [rehearsal, mine/m], patterns: [{{match: "(a", to: rehearsal}}], aliases: {{"x*": mine/x}}}}
limits: {{mine: {{models: {{m: {{rpm: 1}}}}}}}}
"""


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_written_is_read_or_told_with_no_key(data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        gap = text.find(SECRET, max(0, start - len(SECRET) - 12), start + len(SECRET) + 12)
        if gap < 0 or start + length <= gap or start >= gap + len(SECRET):  # a key that is cut is another key
            put = data.draw(st.text(alphabet="{}[]:,-'\"\n #&*!|>a1$", max_size=3))
            text = text[:start] + put + text[start + length :]
    with TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        try:
            config = configured(folder, user=text)
        except InputError as error:
            assert SECRET not in str(error)
        else:
            assert SECRET not in repr(config)
