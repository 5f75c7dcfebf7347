"""Narrative files, right and wrong."""

from pathlib import Path

import pytest

from boticelli_cli.errors import NarrativeError
from boticelli_cli.narrative.load import load
from boticelli_cli.narrative.model import FileContent, Settings, TextContent, UrlContent
from tests.cli.stories import BROKEN
from tests.narrative.writing import loaded, mistakes, narrative, write

FULL = """
    narrative:
      name: lighthouse
      description: A keeper, a storm and a lie
      model: gemini-3.8-flash
      system: You write short, concrete prose.
      temperature: 0.7
    variables:
      place: {default: Skellig, description: Where it happens}
      scenes: {type: integer, default: 3}
    acts:
      outline: Outline a story of {{ scenes }} scenes set at {{ place }}.
      draft:
        prompt: |
          Write it in full.
        input:
          - {type: image, file: lighthouse.png}
          - {type: document, url: "https://example.com/notes.pdf"}
          - Keep to the picture.
        model: claude-sonnet-5-5
        max_tokens: 2000
      edit:
        context: [draft]
        prompt: Cut a third. Keep the last line.
        save: story.md
    output: "{{ edit }}"
"""


@pytest.fixture
def picture(folder: Path) -> Path:
    path = folder / "lighthouse.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(24))
    return path


def test_reads_every_form_of_an_act(picture: Path) -> None:
    story = narrative(FULL)
    outline, draft, edit = story.acts
    assert [act.name for act in story.acts] == ["outline", "draft", "edit"]
    assert [part.kind for part in draft.input] == ["text", "image", "document", "text"]
    assert isinstance(draft.input[1].content, FileContent)
    assert isinstance(draft.input[2].content, UrlContent)
    assert draft.input[3].content == TextContent(draft.input[3].content.text)
    assert (outline.context, edit.context) == ("conversation", ("draft",))
    assert edit.save is not None
    assert edit.save.source == "story.md"
    assert story.output is not None
    assert story.output.acts == {"edit"}


def test_settings_of_the_act_win_over_the_narrative_and_that_over_the_configuration(picture: Path) -> None:
    defaults = Settings(model="configured", temperature=0.1, max_tokens=7, stop=("END",))
    outline, draft, _ = narrative(FULL, defaults=defaults).acts
    assert (outline.settings.model, draft.settings.model) == ("gemini-3.8-flash", "claude-sonnet-5-5")
    assert (outline.settings.max_tokens, draft.settings.max_tokens) == (7, 2000)
    assert outline.settings.temperature == 0.7
    assert outline.settings.stop == ("END",)


def test_a_default_context_holds_for_every_act_that_says_nothing() -> None:
    story = narrative(
        """
        narrative: {name: n, context: fresh}
        acts:
          a: One.
          b: {prompt: Two., context: conversation}
        """
    )
    assert [act.context for act in story.acts] == ["fresh", "conversation"]


def test_toc_says_which_acts_run_and_in_what_order() -> None:
    story = narrative(
        """
        narrative: {name: n}
        toc: [c, a]
        acts: {a: One., b: Two., c: Three.}
        """
    )
    assert [act.name for act in story.acts] == ["c", "a"]
    assert [act.previous for act in story.acts] == [None, "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("narrative: {name: n}", "1:1: there are no acts; write at least one: acts: {greeting: Say hello.}"),
        ("acts: {a: One.}", "1:1: 'narrative' is missing; begin with: narrative: {name: …}"),
        ("narrative: {description: d}\nacts: {a: One.}", "1:1: the narrative has no name; give it one: name: …"),
        ("narrative: {name: n}\nacts: [One.]", "2:1: 'acts' must be a mapping of keys to values, not a list"),
        (
            "narrative: {name: n}\nacts: {a: 3}",
            "2:8: act 'a' must be a prompt, or a mapping of keys to values, not the number 3",
        ),
        ("narrative: {name: n}\nacts: {a: }", "2:8: act 'a' has no value; give it one, or leave it out"),
        ("narrative: {name: n}\nacts: {a: {}}", "2:8: act 'a' has no 'prompt'; say what to ask"),
        ("narrative: {name: n}\nacts: {a: ' '}", "2:8: act 'a': the prompt is empty; say what to ask"),
        ("narrative: {name: 3}\nacts: {a: One.}", "1:13: 'name' must be text, not the number 3; put it in quotes"),
        ("narrative: {name: n}\nacts: {a b: One.}", "2:8: 'a b' cannot name an act; use letters, digits, '_' and '-'"),
        (
            "narrative: {name: n}\nacts: {previous: One.}",
            "2:8: 'previous' has a meaning of its own in templates; choose another name",
        ),
        (
            "narrative: {name: n}\nvariables: {a: 1}\nacts: {a: One.}",
            "2:13: 'a' names an act already; a template could not tell them apart",
        ),
        (
            "narrative: {name: n}\ntoc: [b]\nacts: {a: One.}",
            "2:7: toc names unknown act 'b'",
        ),
        ("narrative: {name: n}\ntoc: [a, a]\nacts: {a: One.}", "2:10: toc names act 'a' twice"),
        (
            "narrative: {name: n}\ntoc: []\nacts: {a: One.}",
            "2:1: 'toc' names no acts; name at least one, or leave it out",
        ),
        (
            "narrative: {name: n}\nacts:\n  draft: One.\n  reply: {prompt: Two., context: [drfat]}",
            "4:35: act 'reply' names unknown act 'drfat'; did you mean 'draft'?",
        ),
        (
            "narrative: {name: n}\nacts:\n  a: One.\n  b: {prompt: Two., context: frseh}",
            "4:21: act 'b': 'context' is 'conversation', 'fresh' or a list of acts; did you mean 'fresh'?",
        ),
        (
            "narrative: {name: n}\nacts:\n  a: {prompt: One., needs: [a]}",
            "3:29: act 'a' names itself under 'needs'",
        ),
        (
            "narrative: {name: n}\ntoc: [b]\nacts:\n  a: One.\n  b: {prompt: Two., needs: [a]}",
            "5:3: act 'b' needs it, but toc leaves act 'a' out",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., temperature: 3}}",
            "2:26: act 'a': 'temperature' is 3; it must be between 0 and 2",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., max_tokens: 0}}",
            "2:26: act 'a': 'max_tokens' is 0; it must be at least 1",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., max_tokens: 1.5}}",
            "2:26: act 'a': 'max_tokens' must be a whole number, not the number 1.5",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., temperature: hot}}",
            "2:26: act 'a': 'temperature' must be a number, not the text 'hot'",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., temperature: .nan}}",
            "2:26: act 'a': 'temperature' must be a number, not the number nan",
        ),
        (
            "narrative: {name: n}\nacts: {a: {promt: One.}}",
            "2:12: act 'a': unknown key 'promt'; did you mean 'prompt'?",
        ),
        (
            "narrative: {name: n}\nvariables: {x: {typ: string}}\nacts: {a: One.}",
            "2:17: variable 'x': unknown key 'typ'; did you mean 'type'?",
        ),
        (
            "narrative: {name: n}\nvariables: {x: {type: integer, default: three}}\nacts: {a: One.}",
            "2:32: variable 'x': 'default' must be a whole number, not 'three'",
        ),
        (
            "narrative: {name: n}\nvariables: {x: {stdin: true}, y: {stdin: true}}\nacts: {a: One.}",
            "2:35: variable 'y': 'x' takes what is piped in already; only one can",
        ),
        (
            "narrative: {name: n}\nacts:\n  a: {prompt: One., save: x.md}\n  b: {prompt: Two., save: x.md}",
            "4:21: act 'b': act 'a' saves to 'x.md' already",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., save: .}}",
            "2:26: act 'a': 'save' cannot write '.': this is a folder",
        ),
        (
            "narrative: {name: n}\nacts: {a: {prompt: One., save: ./story.yaml}}",
            "2:26: act 'a': 'save' would write over the narrative itself",
        ),
        ("narrative: {name: n}\nacts: {a: {prompt: One., when: true}}", "2:26: act 'a': unknown key 'when'"),
    ],
)
def test_tells_what_is_wrong_where_and_what_to_do(text: str, said: str) -> None:
    assert said in mistakes(text)


def test_tells_six_mistakes_at_once_each_once() -> None:
    said = mistakes(BROKEN)
    assert [line.split(": ")[0] for line in said] == ["3:3", "4:16", "6:34", "9:5", "11:9", "12:3"]


def test_acts_that_wait_for_one_another_are_told_with_the_reasons() -> None:
    said = mistakes(
        """
        narrative: {name: n}
        acts:
          a: {prompt: One., needs: [c]}
          b: {prompt: "{{ a }}", context: fresh}
          c: Three.
        """
    )
    assert len(said) == 1
    assert said[0].startswith("3:3: acts wait for one another: ")
    assert "'a' waits for 'c' (needs it)" in said[0]
    assert "(sees every earlier turn)" in said[0]


def test_a_mistake_does_not_cause_others() -> None:
    said = mistakes(
        """
        narrative: {name: n}
        toc: [a, b]
        acts:
          a: 12
          b: {prompt: "{{ a }}", context: [a]}
        """
    )
    assert said == ["4:3: act 'a' must be a prompt, or a mapping of keys to values, not the number 12"]


def test_a_mistake_in_the_shared_system_is_told_once() -> None:
    said = mistakes("narrative: {name: n, system: '{{ x }}'}\nacts: {a: One., b: Two., c: Three.}")
    assert said == ["1:34: unknown name 'x' in a template; declare it under 'variables', or name an act"]


def test_acts_that_toc_leaves_out_are_checked_too() -> None:
    said = mistakes("narrative: {name: n}\ntoc: [a]\nacts: {a: One., b: '{{ x }}'}")
    assert len(said) == 1
    assert said[0].startswith("3:24: act 'b': unknown name 'x'")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"\x7fELF\x00\x01", "this is binary data, not text"),
        (b"narrative: {name: caf\xe9}", "bad.yaml:1:22: this is not UTF-8; save the file as UTF-8"),
        (b"a: 1\n---\nb: 2\n", "a second document starts here; a file holds one"),
        (b"acts:\n\ta: One.\n", "bad.yaml:2:1: a tab cannot indent YAML; use spaces"),
        (b"a: [1, 2\n", "expected ',' or ']'"),
        (b"acts:\n  a: say: it\n", "bad.yaml:2:9: a key cannot stand here; a text with ': ' in it needs quotes"),
        (b"acts:\n  a: @x\n", "no text can begin with this character; put the text in quotes"),
        (b"acts:\n  a: > text\n", "a text cannot begin beside its '|' or '>'"),
        (b"acts:\n  a: *bold* text\n", "a text that begins with '*' needs quotes"),
        (b'a: "open\n', "the quotes opened in line 1 are not closed"),
        (b"a: *b\n", "this alias names no anchor before it"),
        (b"a: \x01\n", "is not allowed in YAML"),
        (b"output: {{ edit }}\n", "may need quotes"),
        (b"just words\n", "a document here is a mapping of keys to values, not the text 'just words'"),
        (b"- a\n- b\n", "a document here is a mapping of keys to values, not a list"),
        (b"? [a, b]\n: c\n", "a key must be text"),
        (b"a: !!python/object:os.system x\n", "the tag"),
    ],
)
def test_what_is_no_narrative_gets_one_clear_error(folder: Path, content: bytes, said: str) -> None:
    (folder / "bad.yaml").write_bytes(content)
    result = load(Path("bad.yaml"))
    assert result.narrative is None
    assert any(said in str(problem) for problem in result.problems), result.problems


def test_a_folder_a_missing_file_and_a_huge_file_are_told_at_once(folder: Path) -> None:
    (folder / "stories").mkdir()
    (folder / "lighthouse.yaml").write_text("x")
    with (folder / "huge.yaml").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert "this is a folder" in str(load(Path("stories")).problems[0])
    assert "did you mean 'lighthouse.yaml'?" in str(load(Path("lighthose.yaml")).problems[0])
    assert "did you mean 'lighthouse.yaml'?" in str(load(Path("lighthouse")).problems[0])
    assert "larger than 8 MB" in str(load(Path("huge.yaml")).problems[0])
    assert "no file" in str(load(Path("x" * 5000)).problems[0]) or "cannot be read" in str(
        load(Path("x" * 5000)).problems[0]
    )


def test_line_ends_and_a_byte_order_mark_do_not_move_places(folder: Path) -> None:
    text = "narrative: {name: n}\r\nacts:\r\n  a: {promt: One.}\r\n"
    (folder / "windows.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    [problem, *_] = load(Path("windows.yaml")).problems
    assert (problem.line, problem.column) == (3, 7)


def test_columns_count_characters_not_bytes() -> None:
    assert mistakes("narrative: {name: 灯台😀, modell: x}\nacts: {a: One.}")[0].startswith("1:24: ")


def test_or_raise_raises_with_every_mistake() -> None:
    path = write("narrative: {}\nacts: {}")
    with pytest.raises(NarrativeError) as caught:
        load(path).or_raise()
    assert len(caught.value.problems) == 2


def test_a_megabyte_is_read() -> None:
    acts = "".join(
        f"  act_{number}: {{prompt: 'Write {number}. {'word ' * 20}', context: fresh}}\n" for number in range(7000)
    )
    assert len(acts) > 1_000_000
    assert len(narrative(f"narrative: {{name: n}}\nacts:\n{acts}").acts) == 7000


def test_warnings_do_not_keep_a_narrative_from_running() -> None:
    result = loaded('[narration]\nname = "n"\ntemplate = "t"\n[acts]\na = "One."\n', "old.toml")
    assert result.narrative is not None
    assert [problem.severity for problem in result.problems] == ["warning"]
