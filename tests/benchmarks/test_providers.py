"""What many streams over several providers cost, against a bare loop in one run. Prints; fails only on errors.

python -m pytest -m benchmark -s tests/benchmarks/test_providers.py
"""

import asyncio
import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from boticelli_cli.narrative.load import parse
from boticelli_cli.narrative.model import Narrative
from tests.benchmarks import bare_providers
from tests.benchmarks.bare_providers import CLAUDE, GPT, NOVA
from tests.benchmarks.test_gemini import first_tokens
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY
from tests.fakes.serving import own_process

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def services() -> Iterator[Mapping[str, str]]:
    with ExitStack() as stack:
        names = ("anthropic", "openai", "bedrock")
        yield {name: stack.enter_context(own_process(f"tests.fakes.{name}"))[0] for name in names}


@pytest.fixture
def urls(services: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Where the providers are; the program asks there too."""
    environ = {
        "ANTHROPIC_API_KEY": "test-key",
        "ANTHROPIC_BASE_URL": services["anthropic"],
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": services["openai"] + "/v1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": services["bedrock"],
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return services


@pytest.mark.parametrize(("each", "delay"), [(100, 0.1), (333, 0.3)])
def test_many_at_once_over_three_providers(urls: Mapping[str, str], each: int, delay: float) -> None:
    prompt = f"[[paced chunks=5 delay={delay}]]"
    ours: list[float] = []
    bare: list[float] = []
    asyncio.run(first_tokens(narrative(10, "Warm up.")))
    for _ in range(5):
        for times, found in (
            (bare, asyncio.run(bare_providers.first_tokens(urls, prompt, each))),
            (ours, asyncio.run(first_tokens(narrative(each, prompt)))),
        ):
            assert len(found) == 3 * each
            assert all(seconds > 0 for seconds in found)
            times.append(statistics.median(found))
    for how, figure in (("median of 5", statistics.median), ("best of 5", min)):
        one, other = figure(ours), figure(bare)
        print(f"\n{3 * each:5,} at once, first token, {how}: {one:.3f} s, aiohttp {other:.3f} s: {one / other:.2f} x")


def narrative(each: int, prompt: str) -> Narrative:
    """So many acts of each provider."""
    models = (CLAUDE, GPT, f"bedrock/{NOVA}")
    acts = "".join(
        f"  a{number}-{index}: {{model: '{model}', prompt: '{prompt}'}}\n"
        for number in range(each)
        for index, model in enumerate(models)
    )
    return parse(f"narrative: {{name: n, context: fresh}}\nacts:\n{acts}".encode(), "n.yaml", Path()).or_raise()
