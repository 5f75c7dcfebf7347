"""Events as they are told to programs."""

import json
from datetime import UTC, datetime, timedelta, timezone

from boticelli_cli.errors import NarrativeError, Problem, ProviderError
from boticelli_cli.events import ActDelta, ActFinished, ErrorInfo, RunFailed, as_json, describe_error
from boticelli_cli.messages import Media, Usage

AT = datetime(2026, 11, 21, 6, 30, 0, 5, tzinfo=UTC)


def test_what_is_absent_is_left_out_and_moments_are_utc() -> None:
    event = ActDelta(run="r", seq=1, at=AT.astimezone(timezone(timedelta(hours=2))), act="a", text="x")
    assert as_json(event) == {
        "type": "act.delta",
        "run": "r",
        "seq": 1,
        "at": "2026-11-21T06:30:00.000005Z",
        "act": "a",
        "text": "x",
    }


def test_usage_says_only_what_is_known() -> None:
    event = ActFinished(
        run="r",
        seq=1,
        at=AT,
        act="a",
        text="x",
        model="m",
        served_model="m",
        usage=Usage(output=0),
        finish_reason="stop",
        seconds=1.0,
    )
    assert as_json(event)["usage"] == {"output": 0}
    assert "first_token_seconds" not in as_json(event)


def test_media_are_told_as_base64() -> None:
    event = ActDelta(run="r", seq=1, at=AT, act="a", media=Media("image", "image/png", b"x"))
    assert json.loads(json.dumps(as_json(event)))["media"] == {"kind": "image", "mime": "image/png", "data": "eA=="}


def test_errors_are_told_with_their_facts() -> None:
    error = ProviderError("slow down", provider="p", status=429, retry_after=1.5, hint="wait")
    event = RunFailed(run="r", seq=1, at=AT, error=describe_error(error))
    assert as_json(event)["error"] == {
        "kind": "provider",
        "message": "slow down",
        "provider": "p",
        "status": 429,
        "retry_after": 1.5,
        "hint": "wait",
    }
    wrong = NarrativeError([Problem("no", "a.yaml", 1, 2)])
    assert describe_error(wrong) == ErrorInfo("narrative", "a.yaml:1:2: no", problems=wrong.problems)


def test_usage_adds_up_what_is_known() -> None:
    assert Usage(input=1, output=2) + Usage(input=3, thinking=4) == Usage(input=4, output=2, thinking=4)
