"""Drivers of accounts."""

import traceback

import pytest

from boticelli_cli.account_drivers import Locked
from boticelli_cli.errors import CredentialsError
from boticelli_cli.messages import Request


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
