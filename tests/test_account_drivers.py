"""Drivers of accounts."""

import json
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from boticelli_cli.account_drivers import Locked, Opener
from boticelli_cli.catalog import Catalog
from boticelli_cli.config import Account, Provider
from boticelli_cli.errors import CredentialsError, RefusedError
from boticelli_cli.keystore import KeyStore
from boticelli_cli.messages import Original, Request
from boticelli_cli.wire.openai import decode_request
from tests.clock import in_virtual_time
from tests.fakes.openai import FakeOpenAI


async def test_one_without_a_key_keeps_nothing_of_those_who_ask() -> None:
    locked = Locked(CredentialsError("there is no key", provider="openai", hint="set it"))
    lengths = set()
    for _ in range(5):
        with pytest.raises(CredentialsError, match="there is no key") as caught:
            async with locked.stream(Request("m", ())):
                raise AssertionError("it was entered")
        with pytest.raises(CredentialsError) as whole:
            await locked.generate(Request("m", ()))
        assert (caught.value.provider, caught.value.hint) == ("openai", "set it")
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
        lengths.add(len(traceback.extract_tb(whole.value.__traceback__)) + 1)
    assert len(lengths) == 1


@pytest.mark.parametrize(
    ("model", "name"), [("gpt-5.2", "max_completion_tokens"), ("unheard-of", "max_tokens")], ids=["known", "unknown"]
)
@in_virtual_time
async def test_what_is_passed_on_says_the_limit_as_a_known_model_wants_it(
    model: str, name: str, tmp_path: Path
) -> None:
    opener = Opener(Catalog.builtin(), KeyStore(tmp_path / "keys.json", lambda: ()))
    said = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
    body = json.dumps(said).encode()
    async with FakeOpenAI(()) as fake:
        account = Account("main", "openai", "test-key", base_url=fake.base_url)
        driver = await opener.open(account, Provider("openai", "openai"))
        with suppress(RefusedError):  # of a model that nobody has
            await driver.generate(replace(decode_request(body), original=Original("openai", body)))
        await driver.aclose()
    sent = json.loads(fake.bodies[0])
    assert {key: value for key, value in sent.items() if key.startswith("max")} == {name: 9}
