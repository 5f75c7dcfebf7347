"""Names of models in paths: nothing else is asked at the provider, whatever a name holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.model_path import in_path
from boticelli_cli.errors import RefusedError


@given(st.text())
def test_a_name_stays_one_segment(name: str) -> None:
    try:
        path = in_path(name)
    except (RefusedError, UnicodeEncodeError):
        return
    assert not set(path) & set("/\\?#\r\n\0 ")
    assert path not in (".", "..")


@pytest.mark.parametrize("name", [".", "..", "../x", "a/../b", "a/..", "..\\x", "./"])
def test_refuses_names_that_go_up_by_dots(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        GeminiAccess("test-key").path_of(name, "generateContent")
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["...", "a..b", "gpt-5.2", "..a", "tuned/x:y", "arn:aws:bedrock:us-east-1:1:x/y.z"])
def test_takes_names_with_dots_in_them(name: str) -> None:
    assert in_path(name)
