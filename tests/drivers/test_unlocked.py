"""Drivers that are made when they are first asked."""

import asyncio

import pytest

from boticelli_cli.drivers.base import Driver, fold
from boticelli_cli.drivers.unlocked import Unlocked
from boticelli_cli.errors import CredentialsError
from boticelli_cli.messages import Message, Request, Text
from tests.clock import in_virtual_time
from tests.scripted import Scripted

REQUEST = Request("m", (Message("user", (Text("Hi."),)),))


async def streamed(driver: Driver) -> str:
    async with driver.stream(REQUEST) as deltas:
        return (await fold(deltas)).text


@in_virtual_time
async def test_is_made_once_for_all_who_ask_meanwhile() -> None:
    made = 0

    async def make() -> Driver:
        nonlocal made
        await asyncio.sleep(5)
        made += 1
        return Scripted()

    driver = Unlocked(make)
    assert driver.supports_streaming("m")
    assert await asyncio.gather(*(streamed(driver) for _ in range(5))) == ["<Hi.>"] * 5
    assert (await driver.generate(REQUEST)).text == "<Hi.>"
    assert made == 1


@in_virtual_time
async def test_is_made_again_when_that_has_failed() -> None:
    outcomes: list[Driver | Exception] = [CredentialsError("locked"), CredentialsError("still locked"), Scripted()]

    async def make() -> Driver:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    driver = Unlocked(make, streams=False)
    assert not driver.supports_streaming("m")
    with pytest.raises(CredentialsError, match="locked"):
        await streamed(driver)
    with pytest.raises(CredentialsError, match="still locked"):
        await driver.generate(REQUEST)
    assert await streamed(driver) == "<Hi.>"
