"""The composition root: the only place where narratives, configuration, drivers and runs are joined."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boticelli_cli.catalog import EMBEDDED, Catalog, place
from boticelli_cli.config import Config, environment, media_folder, read_config
from boticelli_cli.drivers.base import Driver
from boticelli_cli.errors import UsageError
from boticelli_cli.events import Event
from boticelli_cli.listings import known_catalog
from boticelli_cli.messages import Finish, Media, Usage
from boticelli_cli.model_checks import check_models, default_model
from boticelli_cli.narrative.bound import check_bound
from boticelli_cli.narrative.files import MAX_BYTES, read_bounded, why_no_folder, why_not_writable
from boticelli_cli.narrative.model import InputPart, Narrative, Variable
from boticelli_cli.narrative.saves import save_path, with_save_paths
from boticelli_cli.narrative.variables import bind
from boticelli_cli.prices import cost_usd
from boticelli_cli.providers import Providers, today
from boticelli_cli.routing.estimate import estimate_tokens, text_tokens
from boticelli_cli.routing.router import AUTO
from boticelli_cli.runs.answer import write_answer, write_bytes
from boticelli_cli.runs.executor import MAX_PARALLEL, execute
from boticelli_cli.runs.media_folder import MediaFolder
from boticelli_cli.runs.plan import Plan, describe_plan, make_plan, pick, plan_json, planned_acts

if TYPE_CHECKING:
    from boticelli_cli.narrative.load import Loaded as Loaded

__all__ = [
    "MAX_BYTES",
    "MAX_PARALLEL",
    "InputPart",
    "Media",
    "MediaFolder",
    "Plan",
    "Prepared",
    "Variable",
    "attach",
    "check",
    "config_files",
    "environment",
    "load",
    "media_folders",
    "narrative_schema",
    "perform",
    "plan",
    "plan_json",
    "planned_acts",
    "prepare",
    "prepare_prompt",
    "read_bounded",
    "run",
    "text_tokens",
    "why_no_folder",
    "why_not_writable",
    "write_answer",
    "write_bytes",
]

_MANY_ACTS = 8
"""From how many acts on HTTP is carried by the client that is made for many streams at once, but slower to load."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that could start now: everything about it has been checked, and nothing has been sent.

    A `driver` that was given is asked, else the `providers`, which are closed when the run is over. `notices` are
    sentences that a person should see before it starts.
    """

    plan: Plan
    scope: Mapping[str, Any]
    driver: Driver | None
    providers: Providers | None
    cost_of: Callable[[str, Finish], float | None]
    notices: tuple[str, ...] = ()

    def cost_so_far(self, model: str, usage: Usage) -> float | None:
        """What so much use of a model costs in USD, where that is known."""
        return self.cost_of(model, Finish("stop", usage))

    def saves(self) -> list[Path]:
        """The files that acts will save to."""
        paths = (save_path(self.plan.narrative, step.act) for step in self.plan.steps)
        return [path for path in paths if path is not None]

    def describe(self) -> list[str]:
        """The plan in words, a line an act."""
        return list(describe_plan(self.plan))

    def as_json(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        return plan_json(self.plan)

    def late_notices(self) -> list[str]:
        """Sentences that a person should see once it is over."""
        return self.providers.warnings if self.providers is not None else []

    def with_notices(self, more: Iterable[str]) -> "Prepared":
        return replace(self, notices=(*more, *self.notices))


def load(path: str | Path) -> Narrative:
    """Read and check a narrative file.

    Raises NarrativeError with all its mistakes, ConfigError for those of the configuration.
    """
    return check(path).or_raise()


def check(path: str | Path, data: bytes | None = None) -> "Loaded":
    """Read and check a narrative file, or `data` as if it stood there: the narrative, and all that is wrong.

    Raises ConfigError.
    """
    from boticelli_cli.narrative.load import load as load_file
    from boticelli_cli.narrative.load import parse as parse_narrative

    path = Path(path)
    defaults = read_config(environment(), Path()).settings
    if data is not None:
        return parse_narrative(data, str(path), Path(), defaults=defaults)
    return load_file(path, defaults=defaults)


async def run(
    narrative: str | Path | Narrative,
    *,
    variables: Mapping[str, Any] | None = None,
    model: str | None = None,
    only: Sequence[str] = (),
    start: str | None = None,
    max_parallel: int = MAX_PARALLEL,
    streaming: bool = True,
    stop: asyncio.Event | None = None,
    driver: Driver | None = None,
) -> AsyncGenerator[Event, None]:
    """Run a narrative, and yield its events as they happen.

        async for event in boticelli_cli.run("story.yaml", variables={"place": "Skellig"}):
            print(event)

    `model` is used for every act, over what the file says; `only` and `start` pick a part of the narrative,
    with the acts that it waits for; `stop`, once set, ends the run with a `RunInterrupted`; `driver` is asked
    instead of the models' own. Whoever may leave the iterator early closes it, with `contextlib.aclosing`.

    Raises InputError, before anything is sent, for what is wrong with the narrative, its variables or the
    configuration. What goes wrong later is told by events.
    """
    prepared = prepare(narrative, variables=variables, model=model, only=only, start=start, driver=driver)
    events = perform(prepared, max_parallel=max_parallel, streaming=streaming, stop=stop)
    try:
        async for event in events:
            yield event
    finally:
        await events.aclose()


def prepare(
    narrative: str | Path | Narrative,
    *,
    variables: Mapping[str, Any] | None = None,
    model: str | None = None,
    only: Sequence[str] = (),
    start: str | None = None,
    driver: Driver | None = None,
    rehearse: bool = False,
    dry: bool = False,
) -> Prepared:
    """Check everything about a run that can be checked before it starts.

    With `rehearse`, every act runs on the embedded model; with `dry`, it is only looked at, so no key is needed,
    and that there is none is told. Other arguments and errors as in `run`.
    """
    notices: list[str] = []
    if rehearse:
        model = _rehearsal_model(model)
    if not isinstance(narrative, Narrative):
        loaded = check(narrative)
        narrative = loaded.or_raise()
        notices += [str(problem) for problem in loaded.problems]
    config = read_config(environment(), Path())
    notices += config.notices
    default = EMBEDDED if driver is not None else default_model(config)
    if (
        model is None
        and driver is None
        and default != AUTO
        and any(act.settings.model is None for act in narrative.acts)
    ):
        embedded = ", the embedded one," if default == EMBEDDED else ""
        notices.append(f"no model is set: '{default}'{embedded} answers (-m sets another)")
    narrative = _with_model(narrative, model, default, alone=rehearse)
    narrative = pick(narrative, only=only, start=start)
    scope = bind(narrative, variables or {}, environment())
    check_bound(narrative, scope)
    plan = make_plan(with_save_paths(narrative, scope))
    catalog = known_catalog(config, environment())
    providers = None
    if driver is None:
        notices += check_models(plan, config, catalog, need_keys=not dry)
        providers = Providers(config, catalog, environment(), wide=len(plan.steps) > _MANY_ACTS)
    return Prepared(plan, scope, driver, providers, partial(_cost_of, config, catalog), tuple(notices))


def plan(narrative: Narrative, *, model: str | None = None, only: Sequence[str] = (), start: str | None = None) -> Plan:
    """The plan of a narrative that is only looked at: no variable needs a value, and no model is looked up.

    Paths that acts save to are as they are written. Other arguments as in `run`. Raises UsageError for names of acts
    that there are not, ConfigError.
    """
    named = _with_model(narrative, model, default_model(read_config(environment(), Path())))
    return make_plan(pick(named, only=only, start=start))


def perform(
    prepared: Prepared,
    *,
    max_parallel: int = MAX_PARALLEL,
    streaming: bool = True,
    expecting: bool = False,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Event, None]:
    """Run what has been prepared, and yield its events as they happen.

    With `expecting`, each act says when it starts how many input tokens to expect.
    """
    if max_parallel < 1:
        raise UsageError(f"at least one act has to run at a time, not {max_parallel}")
    return _perform(prepared, max_parallel, streaming, expecting, stop)


async def _perform(
    prepared: Prepared, max_parallel: int, streaming: bool, expecting: bool, stop: asyncio.Event | None
) -> AsyncGenerator[Event, None]:
    providers = prepared.providers
    driver = prepared.driver or (providers.driver if providers is not None else None)
    assert driver is not None
    events = execute(
        prepared.plan,
        driver,
        run_id=_new_run_id(),
        scope=prepared.scope,
        provider_of=providers.provider_of if providers is not None else _provider_of,
        cost_of=prepared.cost_of,
        expect=estimate_tokens if expecting else None,
        max_parallel=max_parallel,
        streaming=streaming,
        stop=stop,
    )
    try:
        async for event in events:
            yield event
    finally:
        await events.aclose()
        if providers is not None:
            await providers.aclose()


def prepare_prompt(
    texts: Iterable[str],
    *,
    model: str | None = None,
    system: str | None = None,
    options: Mapping[str, list[str]] | None = None,
    attachments: Iterable[InputPart] = (),
) -> Prepared:
    """One prompt, as a run of the one act `answer`. Raises InputError."""
    from boticelli_cli.narrative.prompt import prompt_narrative, read_options

    settings = read_options(options or {}).over(read_config(environment(), Path()).settings)
    return prepare(prompt_narrative(texts, system=system, settings=settings, attachments=attachments), model=model)


def attach(name: str, data: bytes | None = None) -> InputPart:
    """A file, a URL, or `data` from somewhere else, as a part of a prompt. Raises UsageError."""
    from boticelli_cli.narrative.prompt import attach

    return attach(name, data)


def media_folders(run: str, named: Path | None) -> list[MediaFolder]:
    """Where the media that a run makes are kept: in the folder that somebody named, then in our own."""
    own = MediaFolder(media_folder(environment()) / run, private=True)
    return [own] if named is None else [MediaFolder(named), own]


def config_files() -> tuple[Path, ...]:
    """The configuration files that hold here, the strongest first. Raises ConfigError."""
    return read_config(environment(), Path()).files


def narrative_schema() -> dict[str, Any]:
    """The JSON Schema of narrative files."""
    from boticelli_cli.narrative.document import json_schema

    return json_schema()


def _rehearsal_model(model: str | None) -> str:
    if model is not None and place(model).provider != EMBEDDED:
        raise UsageError(f"--rehearse runs on '{EMBEDDED}', but --model asks for '{model}'; give one of them")
    return model or EMBEDDED


def _with_model(narrative: Narrative, model: str | None, default: str, *, alone: bool = False) -> Narrative:
    """The narrative with a model for every act: the given one, or its own, or the default.

    With `alone`, nobody is asked in its place.
    """
    acts = tuple(
        replace(
            act,
            settings=replace(
                act.settings,
                model=model or act.settings.model or default,
                fallback=() if alone else act.settings.fallback,
            ),
        )
        for act in narrative.acts
    )
    return replace(narrative, acts=acts, model=model or narrative.model or default)


def _cost_of(config: Config, catalog: Catalog, model: str, finish: Finish) -> float | None:
    """What an answer of a model cost, by the model that served it. The embedded one is free."""
    try:
        placed = catalog.place(catalog.resolve(model, today()).model)
    except UsageError:  # a driver of the caller's own, and a model that only it knows
        return None
    if placed.provider == EMBEDDED:
        return 0.0
    names = dict.fromkeys((finish.served_model or placed.name, placed.name))
    return cost_usd(placed.provider, names, finish.usage, catalog=catalog, today=today(), prices=config.prices)


def _provider_of(model: str) -> str:
    try:
        return place(model).provider
    except UsageError:
        return "unknown"


def _new_run_id() -> str:
    """A name for a run: sorts by time, can be typed, and is not given twice."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
