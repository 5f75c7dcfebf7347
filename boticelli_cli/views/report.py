"""The report: what a view says of a run in plain words. Pure: events and records in, sentences out."""

import math
from collections.abc import Iterator

from boticelli_cli.events import (
    ActFailed,
    ActFallback,
    ActFinished,
    ActNotice,
    ActRetrying,
    ActRouted,
    ActSkipped,
    ActStarted,
    ActWaiting,
    ErrorInfo,
    Event,
)
from boticelli_cli.messages import Usage
from boticelli_cli.views.record import ActRecord, KeptMedia, Record

__all__ = [
    "attempts",
    "dollars",
    "ending",
    "error_lines",
    "kept_texts",
    "media_line",
    "not_run",
    "progress",
    "seconds_in_words",
    "unusual_end",
]


def progress(event: Event, record: Record) -> str | None:
    """One line about an event, or nothing where it is not worth one."""
    match event:
        case ActStarted():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"▸ {event.act} · {event.model}{again}"
        case ActFinished():
            act = record.acts[event.act]
            facts = [
                _stand_in(act),
                seconds_in_words(event.seconds),
                _tokens(event.usage),
                dollars(event.cost_usd),
                unusual_end(event, made_media=bool(act.media or act.sound)),
            ]
            facts.append("spoken" if act.sound is not None else "")
            facts.append(f"saves to {act.planned.save}" if act.planned.save else "")
            return f"✓ {event.act} · {' · '.join(fact for fact in facts if fact)}"
        case ActFailed():
            return f"✗ {event.act} · {event.error.message}"
        case ActWaiting():
            long = f"{seconds_in_words(event.seconds)} " if event.seconds else ""  # 0: nobody can tell
            return f"… {event.act} · waits {long}{event.reason}"
        case ActRetrying():
            soon = f" in {seconds_in_words(event.seconds)}" if event.seconds else ""
            again = f"attempt {event.attempt}{soon}"
            return f"↻ {event.act} · {event.error.message} · {again}"
        case ActFallback():
            return f"⤳ {event.act} · {event.from_}: {event.error.message} · {event.to} is asked instead"
        case ActRouted():
            with_key = f", account '{event.account}'"
            return f"→ {event.act} · {event.provider}/{event.model}{with_key} · {event.route}: {event.reason}"
        case ActNotice():
            return f"! {event.act} · {event.message}"
        case ActSkipped():
            return f"- {event.act} · {not_run(record.acts[event.act])}: {event.reason}"
    return None


def ending(record: Record, seconds: float | None) -> str | None:
    """One line about a run that is over."""
    if record.started is None:
        return None
    acts = f"{record.count('finished')} of {len(record.acts)} acts"
    if record.count("finished") == len(record.acts):
        acts = "1 act" if len(record.acts) == 1 else f"{len(record.acts)} acts"
    facts = [record.started.narrative, acts, _tokens_both_ways(record.usage)]
    facts.append(dollars(record.cost_usd))
    if record.unpriced:
        facts.append(f"price not known: {', '.join(record.unpriced)}")
    if seconds is not None:
        facts.append(seconds_in_words(seconds))
    return " · ".join(fact for fact in facts if fact)


def not_run(act: ActRecord) -> str:
    """What became of an act that was skipped: it may have been asked, and have waited for its turn."""
    return "given up" if act.started is not None else "not run"


def attempts(record: Record, *, verbose: bool = True) -> Iterator[str]:
    """What became of the acts before they were answered, a line each; if not `verbose`, only what matters to all."""
    for act in record.in_order:
        for notice in act.notices:
            matters = verbose or isinstance(notice, ActFallback | ActNotice)
            if matters and (line := progress(notice, record)):
                yield line


def error_lines(error: ErrorInfo) -> Iterator[str]:
    """An error, and what to do next."""
    if error.problems and any(problem.file for problem in error.problems):
        yield from map(str, error.problems)
    else:
        yield from (f"error: {line}" for line in error.message.splitlines() or [error.kind])
    if error.retry_after is not None and error.kind != "quota":  # which says itself when it is over
        yield f"hint: the provider asks to wait for {seconds_in_words(error.retry_after)}"
    if error.hint:
        yield f"hint: {error.hint}"


def kept_texts(record: Record, *, shown: frozenset[str]) -> Iterator[str]:
    """What the acts of a run that did not finish have said, but for those whose text has been shown."""
    for name, act in record.acts.items():
        if act.pieces and name not in shown:
            how = "" if act.status == "finished" else f" ({act.status} before its end)"
            yield f"── {name}{how} ──\n{act.text.rstrip()}"


def media_line(kept: KeptMedia) -> str:
    """One line about a piece of media: what it is, and where."""
    media = kept.media
    size = f", {_bytes_in_words(len(media.data))}" if media.data is not None else ""
    line = f"▣ {kept.act} · {media.mime}{size}"
    if place := kept.place or media.url:
        line += f" → {place}"
    return f"{line} · {kept.problem}" if kept.problem else line


def dollars(cost: float | None) -> str:
    """An amount of money, to the cent or to three digits that matter; nothing where there is none to tell."""
    if not cost:
        return ""
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.{2 - math.floor(math.log10(cost))}f}"


def seconds_in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _bytes_in_words(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    if count < 999_500:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def _stand_in(act: ActRecord) -> str:
    """Who answered, where that is not who was planned: for a route, an alias, or a model that did not answer."""
    asked = next((each for each in reversed(act.notices) if isinstance(each, ActRouted)), None)
    names = (asked.model, f"{asked.provider}/{asked.model}") if asked is not None else ()
    return f"by {names[1]}" if names and act.planned.model not in names else ""


def _tokens(usage: Usage) -> str:
    return f"{usage.output:,} tokens" if usage.output is not None else ""


def _tokens_both_ways(usage: Usage) -> str:
    if usage.input is None or usage.output is None:
        return _tokens(usage)
    return f"{usage.input:,} tokens in, {usage.output:,} out"


_UNUSUAL: dict[str, str] = {
    "length": "cut off by max_tokens",
    "content_filter": "stopped by the provider's filter",
    "tool_call": "asks for a tool to be run, which acts do not",
    "other": "ended early",
}


def unusual_end(event: ActFinished, *, made_media: bool = False) -> str:
    """What there is to say of how an answer ended; nothing of one that ended as it should."""
    words = _UNUSUAL.get(event.finish_reason, "the answer is empty" if not (event.text or made_media) else "")
    return f"{words} ({event.provider_reason})" if words and event.provider_reason not in (None, "STOP") else words
