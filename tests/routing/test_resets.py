"""When a day that a provider calls spent is over."""

from datetime import UTC, datetime

import pytest

from boticelli_cli.errors import QuotaError
from boticelli_cli.messages import Message, Request, Text, TextDelta
from boticelli_cli.routing.day import pacific_day
from boticelli_cli.routing.resets import WithReset
from tests.scripted import Scripted

REQUEST = Request("m", (Message("user", (Text("Ask."),)),))
NOON = datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp()  # in California


def resetting(error: QuotaError) -> WithReset:
    return WithReset(Scripted(lambda prompt: error), reset=pacific_day, clock=lambda: NOON)


async def raised_by(driver: WithReset, *, whole: bool) -> QuotaError:
    with pytest.raises(QuotaError) as caught:
        if whole:
            await driver.generate(REQUEST)
        else:
            async with driver.stream(REQUEST):
                pass
    return caught.value


@pytest.mark.parametrize("whole", [True, False])
async def test_a_spent_day_is_over_at_midnight_where_the_provider_is(whole: bool) -> None:
    error = await raised_by(resetting(QuotaError("the day is spent", provider="p", status=429)), whole=whole)
    assert error.resets_at == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert error.message.startswith("the day is spent; requests come back at ")
    assert error.message.endswith(" (in 12 h 0 min)")
    assert (error.provider, error.status, error.hint is not None) == ("p", 429, True)


@pytest.mark.parametrize(
    "error",
    [
        QuotaError("until then", status=429, resets_at=datetime(2027, 1, 1, tzinfo=UTC)),
        QuotaError("its limit is 0"),
    ],
)
async def test_an_error_that_knows_better_is_left_as_it_is(error: QuotaError) -> None:
    assert await raised_by(resetting(error), whole=False) is error


async def test_what_is_no_such_error_passes() -> None:
    driver = WithReset(Scripted(), reset=pacific_day)
    async with driver.stream(REQUEST) as deltas:
        assert await anext(deltas) == TextDelta("<Ask.>")
    assert driver.supports_streaming("m")
