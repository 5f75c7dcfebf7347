"""Whether the gateway is alive, and whether it takes requests: `/health` and `/ready`."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["health_routes"]


def health_routes(
    *,
    is_stopping: Callable[[], bool],
    redis_is_up: Callable[[], bool] | None = None,
    is_kept: Callable[[], bool] = lambda: True,
) -> list[Route]:
    """`GET /health`, which says that the process runs, and `GET /ready`, which is 503 while it is being shut down.

    A gateway is degraded, though ready, while Redis is gone (`redis_is_up`; `None` without Redis), or while what it
    counts is not written to its ledger's file (`is_kept`). Both are open to anybody: they tell nothing else.
    """

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        is_ready = not is_stopping()
        redis = None if redis_is_up is None else "up" if redis_is_up() else "down"
        ledger = "kept" if is_kept() else "memory"
        told = {
            "ready": is_ready,
            "degraded": redis == "down" or ledger == "memory",
            "redis": redis,
            "ledger": ledger,
        }
        return JSONResponse(told, 200 if is_ready else 503)

    return [Route("/health", health, methods=["GET"]), Route("/ready", ready, methods=["GET"])]
