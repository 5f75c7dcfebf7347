"""The configuration files."""

from pathlib import Path

import pytest

from boticelli_cli.config import read_config, user_config_path
from boticelli_cli.errors import ConfigError


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
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, home: Path, text: str, said: str) -> None:
    (folder / "boticelli.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(folder, home)
    assert f"boticelli.yaml{said}" in str(caught.value)


def test_the_users_file_is_in_the_platforms_folder_or_in_ours(home: Path) -> None:
    assert user_config_path({"BOTICELLI_HOME": str(home)}) == home / "config.yaml"
    assert user_config_path({}).parts[-2:] == ("boticelli", "config.yaml")
