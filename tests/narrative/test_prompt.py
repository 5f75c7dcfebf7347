"""One prompt, and the options that it takes."""

from typing import Any

import pytest

from boticelli_cli.errors import UsageError
from boticelli_cli.narrative.prompt import read_options


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.5", 0.5),
        ("max_tokens", "40", 40),
        ("thinking", "true", True),
        ("thinking", "high", "high"),
        ("thinking", "2000", 2000),
        ("timeout", "30", 30.0),
        ("retries", "0", 0),
        ("options", '{"generationConfig": {"topK": 3, "seed": null}}', {"generationConfig": {"topK": 3, "seed": None}}),
    ],
)
def test_a_text_is_read_as_what_it_says(name: str, text: str, value: Any) -> None:
    read = getattr(read_options({name: [text]}), name)
    assert read == value
    assert type(read) is type(value)


def test_a_stop_sequence_is_the_text_itself() -> None:
    assert read_options({"stop": ["true", "40"]}).stop == ("true", "40")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("thinking", "hihg", "--option: 'thinking' is true, false, one of"),
        ("thinking", "-1", "--option: 'thinking' is true, false, one of"),
        ("retries", "1.5", "--option: 'retries' must be a whole number, not the number 1.5"),
        ("timeout", "0", "--option: 'timeout' is 0; it must be more than 0 and at most 86400"),
        ("options", "{", "--option: 'options' must be a mapping of keys to values"),
        ("topK", "3", "--option topK: there is no such option"),
    ],
)
def test_what_does_not_fit_is_told(name: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options({name: [text]})
    assert said in str(caught.value)
