"""Models looked at before a run: whether they can be asked here, and what of an act they would not take."""

from collections.abc import Iterator

from boticelli_cli.catalog import DEFAULTS, EMBEDDED, Catalog
from boticelli_cli.config import Config
from boticelli_cli.errors import CredentialsError, InputError, Problem, UsageError
from boticelli_cli.fitting import fit, unreadable
from boticelli_cli.messages import Media, Message, Request
from boticelli_cli.narrative.model import Act
from boticelli_cli.providers import DRIVEN, account_of, today
from boticelli_cli.runs.plan import Plan

__all__ = ["check_models", "default_model"]


def default_model(config: Config) -> str:
    """The model that answers when none is named: one that there is an account for, or the embedded one."""
    given = (account.provider for account in config.accounts if account.is_given)
    return next((DEFAULTS[provider] for provider in given if provider in DEFAULTS), EMBEDDED)


def check_models(plan: Plan, config: Config, catalog: Catalog, *, need_keys: bool = True) -> list[str]:
    """Check that every act's model can be asked here, and return what people should know of them first.

    Raises UsageError for models that are nobody's, or do not take what they are given, CredentialsError when
    there is no key; unless keys are needed, that is only told.
    """
    problems: dict[str, Problem] = {}
    notices: dict[str, None] = {}
    for step in plan.steps:
        try:
            notices |= dict.fromkeys(_check_act(step.act, config, catalog, need_keys))
        except InputError as error:
            problems |= {problem.message: problem for problem in error.problems}
    if problems:
        raise UsageError(list(problems.values()), hint=f"the embedded model is always there: -m {EMBEDDED}")
    return list(notices)


def _check_act(act: Act, config: Config, catalog: Catalog, need_keys: bool) -> Iterator[str]:
    settings = act.settings
    resolved = catalog.resolve(settings.model or EMBEDDED, today())
    try:
        placed = catalog.place(resolved.model)
    except UsageError as error:
        near = catalog.nearest(resolved.model.rpartition("/")[2].lower(), "gemini", today())
        raise UsageError(f"{error.problems[0].message}{near}") from None
    if placed.provider == EMBEDDED:
        from boticelli_cli.drivers.rehearsal import refuse_unknown_model

        refuse_unknown_model(resolved.model)
        return
    if placed.provider not in DRIVEN:
        message = (
            f"act '{act.name}' asks for model '{settings.model}', but there is no driver for {placed.provider} here"
        )
        raise UsageError(message)
    try:
        account_of(config, placed.provider)
    except CredentialsError as error:
        if need_keys:
            raise
        yield error.message
    media = [Media(part.kind, "", name=part.filename) for part in act.input if part.kind != "text"]
    request = Request(
        placed.name,
        (Message("user", tuple(media)),),
        system=None if settings.system is None else "…",
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=settings.stop or (),
        thinking=settings.thinking,
        options=settings.options or {},
    )
    found = catalog.describe(resolved.model)
    if wrong := unreadable(request, found):
        raise UsageError([Problem(f"act '{act.name}': {sentence}") for sentence in wrong])
    if resolved.notice is not None:
        yield resolved.notice
    yield from fit(request, found, catalog.call_of(resolved.model))[1]
