"""What waits for what."""

from boticelli_cli.narrative.order import waits
from tests.narrative.writing import narrative


def test_the_conversation_waits_for_every_earlier_act_and_fresh_acts_for_none() -> None:
    story = narrative(
        """
        narrative: {name: n}
        acts:
          a: {prompt: One., context: fresh}
          b: {prompt: Two., context: fresh}
          c: Three.
          d: {prompt: "{{ a }}", context: fresh}
          e: {prompt: Five., context: [b], needs: [d]}
          f: Six.
        """
    )
    assert waits(story.acts) == {
        "a": (),
        "b": (),
        "c": ("a", "b"),
        "d": ("a",),
        "e": ("b", "d"),
        "f": ("c", "d", "e"),
    }


def test_a_template_in_the_system_instruction_waits_too() -> None:
    story = narrative(
        """
        narrative: {name: n, context: fresh}
        acts:
          a: One.
          b: {prompt: Two., system: "Be like {{ a }}."}
          c: {prompt: "{{ previous }}"}
        """
    )
    assert waits(story.acts) == {"a": (), "b": ("a",), "c": ("b",)}


def test_an_act_may_wait_for_a_later_one() -> None:
    story = narrative(
        """
        narrative: {name: n, context: fresh}
        acts:
          a: {prompt: One., needs: [b]}
          b: Two.
        """
    )
    assert waits(story.acts) == {"a": ("b",), "b": ()}
