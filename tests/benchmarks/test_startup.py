"""How long the program takes to start, against importing Typer, in one run. Prints; fails only on errors.

python -m pytest -m benchmark -s
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process import COMMAND

pytestmark = pytest.mark.benchmark

ROUNDS = 15

THREE = "narrative: {name: three, model: rehearsal/fast}\nacts: {a: One., b: Two., c: Three.}\n"


def test_startup(folder: Path) -> None:
    (folder / "three.yaml").write_text(THREE)
    lighthouse = Path(__file__).parents[2] / "narratives" / "lighthouse.yaml"
    commands = {
        "python -c 'import typer'": [sys.executable, "-c", "import typer"],
        "boticelli --version": [*COMMAND, "--version"],
        "boticelli run, three acts": [*COMMAND, "run", "three.yaml", "-q"],
        "boticelli run, three acts with templates": [*COMMAND, "run", str(lighthouse), "-m", "rehearsal/fast", "-q"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    base = statistics.median(seconds["python -c 'import typer'"])
    print()
    for name, times in seconds.items():
        print(f"{name:45} {statistics.median(times) * 1000:7.1f} ms {statistics.median(times) / base:6.2f} x")
