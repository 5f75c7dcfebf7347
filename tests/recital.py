"""The program with a model that recites: `python -m tests.recital TEXT…` performs an act for each file of text.

Everything but the model is the program's own: the run, the view, the signals, the exit code.
"""

import argparse
import asyncio
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from boticelli_cli import app
from boticelli_cli.cli.options import Format, GlobalOptions
from boticelli_cli.cli.play import play
from boticelli_cli.cli.stdio import prepare_streams
from boticelli_cli.drivers.base import fold
from boticelli_cli.messages import Delta, Finish, Request, Response, Text, TextDelta, ThinkingDelta, Usage
from boticelli_cli.narrative.load import parse


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("texts", nargs="+", type=Path)
    options.add_argument("--format", default="live", type=Format)
    options.add_argument("--pause", default=0.0, type=float, help="seconds between pieces")
    options.add_argument("--seed", type=int, help="cut into random pieces; else into words")
    options.add_argument("--thoughts", default="", help="what is thought first")
    options.add_argument("--hold", action="store_true", help="never end the last act")
    options.add_argument("--crash", action="store_true", help="break in the view, after the text")
    options.add_argument("--stream", action="store_true", help="show it as `boticelli stream` does")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("-v", "--verbose", action="store_true")
    given = options.parse_args()
    prepare_streams()
    acts = "".join(f"  {path.stem}: {path}\n" for path in given.texts)
    story = parse(f"narrative: {{name: recital, context: fresh}}\nacts:\n{acts}".encode(), "recital.yaml", Path())
    prepared = app.prepare(story.or_raise(), driver=Reciter(given), model="rehearsal")
    sys.exit(
        play(
            prepared,
            options=GlobalOptions(given.quiet, given.verbose),
            shown_as=given.format,
            headings=not given.stream,
        )
    )


class Reciter:
    """Answers with what is in the file that the prompt names."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        yield self._recite(request)

    async def generate(self, request: Request) -> Response:
        return await fold(self._recite(request))

    async def _recite(self, request: Request) -> AsyncIterator[Delta]:
        (part,) = request.messages[-1].parts
        assert isinstance(part, Text)
        path = Path(part.text)
        for thought in re.findall(r"\S+\s*", self._given.thoughts):
            yield ThinkingDelta(thought)
            await asyncio.sleep(self._given.pause)
        pieces = self._pieces(path)
        for piece in pieces:
            yield TextDelta(piece)
            await asyncio.sleep(self._given.pause)
        if self._given.hold and path == self._given.texts[-1]:
            await asyncio.Event().wait()
        if self._given.crash:
            raise KeyError("a mistake of ours")
        yield Finish("stop", Usage(input=len(part.text), output=len(pieces)))

    def _pieces(self, path: Path) -> list[str]:
        text = path.read_bytes().decode()
        if self._given.seed is None:
            return re.findall(r"\S+\s*|\s+", text)
        chance = random.Random(self._given.seed)
        pieces = []
        while text:
            size = chance.randint(1, 40)
            pieces.append(text[:size])
            text = text[size:]
        return pieces


if __name__ == "__main__":
    main()
