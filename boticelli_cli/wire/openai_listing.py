"""What servers of OpenAI's dialect list: https://platform.openai.com/docs/api-reference/models/list.

OpenAI says a model's name only. OpenRouter, vLLM, Groq and llama.cpp say its limits too, each in its own words.
"""

from typing import Any

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.listing import ListedModel
from boticelli_cli.wire.openai_errors import PROVIDER

__all__ = ["decode_models"]


def decode_models(body: bytes) -> tuple[list[ListedModel], str | None]:
    """The list of models, which has one page only."""
    try:
        raw = msgspec.json.decode(body)
        models = msgspec.convert(_entries(raw), list[_Model])
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the list of models cannot be read ({exc})", provider=PROVIDER) from exc
    return [_listed(model) for model in models], None


class _Model(msgspec.Struct):
    id: str
    name: Any = None
    context_length: Any = None
    context_window: Any = None
    max_model_len: Any = None
    max_context_length: Any = None
    max_completion_tokens: Any = None
    top_provider: Any = None
    meta: Any = None


def _entries(raw: Any) -> Any:
    """The entries, which some servers send without anything around them, and Ollama as null if it has none."""
    if isinstance(raw, dict) and "data" in raw:
        raw = raw["data"]
    return [] if raw is None else raw


def _listed(model: _Model) -> ListedModel:
    limits = (model.context_length, model.context_window, model.max_model_len, model.max_context_length)
    trained = model.meta.get("n_ctx_train") if isinstance(model.meta, dict) else None
    served = model.top_provider.get("max_completion_tokens") if isinstance(model.top_provider, dict) else None
    return ListedModel(
        model.id,
        model.name if isinstance(model.name, str) else None,
        _limit(*limits, trained),
        _limit(model.max_completion_tokens, served),
    )


def _limit(*said: Any) -> int | None:
    return next((each for each in said if isinstance(each, int) and each > 0), None)
