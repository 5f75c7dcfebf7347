"""Models looked at before a run: whether they can be asked here, and what of an act they would not take."""

from collections.abc import Iterator

from boticelli_cli.catalog import DEFAULTS, EMBEDDED, Catalog, Resolved
from boticelli_cli.config import Config, Provider
from boticelli_cli.errors import CredentialsError, InputError, Problem, UsageError
from boticelli_cli.fitting import fit, unreadable
from boticelli_cli.messages import Media, Message, Request
from boticelli_cli.narrative.model import Act
from boticelli_cli.providers import accounts_for, today
from boticelli_cli.routing.router import AUTO, BACKGROUND, decide, within_reach
from boticelli_cli.runs.plan import Plan
from boticelli_cli.runs.request import request_of

__all__ = ["check_models", "default_model"]


def default_model(config: Config) -> str:
    """What is asked when no model is named: the routes, a model that there is an account for, or the embedded one."""
    if config.routes.default:
        return AUTO
    given = (account.provider for account in config.accounts if account.is_given)
    return next((DEFAULTS[provider] for provider in given if provider in DEFAULTS), EMBEDDED)


def check_models(plan: Plan, config: Config, catalog: Catalog, *, need_keys: bool = True) -> list[str]:
    """Check that every act's model can be asked here, and return what people should know of them first.

    Raises UsageError for models that are nobody's, or do not take what they are given, CredentialsError when
    there is no key for any that an act may be put to; unless keys are needed, that is only told. Acts whose model
    depends on their prompt are looked at when they are asked; but strange addresses that they may go to are told.
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
    request = _sketch(act)
    try:
        decision = decide(request, config.routes, catalog, tokens=lambda request: 0)
    except UsageError as error:
        near = _nearest(request.model, catalog)
        raise UsageError(f"{error.problems[0].message}{near}") from None
    if not decision.is_by_name:
        if request.model not in ("", AUTO, BACKGROUND):
            near = _nearest(request.model, catalog)
            yield f"no model is known as '{request.model}', so the routes say which one answers{near}"
        for model in within_reach(request, config.routes):
            yield from _strange_address(config.providers.get(catalog.place(model).provider))
        return
    targets = [catalog.resolve(model, today()) for model in decision.chain]
    yield from _check_keys(targets, config, catalog, need_keys)
    for target in targets:
        if target.notice is not None:
            yield target.notice
        yield from _strange_address(config.providers.get(catalog.place(target.model).provider))
        yield from _check_model(act, request, target.model, catalog, is_first=target is targets[0])


def _nearest(model: str, catalog: Catalog) -> str:
    """The end of a sentence about a model that nobody is known for: who lists it, or one that is called alike."""
    owner = next((each.provider for each in catalog.models() if each.id == model), None)
    if owner is not None:
        return f"; did you mean '{owner}/{model}'?"
    return catalog.nearest(model.rpartition("/")[2].lower(), "gemini", today())


def _sketch(act: Act) -> Request:
    """As much of an act's request as is known before anything is filled in."""
    settings = act.settings
    media = [Media(part.kind, "", name=part.filename) for part in act.input if part.kind != "text"]
    system = None if settings.system is None else "…"
    return request_of(settings, [Message("user", tuple(media))], system=system)


def _check_keys(targets: list[Resolved], config: Config, catalog: Catalog, need_keys: bool) -> Iterator[str]:
    """Raises the CredentialsError of the first model, unless another one can be asked."""
    wanting: list[CredentialsError] = []
    for target in targets:
        provider = catalog.place(target.model).provider
        if provider == EMBEDDED:
            continue
        try:
            accounts_for(config, config.providers[provider])
        except CredentialsError as error:
            wanting.append(error)
    if need_keys and len(wanting) == len(targets):
        raise wanting[0]
    yield from (error.message for error in wanting)


def _strange_address(provider: Provider | None) -> Iterator[str]:
    """A word about an address that came with a project: what acts are given, files and variables, goes there."""
    if provider is not None and provider.from_project and not provider.is_on_this_machine:
        yield f"prompts for {provider.name} go to {provider.base_url}, which {provider.named_by} names"


def _check_model(act: Act, request: Request, model: str, catalog: Catalog, *, is_first: bool) -> Iterator[str]:
    """What of a request a model does not take. Raises UsageError for contents, if it is the first to be asked."""
    placed = catalog.place(model)
    if placed.provider == EMBEDDED:
        from boticelli_cli.drivers.rehearsal import refuse_unknown_model

        refuse_unknown_model(model)
        return
    found = catalog.describe(model)
    if wrong := unreadable(request, found):
        if is_first:
            raise UsageError([Problem(f"act '{act.name}': {sentence}") for sentence in wrong])
        yield from (f"act '{act.name}': {sentence}" for sentence in wrong)
    yield from fit(request, found, catalog.call_of(model))[1]
