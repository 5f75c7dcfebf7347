"""What the live view looks like, kept as text. Written anew by: python -m tests.views.snapshots"""

from collections.abc import Iterator
from pathlib import Path

from tests.views.watching import watch

FOLDER = Path(__file__).parent / "snapshots"
STORY = Path(__file__).parents[2] / "narratives" / "critics.yaml"
SIZES = ((80, 24), (40, 10), (200, 60), (100, 16))
MOMENTS = (0.5, 9.0, 22.5, 35.0)
"""Before the first word; three acts at once; one that has ended before another; one alone."""


def snapshot(columns: int, lines: int) -> str:
    return "\n".join(_screens(columns, lines))


def path_of(columns: int, lines: int) -> Path:
    return FOLDER / f"critics-{columns}x{lines}.txt"


def _screens(columns: int, lines: int) -> Iterator[str]:
    for moment in MOMENTS:
        watched = watch(STORY, columns, lines, until=moment)
        yield f"{f' after {moment} s ':=^{columns}}\n{watched.screen}\n"
    watched = watch(STORY, columns, lines, again="boticelli run narratives/critics.yaml -m rehearsal/slow")
    yield f"{' all there is at the end ':=^{columns}}\n{watched.everything}\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for size in SIZES:
        path_of(*size).write_text(snapshot(*size), encoding="utf-8")
