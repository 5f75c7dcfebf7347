"""The words spoken with models."""

from boticelli_cli.messages import Finish, Media, Response, Text, Thought, ToolCall, deltas_of, parts_of


def test_an_answer_is_the_same_when_it_is_told_as_deltas() -> None:
    parts = (
        Thought("Hm.", "sealed"),
        Thought("", "kept from us", redacted=True),
        Text("Look:"),
        Media("image", "image/png", b"x"),
        ToolCall("look", {"at": "it"}, "call-1"),
    )
    finish = Finish("tool_call")
    *deltas, last = deltas_of(Response(parts, finish))
    assert parts_of(deltas) == parts
    assert last is finish
