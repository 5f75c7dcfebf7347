"""TOML, as the original project wrote it and as it may be written today."""

from pathlib import Path

import pytest

from boticelli_cli.narrative.load import load
from boticelli_cli.narrative.model import FileContent, TextContent
from tests.narrative.writing import loaded, mistakes, narrative

OLD = '''
[narration]
name = "presentation"
description = "An old one"

[toc]
order = ["brief", "slides"]

[acts]
brief = "Say what to look for."
left_out = "Never said."

[acts.slides]
model = "gemini-pro-vision"
temperature = 0.3
max_tokens = 500

[[acts.slides.input]]
type = "text"
content = """
Look at these:
{{ brief }}"""

[[acts.slides.input]]
type = "image"
mime = "image/png"
url = "https://example.com/deck"
'''


def test_reads_the_original_projects_form() -> None:
    story = narrative(OLD, "old.toml")
    brief, slides = story.acts
    assert (story.name, brief.name, slides.name) == ("presentation", "brief", "slides")
    assert slides.settings.temperature == 0.3
    assert [part.kind for part in slides.input] == ["text", "image"]
    assert isinstance(slides.input[0].content, TextContent)
    assert slides.input[0].content.text.acts == {"brief"}


def test_todays_form_can_be_written_in_toml_too(folder: Path) -> None:
    (folder / "x.txt").write_text("x")
    story = narrative(
        """
        toc = ["b", "a"]
        output = "{{ a }}"
        [narrative]
        name = "n"
        context = "fresh"
        [variables]
        place = "Skellig"
        [acts]
        a = "At {{ place }}."
        b = {prompt = "Two.", input = [{type = "text", file = "x.txt"}]}
        """,
        "new.toml",
    )
    assert [act.name for act in story.acts] == ["b", "a"]
    assert isinstance(story.acts[0].input[1].content, FileContent)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[narration]\nname = "n"\n[acts]\na = "One."\na = "Two."\n', "5:1: this is given twice"),
        ('[narration]\nname = "n\n', "2:10: illegal character '\\n'"),
        ('[narration]\nname = "n"\n[acts]\na = "{{ x }}"\n', "4:9: act 'a': unknown name 'x'"),
        (
            '[narration]\nname = "n"\n[acts.a]\npromt = "x"\n',
            "4:1: act 'a': unknown key 'promt'; did you mean 'prompt'?",
        ),
        (
            '[narration]\nname = "n"\n[acts.a]\nprompt = "x"\n[[acts.a.input]]\ntype = "text"\ncontent = "y"\n'
            '[[acts.a.input]]\ntype = "imag"\nurl = "https://x/y.png"\n',
            "9:1: act 'a': 'type' is 'imag'; it must be one of text, image, audio, video, document; did you mean 'image'?",
        ),
        ('[narration]\nname = "n"\n[toc]\norder = ["b"]\n[acts]\na = "One."\n', "4:10: toc names unknown act 'b'"),
        ('[narration]\nname = "n"\n[acts]\na = """\nx\n  {{ y }}"""\n', "6:6: act 'a': unknown name 'y'"),
        (
            '["narrative"]\n"name" = 3\n[acts]\na = "x"\n',
            "2:1: 'name' must be text, not the number 3; put it in quotes",
        ),
        ("", "the file is empty"),
    ],
)
def test_tells_what_is_wrong_and_where(text: str, said: str) -> None:
    assert any(said in line for line in mistakes(text, "old.toml")), mistakes(text, "old.toml")


def test_places_behind_wide_characters_are_right() -> None:
    said = mistakes('[narration]\nname = "灯台 😀"\n[acts]\na = "灯 {{ x }}"\n', "wide.toml")
    assert said[0].startswith("4:11: ")


def test_keys_that_only_stored_answers_are_a_warning_and_the_acts_run() -> None:
    result = loaded(
        '[narration]\nname = "n"\ntemplate = "users"\nskip_content_generation = true\n[acts]\na = "x"', "o.toml"
    )
    assert result.narrative is not None
    assert [(problem.line, problem.severity) for problem in result.problems] == [(3, "warning"), (4, "warning")]


def test_what_needs_a_bot_or_a_database_is_one_error_that_names_it() -> None:
    said = mistakes(
        """
        [narrative]
        name = "n"
        [bots.stats]
        command = "server.get_stats"
        [acts.a]
        prompt = "x"
        [[acts.a.input]]
        type = "table"
        table = "posts"
        """,
        "bots.toml",
    )
    wanted = [line for line in said if "databases and bots" in line]
    assert len(wanted) == 1
    assert "[bots]" in wanted[0]
    assert "type = \"table\" in act 'a'" in wanted[0]
    assert len(said) == 1


def test_deep_toml_is_refused(folder: Path) -> None:
    (folder / "deep.toml").write_text("a = " + "[" * 100_000)
    assert load(Path("deep.toml")).narrative is None
