"""Accounts of the configuration: who asks, where their keys are, and where those never go."""

from pathlib import Path

import pytest

from boticelli_cli.config import Account, Config
from tests.configuring import configured, mistakes, only

STORED = '{"keys": {"anthropic": {"ends": "x7Qa"}, "openai/work": {"key": "stored"}, "openai/home": {"key": "other"}}}'

STRANGE = "providers: {openai: {base_url: 'https://evil.test/v1'}}"
NEAR = "providers: {openai: {base_url: 'http://localhost:1/v1'}}"


def test_each_provider_takes_its_key_from_the_environment_for_itself(folder: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "a-key\n", "OPENAI_API_KEY": "o-key", "GEMINI_API_KEY": "g-key"}
    user = "accounts: [{name: main, provider: gemini, api_key: file-key}]"
    config = configured(folder, user=user, environ=environ)
    assert [(each.name, each.api_key) for each in config.accounts if each.is_given] == [
        ("main", "file-key"),
        ("anthropic", "a-key"),
        ("openai", "o-key"),
    ]
    assert only(config, "openai").origin == "$OPENAI_API_KEY"


def test_a_providers_own_key_is_an_account_called_like_it(folder: Path) -> None:
    user = """
providers:
  one: {dialect: openai, base_url: "http://one.test/v1", api_key: $ONE}
  two: {dialect: anthropic, base_url: "http://two.test", api_key_cmd: op read op://two}
  three: {dialect: openai, base_url: "http://three.test/v1", api_key_cmd: [op, read, "op://three"]}
"""
    config = configured(folder, user=user, environ={"ONE": "k1"})
    assert only(config, "one") == Account("one", "one", "k1", base_url="http://one.test/v1")
    assert only(config, "two").key_command == "op read op://two"
    assert only(config, "three").key_command == ("op", "read", "op://three")
    assert only(configured(folder, user=user), "one").lacks == "$ONE is not set"


def test_an_address_of_ones_own_needs_no_key(folder: Path) -> None:
    user = "providers: {ollama: {dialect: openai, base_url: 'http://localhost:11434/v1'}}"
    account = only(configured(folder, user=user), "ollama")
    assert account == Account("ollama", "ollama", base_url="http://localhost:11434/v1")
    named = f"{user}\naccounts: [{{name: mine, provider: ollama, max_concurrent: 2}}]"
    account = only(configured(folder, user=named), "ollama")
    assert (account.name, account.api_key, account.lacks, account.max_concurrent) == ("mine", None, None, 2)


def test_an_account_without_a_key_takes_its_providers_or_one_from_the_store(folder: Path) -> None:
    user = """
providers: {mine: {dialect: openai, base_url: "http://a.test/v1", api_key: theirs}}
accounts: [{name: one, provider: mine}, {name: work, provider: openai}, {name: two, provider: anthropic}]
"""
    config = configured(folder, user=user, keys=STORED)
    assert only(config, "mine").api_key == "theirs"
    assert only(config, "openai").key_stored == "openai/work"
    assert only(config, "anthropic").key_stored == "anthropic"
    assert only(configured(folder, user=user, keys='{"keys": {}}'), "openai").lacks == "it has no 'api_key'"


def test_the_store_is_asked_after_the_environment(folder: Path) -> None:
    config = configured(folder, keys=STORED)
    assert only(config, "anthropic").key_stored == "anthropic"
    assert [(each.name, each.key_stored) for each in config.accounts_of("openai")] == [
        ("work", "openai/work"),
        ("home", "openai/home"),
    ]
    config = configured(folder, keys=STORED, environ={"ANTHROPIC_API_KEY": "k"})
    assert (only(config, "anthropic").api_key, only(config, "anthropic").key_stored) == ("k", None)


def test_no_two_accounts_have_one_name(folder: Path) -> None:
    user = "accounts: [{name: default, provider: openai, api_key: k}, {name: aws, provider: openai, api_key: k}]"
    config = configured(folder, user=user, environ={"GEMINI_API_KEY": "g"}, keys=STORED)
    assert sorted(account.name for account in config.accounts) == ["anthropic", "aws", "bedrock", "default", "gemini"]


def test_bedrock_is_there_and_given_when_somebody_says_that_they_are_at_aws(folder: Path) -> None:
    account = only(configured(folder), "bedrock")
    assert (account.name, account.is_given, account.api_key, account.lacks) == ("aws", False, None, None)
    assert only(configured(folder, environ={"AWS_PROFILE": "work"}), "bedrock").is_given
    bearer = only(configured(folder, environ={"AWS_BEARER_TOKEN_BEDROCK": "token"}), "bedrock")
    assert (bearer.is_given, bearer.api_key, bearer.origin) == (True, "token", "$AWS_BEARER_TOKEN_BEDROCK")
    user = "accounts: [{name: work, provider: bedrock, profile: work, region: eu-central-1, priority: 1}]"
    account = only(configured(folder, user=user, environ={"AWS_PROFILE": "other"}), "bedrock")
    assert (account.profile, account.region, account.priority) == ("work", "eu-central-1", 1)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("provider: openai, profile: p", "1:40: account 1: 'profile' is for bedrock; openai speaks openai"),
        ("provider: openai, region: r", "'region' is for bedrock"),
        ("provider: bedrock, region: 'x.evil.test/#'", "'region' is 'x.evil.test/#'; a region looks like eu-central-1"),
        ("provider: bedrock, profile: p, api_key: k", "there is 'api_key' already; one of them is enough"),
        ("provider: bedrock, tier: free", "of bedrock no tiers are known; leave it out, and set 'limits'"),
        ("provider: rehearsal", "unknown provider 'rehearsal'"),
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, account: str, said: str) -> None:
    assert said in mistakes(folder, user=f"accounts: [{{name: a, {account}}}]")


def test_an_account_is_not_called_like_somebody_elses_provider(folder: Path) -> None:
    told = mistakes(folder, user="accounts: [{name: openai, provider: gemini, api_key: k}]")
    assert told.endswith("account 1: 'openai' is a provider's name; give this account another one")
    assert configured(folder, user="accounts: [{name: openai, provider: openai, api_key: k}]").accounts


def secrets_in(config: Config, provider: str) -> list[object]:
    return [
        secret
        for account in config.accounts_of(provider)
        for secret in (account.api_key, account.key_command, account.key_stored, account.profile)
        if secret is not None
    ]


@pytest.mark.parametrize(
    "user",
    [
        "",
        "providers: {openai: {api_key: users}}",
        "providers: {openai: {api_key_cmd: echo users}}",
        "providers: {openai: {base_url: 'https://api.openai.com/v1', api_key: users}}",
        "accounts: [{name: a, provider: openai, api_key: users}]",
        "accounts: [{name: a, provider: openai, api_key: $OPENAI_API_KEY}]",
        "accounts: [{name: a, provider: openai, api_key_cmd: echo users}]",
        "accounts: [{name: work, provider: openai}]",
    ],
)
@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": "environments"}])
def test_no_key_goes_to_an_address_that_came_with_a_project(folder: Path, user: str, environ: dict[str, str]) -> None:
    config = configured(folder, user=user, project=STRANGE, environ=environ, keys=STORED)
    assert secrets_in(config, "openai") == []
    for account in config.accounts_of("openai"):
        assert account.base_url == "https://evil.test/v1"
        if account.lacks == "$OPENAI_API_KEY is not set":
            continue
        assert "is not sent to an address that came with the project" in (account.lacks or "")
        assert "boticelli.yaml:1); set 'base_url' in your own file if you trust it" in (account.lacks or "")
    near = configured(folder, user=user, project=NEAR, environ=environ, keys=STORED)
    assert secrets_in(near, "openai") == []
    assert all(account.withheld or account.lacks for account in near.accounts_of("openai"))


def test_nor_do_credentials_of_aws(folder: Path) -> None:
    project = "providers: {bedrock: {base_url: 'http://127.0.0.1:1'}}"
    account = only(configured(folder, project=project, environ={"AWS_PROFILE": "admin"}), "bedrock")
    assert "is not sent to an address that came with the project" in str(account.lacks)
    assert "is not sent to an address" in str(only(configured(folder, project=project), "bedrock").lacks)
    told = mistakes(folder, project=f"{project}\naccounts: [{{name: a, provider: bedrock, profile: admin}}]")
    assert "2:41: account 1: your AWS credentials are not for an address that came with the project" in told


def test_a_project_may_have_a_key_of_its_own_for_its_own_address(folder: Path) -> None:
    project = "providers: {openai: {base_url: 'https://team.test/v1', api_key: teams}}"
    account = only(configured(folder, project=project, environ={"OPENAI_API_KEY": "mine"}), "openai")
    assert (account.api_key, account.base_url, account.lacks) == ("teams", "https://team.test/v1", None)


@pytest.mark.parametrize(
    ("project", "place"),
    [
        ("providers: {mine: {dialect: openai, base_url: 'http://evil.test/v1', api_key: $OPENAI_API_KEY}}", "1:70"),
        (f"{STRANGE}\naccounts: [{{name: a, provider: openai, api_key: '${{OPENAI_API_KEY}}'}}]", "2:40"),
    ],
)
def test_a_project_does_not_take_keys_of_the_environment_for_its_own_address(
    folder: Path, project: str, place: str
) -> None:
    told = mistakes(folder, project=project, environ={"OPENAI_API_KEY": "mine"})
    assert told.startswith(f"boticelli.yaml:{place}: ")
    assert told.endswith(
        "$OPENAI_API_KEY is not sent to an address that came with the project; move the provider's 'base_url' into "
        "your own file, 'home/config.yaml', if you trust it"
    )


def test_the_users_own_address_gets_the_key_though_a_project_names_the_account(folder: Path) -> None:
    user = "providers: {mine: {dialect: openai, base_url: 'http://a.test/v1'}}"
    project = "accounts: [{name: a, provider: mine, api_key: $KEY}]"
    assert only(configured(folder, user=user, project=project, environ={"KEY": "k"}), "mine").api_key == "k"


def test_keys_are_not_shown() -> None:
    account = Account("a", "openai", "sk-secret", key_command="echo sk-secret")
    assert "sk-secret" not in repr(account)
    assert "sk-secret" not in repr(Config(accounts=(account,)))
