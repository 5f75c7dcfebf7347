"""What Markdown costs as it grows word by word: adding, taking and drawing. Prints; fails only on errors.

python -m pytest -m benchmark -s
"""

import io
import re
import time

import pytest
from rich.console import Console

from boticelli_cli.views.markdown.stream import MarkdownStream

pytestmark = pytest.mark.benchmark

PLAIN = "the lighthouse keeper told nobody what he had seen that night, and so it went on."
MARKED = "the **lighthouse** keeper told `nobody` what he *had* seen, and [so](https://example.org) it went on."
CODE = "    for keeper in range(10): print('a light', keeper)  # and on\n"

SHAPES = {
    "paragraphs": lambda n: "".join(f"{' '.join([PLAIN] * 5)}\n\n" for _ in range(n)),
    "marked paragraphs": lambda n: "".join(f"{' '.join([MARKED] * 5)}\n\n" for _ in range(n)),
    "one paragraph": lambda n: " ".join([PLAIN] * 5 * n),
    "one marked paragraph": lambda n: " ".join([MARKED] * 5 * n),
    "a poem": lambda n: f"{PLAIN}\n" * 5 * n,
    "a list": lambda n: "".join(f"{k}. {PLAIN}\n" for k in range(1, 5 * n)),
    "a fence": lambda n: f"```python\n{CODE * 7 * n}```\n",
    "a table": lambda n: "| a | b |\n|---|---|\n" + f"| {PLAIN[:30]} | {MARKED} |\n" * 4 * n,
}


def seconds(text: str, width: int, room: int) -> float:
    """The time for a word, of the process alone."""
    stream = MarkdownStream(Console(file=io.StringIO(), width=width))
    words = re.findall(r"\S+\s*|\s+", text)
    start = time.process_time()
    for word in words:
        stream.add(word)
        stream.take(width, room)
        stream.rest(width, room)
    stream.end()
    stream.take(width)
    return (time.process_time() - start) / len(words)


def test_words() -> None:
    print()
    for name, shape in SHAPES.items():
        few, many = (seconds(shape(count), 80, 20) * 1000 for count in (20, 200))
        print(f"{name:21} {few:.3f} ms a word, {many:.3f} ms in 10 times the text: {many / few:.2f} times")


def test_a_short_paragraph() -> None:
    for name, words in (("plain", PLAIN), ("marked", MARKED)):
        texts = [(words.replace("o", str(n)) + " ") * (400 // len(words)) for n in range(20)]
        best = min(seconds(text, 80, 20) for text in texts)
        print(f"400 characters, {name}: {best * 1000:.3f} ms a word")
