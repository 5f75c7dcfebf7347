"""Narratives that the tests of the command line run."""

from pathlib import Path

CHAIN = """
narrative: {name: chain, model: rehearsal/fast}
variables: {place: Skellig}
acts:
  outline: Outline a story set at {{ place }}.
  edit: Cut a third of the story.
"""

PARALLEL = """
narrative: {name: parallel, model: rehearsal, context: fresh}
acts:
  one: Speak of the wind.
  two: Speak of the sea.
  three: Speak of the lamp.
  end: {context: [one, two, three], prompt: Weigh what was said.}
"""

FAILING = """
narrative: {name: failing, model: rehearsal/fast}
acts:
  good: Write of the lamp.
  bad: {prompt: Write of the storm., model: rehearsal/fail-after-5}
  never: Write of the end.
"""

BROKEN = """\
narrative:
  name: broken
  temprature: 3
toc: [outline, drfat]
acts:
  outline: Outline a story at {{ plce }}.
  draft:
    prompt: Write it.
    max_tokens: many
    input:
      - {type: image, file: nowhere.png}
  draft: Again.
"""


def write(folder: Path, text: str, name: str = "story.yaml") -> str:
    (folder / name).write_text(text)
    return name
