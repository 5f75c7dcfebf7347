"""The gateway as it is measured: a process of its own, with the fake provider in another, and what it has used."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from tests.process import COMMAND, PATIENCE

__all__ = ["Counted", "Running", "gateway", "provider"]


@dataclass(frozen=True)
class Counted:
    """What a gateway has used until now: seconds of CPU; and by its metrics, seconds of its own."""

    cpu: float
    own: float

    def __sub__(self, other: "Counted") -> "Counted":
        return Counted(self.cpu - other.cpu, self.own - other.own)


@dataclass(frozen=True)
class Running:
    url: str
    pid: int

    def counted(self) -> Counted:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return Counted(cpu, self._metric("boticelli_overhead_seconds_sum"))

    def memory(self) -> float:
        """Megabytes that it holds."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def _metric(self, name: str) -> float:
        """The sum of a counter over all its labels."""
        with urllib.request.urlopen(f"{self.url}/metrics") as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@contextmanager
def provider() -> Iterator[str]:
    """The address of a fake provider."""
    command = [sys.executable, "-m", "tests.benchmarks.upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def gateway(upstream: str, folder: Path) -> Iterator[Running]:
    """A gateway that has just been started, to that provider, as it is by default. Its log is written to a file."""
    addresses = {"ANTHROPIC_BASE_URL": upstream, "OPENAI_BASE_URL": f"{upstream}/v1"}
    keys = {"ANTHROPIC_API_KEY": "test-key", "OPENAI_API_KEY": "test-key"}
    env = {**os.environ, **addresses, **keys, "BOTICELLI_HOME": str(folder)}
    command = [*COMMAND, "serve", "--port", "0", "--log-format", "json"]
    log = folder / "log"
    with (
        log.open("w") as stream,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stream, env=env, cwd=folder) as process,
    ):
        try:
            yield Running(_address(log), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _address(log: Path) -> str:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is not None:
            return found[0]
        sleep(0.01)
    raise AssertionError(log.read_text())
