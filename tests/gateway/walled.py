"""`boticelli serve` as a process, with keys, an open log and a ledger, in front of the fakes of all dialects."""

import json
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from boticelli_cli.grants import hash_of
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import FakeBedrock
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.serving import serving, until
from tests.gateway.besieged import ACCOUNTS, aws
from tests.process import PATIENCE, start

KEYS = {name: f"bot-{name * 12}"[:40] for name in ("full", "wide", "lone", "claude", "gone", "spare", "chief")}
"""The keys of the gateway, by their names."""

GRANTS = {
    "full": "",
    "wide": ", max_concurrent: 600",
    "lone": ", max_concurrent: 1",
    "claude": ', permissions: [claude], models: ["claude-*", "anthropic/*"]',
    "gone": ', expires: "2020-01-01"',
    "spare": "",
    "chief": ", permissions: [all, admin]",
}

CONFIG = f"accounts:\n{ACCOUNTS}\nroutes: {{aliases: {{mine: [claude-sonnet-5-5]}}}}\ngateway:\n  keys:\n" + "".join(
    f"  - {{name: {name}, sha256: {hash_of(KEYS[name])}{more}}}\n" for name, more in GRANTS.items()
)


@dataclass
class Walled:
    """The process, where it is, and the services behind it. `said` is what it has written, line by line."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path
    fakes: tuple[Any, ...]
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fake(self) -> dict[str, Any]:
        return dict(zip(("gemini", "anthropic", "bedrock", "openai"), self.fakes, strict=True))

    @property
    def ledger(self) -> Path:
        return self.home / "state" / "gateway.sqlite3"

    def client(self, key: str | None = "full") -> httpx.AsyncClient:
        headers = {} if key is None else {"x-api-key": KEYS[key]}
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.url, timeout=PATIENCE, headers=headers, limits=limits)

    def rows(self, what: str = "ending") -> list[tuple[Any, ...]]:
        """What the ledger has of each request."""
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as db:
            return db.execute(f"SELECT {what} FROM requests ORDER BY number").fetchall()

    def waits_for_rows(self, count: int) -> None:
        until(lambda: len(self.rows()) >= count)

    def get(self, path: str, key: str = "chief") -> Any:
        answer = httpx.get(self.url + path, headers={"x-api-key": KEYS[key]}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def gauge(self, name: str) -> float:
        [line] = [line for line in self.get("/metrics").splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])


@contextmanager
def fakes() -> Iterator[tuple[Any, ...]]:
    """The services, in threads."""
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(serving(each)) for each in (FakeGemini(), FakeAnthropic(), FakeBedrock(), FakeOpenAI())
        )


@contextmanager
def walled(home: Path, behind: tuple[Any, ...], *arguments: str, config: str = CONFIG) -> Iterator[Walled]:
    """The process on a free port, from here to its end."""
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(config)
    gemini, anthropic, bedrock, openai = behind
    environ = {
        "BOTICELLI_HOME": str(home),
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
        "ANTHROPIC_BASE_URL": anthropic.url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url,
        "OPENAI_BASE_URL": openai.base_url,
    }
    with aws():
        process = start("serve", "--port", "0", *arguments, env=environ)
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    port = re.search(r"http://\S+?:(\d+)", line)
    assert port is not None, line + process.stderr.read().decode()
    made = Walled(process, int(port[1]), home, behind, [line])
    listener = threading.Thread(target=_listen, args=(made,), name="listener", daemon=True)
    listener.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        listener.join(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        process.stderr.close()


def told(line: str) -> dict[str, Any]:
    """A line of the log."""
    made: dict[str, Any] = json.loads(line)
    return made


def _listen(here: Walled) -> None:
    assert here.process.stderr is not None
    for line in here.process.stderr:
        here.said.append(line.decode())
