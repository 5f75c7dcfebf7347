"""What the doctor finds."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from boticelli_cli.config import Account, Config, Provider
from boticelli_cli.doctor.access import access
from boticelli_cli.doctor.examine import examine
from boticelli_cli.doctor.finding import Finding
from boticelli_cli.doctor.online import Ask, answers, clock_of
from boticelli_cli.doctor.surroundings import network, places
from boticelli_cli.errors import CredentialsError, ProviderError, UnreachableError, UsageError
from boticelli_cli.keystore import StoredKey
from boticelli_cli.limit_states import HeldBack
from tests.clock import run_virtual

KEY = "sk-ant-0123456789abcdefx7Qa"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def written(folder: Path, *, user: str = "", project: str = "") -> dict[str, str]:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    if user:
        (home / "config.yaml").write_text(user)
    if project:
        (folder / "boticelli.yaml").write_text(project)
    return {"BOTICELLI_HOME": str(home)}


async def found(folder: Path, environ: Mapping[str, str], **more: str) -> dict[str, Finding]:
    """Findings by their names."""
    return {finding.name: finding for finding in await examine(folder, environ={**environ, **more})}


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


async def test_a_fresh_setup_has_nothing_wrong(folder: Path) -> None:
    findings = await found(folder, written(folder))
    assert [each for each in findings.values() if each.state == "wrong"] == []
    assert findings["boticelli"].text
    assert findings["openai"].text == "no key; set OPENAI_API_KEY, or: boticelli keys set openai"
    assert findings["account bedrock/aws"].state == "unused"
    assert findings["keys"].state == "doubtful"
    assert "rehearsal" in findings["keys"].text


async def test_says_nothing_of_keys_that_it_has_not_looked_for(folder: Path) -> None:
    environ = written(folder, user="model: gemini-3.8-flash\n", project="modell: x\n")
    findings = await found(folder, environ, GEMINI_API_KEY=KEY)
    assert findings["project"].state == "wrong"
    assert (findings["yours"].state, findings["yours"].hint) == ("doubtful", None)
    assert findings["providers"].text == "not looked at: the configuration has mistakes"
    assert not {"keys", "gemini", "account gemini/default"} & set(findings)


async def test_says_where_each_value_came_from(folder: Path) -> None:
    environ = written(
        folder,
        user="model: a\ntemperature: 1\nsystem: long\nfallback: [c, d]\nroutes:\n  think: [rehearsal, gemini-3.8-flash]\n",
        project="\nmodel: b\nlimits: {gemini: {models: {m: {rpm: 1}}}}\n",
    )
    findings = await found(folder, environ)
    assert findings["model"].text == f"b  ({folder}/boticelli.yaml:2)"
    assert findings["temperature"].text.endswith("home/config.yaml:2)")
    assert findings["system"].text.startswith("set  (")
    assert findings["fallback"].text.startswith("c → d  (")
    assert findings["routes.think"].text.startswith("rehearsal → gemini-3.8-flash  (")
    assert findings["limits"].text.startswith("of 1 model  (")
    findings = await found(folder, environ, BOTICELLI_MODEL="c", BOTICELLI_QUIET="1")
    assert findings["model"].text == f"c  ($BOTICELLI_MODEL, over {folder}/boticelli.yaml:2)"
    assert findings["$BOTICELLI_QUIET"].text == "set, over the files"


async def test_every_mistake_of_the_configuration_is_a_finding(folder: Path) -> None:
    environ = written(folder, user="modell: a\ntemperature: 9\n")
    wrong = [each for each in await examine(folder, environ=environ) if each.state == "wrong"]
    assert ["config.yaml:1:1: unknown key 'modell'" in each.text for each in wrong] == [True, False, False]
    assert "config.yaml:2:1: 'temperature' is 9" in wrong[1].text
    assert wrong[2].text.endswith("config.yaml, not used")
    [variable] = [
        each
        for each in await examine(folder, environ={"BOTICELLI_HOME": "nowhere", "OPENAI_BASE_URL": "x"})
        if each.state == "wrong"
    ]
    assert variable.text == "OPENAI_BASE_URL is 'x'; a URL looks like https://example.com"


async def test_tells_a_key_by_its_length_and_its_end_and_never_by_itself(folder: Path) -> None:
    environ = written(folder, user=f"accounts: [{{name: work, provider: openai, api_key: {KEY}}}]")
    findings = await examine(folder, environ={**environ, "ANTHROPIC_API_KEY": KEY, "GEMINI_API_KEY": "a key"})
    assert KEY not in str(findings)
    named = by_name(findings)
    assert named["account anthropic"].text == "set, 27 characters, ends in …x7Qa, from $ANTHROPIC_API_KEY"
    assert named["account openai/work"].text.endswith("home/config.yaml:1")
    assert named["account gemini/default"].state == "wrong"
    assert "there are characters in it that no key has" in named["account gemini/default"].text


def keyed(*accounts: Account, held: Sequence[HeldBack] = (), **providers: Provider) -> dict[str, Finding]:
    config = Config(providers={**Config().providers, **providers}, accounts=accounts)
    stored = {"openai/work": StoredKey("openai/work", "keyring", "x7Qa")}
    return by_name(list(access(config, stored, held)))


def test_says_of_each_account_where_its_key_is() -> None:
    findings = keyed(
        Account("a", "openai", lacks="$KEY is not set"),
        Account("b", "openai", key_command="op read x", origin="config.yaml:3"),
        Account("c", "openai", key_stored="openai/work"),
        Account("d", "gemini", project="p", origin="$GOOGLE_CLOUD_PROJECT"),
        Account("e", "bedrock", profile="work", origin="config.yaml:4"),
        Account("f", "anthropic", base_url="http://localhost", withheld="the key is not sent there"),
    )
    assert [(name, each.text, each.state) for name, each in findings.items() if name.startswith("account")] == [
        ("account gemini/d", "Google Cloud project 'p' in global, from $GOOGLE_CLOUD_PROJECT", "fine"),
        ("account anthropic/f", "the key is not sent there", "doubtful"),
        ("account openai/a", "no key: $KEY is not set", "wrong"),
        ("account openai/b", "a command writes the key, from config.yaml:3", "fine"),
        ("account openai/c", "the key 'openai/work' is kept in the keyring, ends in …x7Qa", "fine"),
        ("account bedrock/e", "AWS profile 'work', from config.yaml:4", "fine"),
    ]


def test_says_which_accounts_are_held_back() -> None:
    one, two = Account("one", "openai", KEY), Account("two", "openai", KEY)
    until = datetime(2026, 11, 20, 12, 30).astimezone()
    held = [
        HeldBack(one, "too many requests", "gpt-6.2-sol", until),
        HeldBack(two, "its key was refused three times"),
    ]
    findings = keyed(one, two, held=held)
    assert findings["account openai/one"].text == (
        "is not asked for gpt-6.2-sol until 12:30:00 while there is another: too many requests"
    )
    assert findings["account openai/two"].state == "wrong"


def test_points_out_keys_that_go_unencrypted() -> None:
    account = Account("mine", "mine", KEY)
    far = Provider("mine", "openai", "http://10.0.0.1/v1", named_by="config.yaml:2")
    assert keyed(account, mine=far)["mine"].text == (
        "http://10.0.0.1/v1  (config.yaml:2); keys and prompts go there unencrypted"
    )
    near = Provider("mine", "openai", "http://localhost/v1", named_by="config.yaml:2")
    assert keyed(account, mine=near)["mine"].state == "fine"


@pytest.mark.parametrize(
    ("environ", "name", "text", "state"),
    [
        ({}, "proxies", "none", "unused"),
        ({"HTTPS_PROXY": "http://me:pw@proxy:80"}, "HTTPS_PROXY", "http://…@proxy:80", "fine"),
        ({"https_proxy": "proxy:8080"}, "HTTPS_PROXY", "http://proxy:8080", "fine"),
        ({"NO_PROXY": "localhost"}, "NO_PROXY", "localhost", "fine"),
        ({"HTTPS_PROXY": "http://proxy:eighty"}, "HTTPS_PROXY", "is no address", "wrong"),
        ({"HTTPS_PROXY": "http://["}, "HTTPS_PROXY", "is no address", "wrong"),
        ({"HTTPS_PROXY": "http://me:pw@"}, "HTTPS_PROXY", "is no address", "wrong"),
        ({"SSL_CERT_FILE": "/no/such"}, "SSL_CERT_FILE", "cannot be used: No such file or directory", "wrong"),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE", "cannot be used: there are no certificates in it", "wrong"),
        ({"SSL_CERT_DIR": "/no/such"}, "SSL_CERT_DIR", "cannot be used: No such file or directory", "wrong"),
        ({}, "clock", "2026-11-20 12:00:00, time zone UTC (UTC+0000)", "fine"),
    ],
)
def test_judges_what_the_environment_says_of_the_network(
    environ: dict[str, str], name: str, text: str, state: str
) -> None:
    finding = by_name(list(network(environ, NOW)))[name]
    assert finding.text.endswith(text)
    assert finding.state == state
    assert "pw" not in finding.text


def test_counts_certificates(folder: Path) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(str(folder / "ca.pem"))
    environ = {"SSL_CERT_FILE": str(folder / "ca.pem")}
    assert by_name(list(network(environ, NOW)))["SSL_CERT_FILE"].text.endswith("ca.pem, 1 certificates")
    assert by_name(list(network({}, NOW)))["certificates"].state == "fine"


def test_looks_at_the_folders_and_the_counts(folder: Path) -> None:
    (folder / "file").write_text("")
    (folder / "limits.sqlite3").write_text("This is no database, but somebody's letter.")
    folders = {"state": folder, "cache": folder / "file" / "cache"}
    findings = by_name(list(places(folders, folder / "limits.sqlite3")))
    assert (findings["state"].state, findings["cache"].state) == ("fine", "wrong")
    assert "the counts of requests cannot be kept in" in findings["counts of requests"].text
    assert by_name(list(places({}, folder / "none")))["counts of requests"].text == "none yet"


def asked(outcomes: Mapping[str, int | float | Exception]) -> list[Finding]:
    """What is found when accounts answer like this: with a number of models, after many seconds, or by an error."""

    async def ask(account: Account) -> int:
        match outcomes[account.name]:
            case Exception() as error:
                raise error
            case float() as seconds:
                await asyncio.sleep(seconds)
            case int() as count:
                return count
        return 0

    return run_virtual(answers([Account(name, "openai", KEY) for name in outcomes], ask))


def test_asks_every_account_and_says_what_came_of_it() -> None:
    findings = asked(
        {
            "good": 43,
            "slow": 11.0,
            "refused": CredentialsError("the key was refused", hint="copy it again"),
            "odd": CredentialsError("the key was refused"),
            "busy": ProviderError("too many requests", status=429),
            "gone": UnreachableError("nobody is there", hint="is there a network?"),
            "vertex": UsageError("it lists no models"),
        }
    )
    assert findings[0].text.startswith("answers: 43 models, after 0.")
    assert [(each.name, each.text, each.state, each.hint) for each in findings[1:]] == [
        ("openai/slow", "gave no answer within 10 seconds", "wrong", "is there a network?"),
        ("openai/refused", "the key was refused", "wrong", "copy it again"),
        ("openai/odd", "the key was refused", "wrong", "give it another key: boticelli keys set openai/odd"),
        ("openai/busy", "too many requests", "doubtful", None),
        ("openai/gone", "nobody is there", "wrong", "is there a network?"),
        ("openai/vertex", "it lists no models", "unused", None),
    ]


def test_a_key_that_somebody_has_to_be_asked_for_takes_its_own_time() -> None:
    account = Account("slow", "openai", key_command="op read it")
    for seconds, said in ((35.0, "answers: 1 model, after"), (41.0, "gave no answer within 40 seconds")):
        ask: Ask = lambda account, seconds=seconds: asyncio.sleep(seconds, 1)  # type: ignore[misc]  # noqa: E731
        [finding] = run_virtual(answers([account], ask))
        assert finding.text.startswith(said)


def test_asks_at_the_same_time() -> None:
    async def timed() -> float:
        ask: Ask = lambda account: asyncio.sleep(9.0, 1)  # noqa: E731
        found = await answers([Account(f"a{number}", "openai", KEY) for number in range(16)], ask)
        assert all(each.state == "fine" for each in found)
        return asyncio.get_running_loop().time()

    assert run_virtual(timed()) == pytest.approx(9)


@pytest.mark.parametrize(
    ("seconds", "text", "state"),
    [
        (1, "right", "fine"),
        (-20, "20 seconds behind", "fine"),
        (60, "60 seconds ahead", "doubtful"),
        (-900, "900 seconds behind", "wrong"),
    ],
)
def test_compares_the_clock(seconds: int, text: str, state: str) -> None:
    finding = clock_of(NOW, NOW + timedelta(seconds=seconds))
    assert (finding.text, finding.state) == (text, state)


async def test_online_accounts_that_lack_a_key_are_not_asked(folder: Path) -> None:
    user = "accounts: [{name: a, provider: openai, api_key: $NO}, {name: b, provider: gemini, api_key: k}]"
    environ = written(folder, user=user)
    names: list[str] = []
    addresses: list[str] = []

    async def ask(account: Account) -> int:
        names.append(account.name)
        return 1

    async def time_at(address: str) -> datetime:
        addresses.append(address)
        return datetime.now(UTC)

    findings = await examine(folder, online=True, environ=environ, ask=ask, time_at=time_at)
    assert (names, addresses) == (["b"], ["https://generativelanguage.googleapis.com"])
    assert findings[-1] == Finding("Online", "clock", "right")
    assert findings[-2].text.startswith("answers: 1 model, after")
