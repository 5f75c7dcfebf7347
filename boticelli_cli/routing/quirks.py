"""What servers that speak OpenAI's dialect take otherwise than OpenAI does: requests, changed to suit them.

Pure functions: of a request, and of an argument where there is one, another request is made. What of it comes to
nothing is for others to tell.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from boticelli_cli.fitting import nearest_effort
from boticelli_cli.messages import CachePoint, Effort, Media, MediaKind, Part, Request, Text, ToolResult

__all__ = [
    "deepseek",
    "ollama",
    "openrouter",
    "with_length",
    "with_sampling",
    "without_cache_marks",
    "without_thinking",
]


def openrouter(request: Request) -> Request:
    """For openrouter.ai: one way to ask for thoughts, whoever thinks them, and the cost told with the usage.

    Cache marks are for Claude, and left out for others. (openrouter.ai/docs: use-cases/reasoning-tokens,
    use-cases/usage-accounting, features/prompt-caching.)
    """
    said: dict[str, Any] = {"usage": {"include": True}}
    if request.thinking is not None:
        said["reasoning"] = _reasoning(request)
    request = replace(request, thinking=None, options={**said, **request.options})
    return request if "claude" in request.model else without_cache_marks(request)


def deepseek(request: Request) -> Request:
    """For api.deepseek.com: texts only, no schema, at most 8,192 tokens; its reasoner neither calls tools nor samples.

    (api-docs.deepseek.com: create-chat-completion, thinking mode and reasoning model.)
    """
    request = replace(_without_media(request), schema=None, max_tokens=_at_most(request.max_tokens, 8192))
    if "reasoner" in request.model:
        request = with_sampling(replace(request, thinking=None, tools=(), tool_choice=None))
        return _without_options(request, ("logprobs", "top_logprobs"))
    if request.thinking is None:
        return request
    mode = {"type": "enabled" if request.thinking else "disabled"}
    return replace(request, thinking=None, options={"thinking": mode, **request.options})


def ollama(request: Request) -> Request:
    """For Ollama: of media pictures only, no choice of tools, thinking by effort, and only the options that it knows.

    (docs.ollama.com/api/openai-compatibility, supported request fields.)
    """
    request = _without_media(request, "image")
    if request.tool_choice == "none":
        request = replace(request, tools=())
    options = {name: value for name, value in request.options.items() if name in _OLLAMA_OPTIONS}
    return replace(request, tool_choice=None, thinking=_effort(request.thinking), options=options)


def without_cache_marks(request: Request) -> Request:
    """For servers that refuse them, or do not understand."""
    system = request.system
    if isinstance(system, tuple):
        system = tuple(block for block in system if isinstance(block, Text))
    request = replace(request, system=system, tools=request.declared_tools)
    return _with_parts(request, lambda part: None if isinstance(part, CachePoint) else part)


def without_thinking(request: Request) -> Request:
    """For models that think as they please."""
    return replace(request, thinking=None)


def with_length(request: Request, most: int) -> Request:
    """Never longer answers than so many tokens, and so many when nobody says it."""
    return replace(request, max_tokens=_at_most(request.max_tokens, most) or most)


def with_sampling(request: Request, most: Mapping[str, float] | None = None) -> Request:
    """No sampling parameter above its bound; without bounds none at all."""
    if most is None:
        return _without_options(replace(request, temperature=None, top_p=None), _MORE_SAMPLING)
    options = {
        name: min(value, most[name]) if name in most and isinstance(value, int | float) else value
        for name, value in request.options.items()
    }
    temperature, top_p = (_at_most(getattr(request, name), most.get(name)) for name in ("temperature", "top_p"))
    return replace(request, temperature=temperature, top_p=top_p, options=options)


_MORE_SAMPLING = ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")

_OLLAMA_OPTIONS = (
    *("frequency_penalty", "presence_penalty", "response_format", "seed", "stop", "stream_options", "temperature"),
    *("top_p", "max_tokens", "tools", "reasoning_effort", "reasoning", "logprobs", "top_logprobs"),
)


_GAP = Text("(something that cannot be shown to you was here)")


def _reasoning(request: Request) -> dict[str, Any]:
    match request.thinking:
        case bool() | None:
            said: dict[str, Any] = {"enabled": bool(request.thinking)}
        case str():
            said = {"effort": request.thinking}
        case 0:
            said = {"enabled": False}
        case _:
            said = {"max_tokens": request.thinking} if request.thinking > 0 else {"enabled": True}
    return said if request.show_thoughts else {**said, "exclude": True}


def _effort(thinking: bool | int | Effort | None) -> bool | Effort | None:
    if thinking == "minimal":
        return "low"
    if thinking is None or isinstance(thinking, bool | str):
        return thinking
    if thinking <= 0:  # below 0, the model itself decides
        return thinking < 0
    return nearest_effort(thinking, ("low", "medium", "high"))


def _at_most(value: Any, most: Any) -> Any:
    return value if value is None or most is None else min(value, most)


def _without_options(request: Request, names: Collection[str]) -> Request:
    options = {name: value for name, value in request.options.items() if name not in names}
    return replace(request, options=options)


def _without_media(request: Request, *kept: MediaKind) -> Request:
    def change(part: Part) -> Part | None:
        match part:
            case Media():
                return part if part.kind in kept else None
            case ToolResult(output=tuple() as output):
                left = tuple(each for each in output if not isinstance(each, Media) or each.kind in kept)
                return replace(part, output=left or (_GAP,) if output else output)
        return part

    return _with_parts(request, change)


def _with_parts(request: Request, change: Callable[[Part], Part | None]) -> Request:
    """A request whose parts are changed, or left out where nothing comes of them. No turn is left without any."""
    messages = []
    for message in request.messages:
        parts = tuple(changed for part in message.parts if (changed := change(part)) is not None)
        if message.parts and not parts:
            parts = (_GAP,)
        messages.append(replace(message, parts=parts))
    return replace(request, messages=tuple(messages))
