"""What the embedded model says: prose put together from the words of its request."""

import random
import re

from boticelli_cli.messages import Media, Message, Request, Text

__all__ = ["compose"]


def compose(request: Request, dice: random.Random) -> str:
    """An answer of some hundred words that says what it is, what it was given, and goes on from there."""
    turn = request.messages[-1] if request.messages else Message("user", ())
    prompt = _text_of(turn)
    words = _Deck(_subjects(request, prompt), dice)
    paragraphs = [_opening(request, turn, prompt)]
    if re.search(r"\b(list|outline|steps?|points?|scenes?|ideas?|options?|bullets?|plan)\b", prompt, re.IGNORECASE):
        paragraphs += [_paragraph(words, dice, 2), _list(words, dice), _paragraph(words, dice, 2)]
    else:
        paragraphs += [_paragraph(words, dice, 4), _paragraph(words, dice, 4)]
    paragraphs.append(words.fill(_draw(dice, list(_ENDINGS))))
    return "\n\n".join(paragraphs)


def _opening(request: Request, turn: Message, prompt: str) -> str:
    sentences = ["This is a rehearsal; no model was asked."]
    if prompt:
        sentences.append(f"The prompt reads “{_shortened(prompt)}”.")
    media = [part for part in turn.parts if isinstance(part, Media)]
    if media:
        sentences.append(f"With it came {_listed([_named(each) for each in media])}.")
    if system := request.system_text:
        sentences.append(f"The instruction is “{_shortened(system)}”.")
    answers = [message for message in request.messages[:-1] if message.role == "assistant"]
    if answers:
        turns = "One answer" if len(answers) == 1 else f"{len(answers)} answers"
        last = re.split(r"(?<=[.!?])\s+", _text_of(answers[-1]))[-1]
        sentences.append(f"{turns} came before it, the last of them ending “{_shortened(last)}”.")
    return " ".join(sentences)


def _paragraph(words: "_Deck", dice: random.Random, length: int) -> str:
    return " ".join(words.fill(words.sentence(dice)) for _ in range(length))


def _list(words: "_Deck", dice: random.Random) -> str:
    items = list(_ITEMS)
    return "\n".join(f"{number}. {words.fill(_draw(dice, items))}" for number in range(1, 4))


class _Deck:
    """Deals the request's words into sentences, each sentence once and each word in its turn."""

    def __init__(self, words: list[str], dice: random.Random) -> None:
        self._words = words
        self._next = int(dice.random() * len(self._words))
        self._sentences: list[str] = []

    def sentence(self, dice: random.Random) -> str:
        if not self._sentences:
            self._sentences = list(_SENTENCES)
        return _draw(dice, self._sentences)

    def fill(self, frame: str) -> str:
        def deal(_: re.Match[str]) -> str:
            word = self._words[self._next % len(self._words)]
            self._next += 1
            return word

        filled = re.sub(r"\{\}", deal, frame)
        first = re.search(r"\w", filled)
        return (
            filled if first is None else filled[: first.start()] + filled[first.start()].upper() + filled[first.end() :]
        )


def _draw(dice: random.Random, items: list[str]) -> str:
    """Take one out. `random()` alone is the same in every version of Python."""
    return items.pop(int(dice.random() * len(items)))


def _subjects(request: Request, prompt: str) -> list[str]:
    """What the answer is about: the prompt's own words, then those of earlier turns, then the theatre's."""
    subjects = _keywords(prompt)
    for message in reversed(request.messages[:-1]):
        if len(subjects) >= 6:
            break
        if message.role == "user":
            subjects += [each for each in _keywords(_text_of(message)) if each not in subjects]
    theatre = ["the silence", "the pause", "the empty stage", "the lamp", "the door"]
    return (subjects + theatre)[: max(6, min(len(subjects), 12))]


def _keywords(prompt: str) -> list[str]:
    """What a text speaks of, in order, each once: words that follow an article or its like, and names."""
    words: dict[str, str] = {}
    for found in re.finditer(_SUBJECT, prompt):
        common, name, other = found.groups()
        if name or (other and not other.isascii()):
            words.setdefault((name or other).lower(), (name or other)[:10])
        elif common and common not in _COMMON | _OWN:
            words.setdefault(common, f"the {common}")
    return list(words.values())


_ARTICLE = r"(?:[Aa]n?|[Tt]he|[Tt]his|[Mm]y|[Oo]ur|[Yy]our|[Hh]is|[Hh]er|[Ii]ts|[Tt]heir|[Ee]very)"
_SUBJECT = re.compile(
    rf"\b{_ARTICLE}\s+(?:\w+['’]s\s+)?([a-z]{{2,}}[a-rt-z])\b"  # a noun in the singular, or what passes for one
    r"|(?<=[a-z,] )([A-Z]\w{2,})"  # a name: it begins no sentence
    r"|([^\W\d_]{3,})"  # a word of another script
)


def _text_of(message: Message) -> str:
    return "\n\n".join(part.text for part in message.parts if isinstance(part, Text)).strip()


def _shortened(text: str, limit: int = 72) -> str:
    """The first sentence of a text, or as much of it as fits, on one line."""
    line = " ".join(text.split())
    sentence = re.split(r"(?<=[.!?。！？])\s", line, maxsplit=1)[0]
    if len(sentence) > limit:
        return sentence[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    return sentence


def _named(media: Media) -> str:
    article = "an" if media.kind in ("image", "audio") else "a"
    noun = "audio recording" if media.kind == "audio" else media.kind
    name = f", {media.name}" if media.name else ""
    size = f", {_size(len(media.data))}" if media.data is not None else ", by its address"
    return f"{article} {noun}{name} ({media.mime}{size})"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_COMMON = frozenset(
    "about above after again against all along also and another any around because been before being below "
    "best between big both but cannot could day does doing down during each end every few first following "
    "from full further give given gives good have having her here him his how into its itself just keep last "
    "least less let like line lines long low make many more most much must name need new not old one only other "
    "our out over plain please same second she short should show some such tell text than that their them then "
    "there these they third this those through two under until upon use very want way were what when where "
    "which while who why will with within without word words would write you your yours".split()
)
"""Words that say nothing of what a text speaks of."""

_SENTENCES = (
    "It begins with {}, as these things do.",
    "Then {} comes in from the left and changes the weather.",
    "Nobody had asked for {}, and nobody sends it away.",
    "Between {} and {} there is a door, and it is not locked.",
    "What {} wants is plain; what it costs is not said.",
    "{} is described in one breath and forgotten in the next.",
    "For a moment everything depends on {}.",
    "The light moves over {} and leaves it as it was.",
    "Someone counts to ten; by seven, {} is gone.",
    "The middle belongs to {}.",
    "If {} is the question, {} is a way of not answering it.",
    "Here, marked in pencil, is a pause for {}.",
    "It would be easy to stop at {}; the scene goes on.",
    "By the time {} is named, it has been in the room for a while.",
    "{} is said twice, the second time more quietly.",
    "Somewhere behind it, {} keeps its own time.",
    "The others look at {} and wait for a cue that does not come.",
    "There is a version of this in which {} is enough.",
    "{} holds the line until {} has crossed the stage.",
    "A chair is moved, and {} turns out to have been there all along.",
    "What remains of {} fits into one hand.",
    "Every mention of {} makes the room a little smaller.",
    "The prompter looks up at {}, finds nothing amiss, and turns the page.",
    "It rains on {} and on {} alike.",
)

_ITEMS = (
    "**{}** arrives before anyone is ready for it.",
    "**{}** is put where everyone can see it, and nobody looks.",
    "**{}** changes hands twice.",
    "**{}** is left out, and the gap is felt.",
    "**{}** turns, and the house lights go down.",
    "**{}** has the last line, and gives it away.",
)

_ENDINGS = (
    "The last word goes to {}, and it is a short one.",
    "The curtain comes down on {}.",
    "And with {}, the reading ends.",
    "{} stays on stage after the lights are out.",
)

_OWN = frozenset(
    re.findall(
        r"[\w'’-]{4,}",
        " ".join((*_SENTENCES, *_ITEMS, *_ENDINGS)).lower()
        + " rehearsal model asked prompt reads instruction answer answers came ending image document",
    )
)
"""Words that are its own: an answer that finds its way into a later prompt is not what that prompt is about."""
