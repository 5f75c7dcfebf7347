"""The configuration files."""

from pathlib import Path

import pytest

from boticelli_cli.catalog import Limits, Price
from boticelli_cli.config import Account, read_config, user_config_path
from boticelli_cli.errors import ConfigError, UsageError


@pytest.fixture
def home(folder: Path) -> Path:
    path = folder.parent / "home"
    path.mkdir()
    return path


def read(folder: Path, home: Path) -> object:
    return read_config({"BOTICELLI_HOME": str(home)}, folder).settings


def test_without_files_nothing_is_set(folder: Path, home: Path) -> None:
    config = read_config({"BOTICELLI_HOME": str(home)}, folder)
    assert config.files == ()
    assert config.settings.model is None


def test_the_projects_file_lies_over_the_users(folder: Path, home: Path) -> None:
    (home / "config.yaml").write_text("model: a\ntemperature: 0.1\nstop: END\n")
    (folder / "boticelli.yaml").write_text("model: b\n")
    config = read_config({"BOTICELLI_HOME": str(home)}, folder)
    assert (config.settings.model, config.settings.temperature, config.settings.stop) == ("b", 0.1, ("END",))
    assert [path.name for path in config.files] == ["boticelli.yaml", "config.yaml"]


def test_its_system_instruction_is_no_template(folder: Path, home: Path) -> None:
    (folder / "boticelli.yaml").write_text("system: 'Say {{ this }}.'\n")
    settings = read_config({"BOTICELLI_HOME": str(home)}, folder).settings
    assert settings.system is not None
    assert settings.system.render({}) == "Say {{ this }}."


def test_an_empty_file_is_no_mistake(folder: Path, home: Path) -> None:
    (folder / "boticelli.yaml").write_text("# nothing yet\n")
    assert len(read_config({"BOTICELLI_HOME": str(home)}, folder).files) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modell: x", ":1:1: unknown key 'modell'; did you mean 'model'?"),
        ("temperature: 9", ":1:1: 'temperature' is 9; it must be between 0 and 2"),
        ("- a", ":1:1: a document here is a mapping"),
        ("a: [", ":1:5: "),
        ("model: a\nmodel: b", ":2:1: 'model' is given twice"),
        ("timeout: 0", ":1:1: 'timeout' is 0; it must be more than 0 and at most 86400"),
        ("thinking: hihg", "'thinking' is true, false, one of minimal, low, medium, high or a budget in tokens"),
        ("thinking: hihg", "; did you mean 'high'?"),
        ("accounts: [{name: a}]", ":1:12: account 1: 'provider' is missing"),
        (
            "accounts: [{name: a, provider: gemini, key: k}]",
            ":1:40: account 1: unknown key 'key'",
        ),
        (
            "accounts: [{name: a, provider: gemni}]",
            ":1:22: account 1: unknown provider 'gemni'; did you mean 'gemini'?",
        ),
        (
            "accounts:\n- {name: a, provider: gemini}\n- {name: a, provider: gemini}",
            ":3:4: account 2: there is an account 'a' already",
        ),
        (
            "accounts: [{name: a, provider: gemini, tier: fre}]",
            ":1:40: account 1: gemini has no tier 'fre'; did you mean 'free'?",
        ),
        ("limits: {gemini: {models: {m: {rmp: 5}}}}", ":1:32: unknown key 'rmp'; did you mean 'rpm'?"),
        ("limits: {gemini: {rpm: 5}}", ":1:19: 'rpm' is said of a model; write models: {MODEL: {rpm: …}}"),
        ("limits: {gemini: {models: {m: {rpm: -5}}}}", "'rpm' is -5; it must be at least 0"),
        ("limits: {gemni: {models: {}}}", ":1:10: unknown provider 'gemni'; did you mean 'gemini'?"),
        ("prices: {m: {input: 1}}", "'output' is missing"),
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, home: Path, text: str, said: str) -> None:
    (folder / "boticelli.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(folder, home)
    where = "boticelli.yaml" if said.startswith(":") else ""
    assert f"{where}{said}" in str(caught.value)
    assert len(set(caught.value.problems)) == len(caught.value.problems)


def test_the_users_file_is_in_the_platforms_folder_or_in_ours(home: Path) -> None:
    assert user_config_path({"BOTICELLI_HOME": str(home)}) == home / "config.yaml"
    assert user_config_path({}).parts[-2:] == ("boticelli", "config.yaml")


ACCOUNTS = """
accounts:
  - {name: spare, provider: gemini, api_key: $SPARE, priority: 50}
  - {name: main, provider: gemini, api_key: "${MAIN}", tier: free, priority: 10, max_concurrent: 4}
"""


def test_the_environments_key_is_an_account() -> None:
    def only(**environ: str) -> tuple[Account, ...]:
        return read_config({"BOTICELLI_HOME": "nowhere", **environ}, Path()).accounts_of("gemini")

    assert only() == ()
    assert only(GEMINI_API_KEY="k1", GOOGLE_API_KEY="k2") == (Account("default", "gemini", "k1", is_named=False),)
    assert only(GOOGLE_API_KEY="k2", GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:1/") == (
        Account("default", "gemini", "k2", base_url="http://127.0.0.1:1", is_named=False),
    )
    assert only(GOOGLE_CLOUD_PROJECT="p", GEMINI_API_KEY="") == (
        Account("vertex", "gemini", project="p", is_named=False),
    )
    assert only(GOOGLE_CLOUD_PROJECT="p", GOOGLE_CLOUD_LOCATION="europe-west4")[0].location == "europe-west4"


def test_keys_without_a_name_are_counted_each_for_itself() -> None:
    first, second = (Account("default", "gemini", key, is_named=False).counted_as for key in ("k1", "k2"))
    assert first != second
    assert "k1" not in first
    assert Account("main", "gemini", "k1").counted_as == "main"


def test_accounts_are_in_the_order_of_their_priority_and_take_keys_from_the_environment(
    folder: Path, home: Path
) -> None:
    (home / "config.yaml").write_text(ACCOUNTS)
    environ = {"BOTICELLI_HOME": str(home), "MAIN": " k1\n", "GEMINI_API_KEY": "other"}
    main, spare = read_config(environ, folder).accounts_of("gemini")
    assert (main.name, main.api_key, main.tier, main.max_concurrent) == ("main", "k1", "free", 4)
    assert (spare.name, spare.api_key, spare.lacks) == ("spare", None, "$SPARE is not set")
    assert "k1" not in repr(main)


def test_the_projects_accounts_replace_the_users_and_limits_are_merged(folder: Path, home: Path) -> None:
    (home / "config.yaml").write_text(
        ACCOUNTS
        + "limits: {gemini: {models: {m: {rpm: 5, tpm: 9}, n: {rpd: 2}}}}\nprices: {m: {input: 1, output: 2}}\n"
    )
    (folder / "boticelli.yaml").write_text(
        "accounts: [{name: mine, provider: gemini, api_key: k}]\nlimits: {gemini: {models: {m: {rpm: 1}}}}\n"
    )
    config = read_config({"BOTICELLI_HOME": str(home)}, folder)
    assert [account.name for account in config.accounts_of("gemini")] == ["mine"]
    assert config.limits == {("gemini", "m"): Limits(rpm=1, tpm=9), ("gemini", "n"): Limits(rpd=2)}
    assert config.prices == {"m": Price(1, 2)}


def test_a_misspelt_model_under_limits_is_told_and_a_new_one_is_not(folder: Path, home: Path) -> None:
    (folder / "boticelli.yaml").write_text(
        "limits: {gemini: {models: {gemini-3.8-flahs: {rpm: 1}, gemini-3.9-flash: {rpm: 1}, gemini-3.8-flash: {}}}}"
    )
    [notice] = read_config({"BOTICELLI_HOME": str(home)}, folder).notices
    assert notice.endswith(
        "boticelli.yaml:1: no model 'gemini-3.8-flahs' of gemini is known; did you mean 'gemini-3.8-flash'?"
    )


def test_says_where_each_value_stands(folder: Path, home: Path) -> None:
    (home / "config.yaml").write_text("model: a\ntemperature: 1\nlimits: {gemini: {models: {m: {rpm: 1}}}}\n")
    (folder / "boticelli.yaml").write_text("\nmodel: b\n")
    origins = read_config({"BOTICELLI_HOME": str(home)}, folder).origins
    assert origins["model"] == f"{folder / 'boticelli.yaml'}:2"
    assert origins["temperature"] == f"{home / 'config.yaml'}:2"
    assert origins["limits.gemini.models.m.rpm"] == f"{home / 'config.yaml'}:3"


def test_options_are_merged_key_by_key(folder: Path, home: Path) -> None:
    (home / "config.yaml").write_text("options: {generationConfig: {topK: 1, seed: 2}, labels: [a]}\n")
    (folder / "boticelli.yaml").write_text("options: {generationConfig: {topK: 3}, labels: [b], nothing: null}\n")
    settings = read_config({"BOTICELLI_HOME": str(home)}, folder).settings
    assert settings.options == {"generationConfig": {"topK": 3, "seed": 2}, "labels": ["b"], "nothing": None}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("generativelanguage.googleapis.com", "a URL looks like https://example.com"),
        ("https://me:hunter2@host", "no name, no password and no query in it"),
        ("https://host/v1beta/", "written without the version: 'https://host'"),
    ],
)
def test_a_base_url_that_cannot_be_one_is_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match="GOOGLE_GEMINI_BASE_URL") as caught:
        read_config({"BOTICELLI_HOME": "nowhere", "GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": url}, Path())
    assert said in str(caught.value)


def test_the_documented_configuration_is_read(folder: Path, home: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    (home / "config.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    config = read_config({"BOTICELLI_HOME": str(home), "OPENROUTER_API_KEY": "k"}, folder)
    assert [account.name for account in config.accounts] == ["main", "spare", "aws", "openrouter", "ollama"]
    assert config.notices == ()
