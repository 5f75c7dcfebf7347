"""What the gateway counts for Prometheus, and `/metrics`, where it is read."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from boticelli_cli.errors import ProviderError
from boticelli_cli.gateway.base import Entry
from boticelli_cli.gateway.origin import is_for_loopback
from boticelli_cli.gateway.usage import Door, problem, refused
from boticelli_cli.messages import Usage

__all__ = ["Metrics", "metrics_routes"]

_MOST_MODELS = 200
"""How many models have a label of their own; those beyond are `other`."""

_MOST_WORDS = 50
"""How many kinds of errors, and providers, have a label of their own."""

_LONGEST_LABEL = 100

_LOOK_SECONDS = 1.0

_OTHER = "other"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

_OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

_KINDS = tuple(each.name for each in fields(Usage) if each.name != "total")


class Metrics:
    """Counts each request that is over; an observer of the gateway.

    `in_flight`, `queue_depth` and `redis_is_up` (`None` without Redis) are asked when the metrics are read. For several
    workers, `folder` is where they share what they count; the environment's PROMETHEUS_MULTIPROC_DIR has to name it
    before this module is imported (https://prometheus.github.io/client_python/multiprocess/). What the other workers
    have under way is then told as it was when they last looked: within `refreshing`, every second.
    Raises ValueError where the environment has not named the folder in time.
    """

    def __init__(
        self,
        *,
        in_flight: Callable[[], int],
        queue_depth: Callable[[], int],
        redis_is_up: Callable[[], bool] | None = None,
        folder: Path | None = None,
    ) -> None:
        if folder is not None and not values.ValueClass._multiprocess:
            raise ValueError("PROMETHEUS_MULTIPROC_DIR has to be set before anything is counted")
        self._registry = CollectorRegistry()
        self._folder = folder
        self._next_look: asyncio.TimerHandle | None = None
        self._series = _Series(self._registry)
        self._gauges = _gauges(self._registry, in_flight, queue_depth, redis_is_up)
        self._models = _Labels(_MOST_MODELS)
        self._providers = _Labels(_MOST_WORDS)
        self._errors = _Labels(_MOST_WORDS)
        self._ends: dict[tuple[str, str, str, str, int], Counter] = {}
        self._counts: dict[tuple[str, str, str], _Counts] = {}

    def ended(self, entry: Entry) -> None:
        """Count a request. A model is named once it has answered: before, a name may be anything a client wrote."""
        provider = self._providers.of(entry.provider, may_be_new=True)
        model = self._models.of(entry.served, may_be_new=entry.ending == "done")
        end = (entry.face, provider, model, entry.ending, entry.status)
        if (requests := self._ends.get(end)) is None:
            requests = self._ends[end] = self._series.requests.labels(*end)
        requests.inc()
        who = (entry.face, provider, model)
        if (counts := self._counts.get(who)) is None:
            counts = self._counts[who] = self._series.of(*who)
        counts.add(entry)
        if entry.ending == "failed":
            kind = self._errors.of(entry.error, may_be_new=True)
            self._series.upstream_errors.labels(provider, kind).inc()
        if self._folder is not None:
            self.refresh()

    def refresh(self) -> None:
        """Look at what is under way now."""
        for gauge, value in self._gauges:
            gauge.set(value())

    @contextmanager
    def refreshing(self) -> Iterator[None]:
        """Look at what is under way every second, for other workers to tell. To be entered in a running event loop."""
        self._look(asyncio.get_running_loop())
        try:
            yield
        finally:
            if self._next_look is not None:
                self._next_look.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self.refresh()
        self._next_look = loop.call_later(_LOOK_SECONDS, self._look, loop)

    async def page(self, accept: str = "") -> tuple[bytes, str]:
        """All that was counted, and its media type, in the newest form that the reader accepts."""
        self.refresh()
        encode, media_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, self._shared()), media_type

    def _shared(self) -> CollectorRegistry:
        if self._folder is None:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry


def metrics_routes(metrics: Metrics, door: Door) -> list[Route]:
    """`GET /metrics`: for this machine, and for keys with the permission `admin`."""

    async def page(request: Request) -> Response:
        if not _is_from_here(request):
            try:
                grant = await door.grant(request.scope)
            except ProviderError as exc:
                return refused(exc)
            if not grant.permits("admin"):
                return problem(403, "permission", "only a key with the permission 'admin' sees the metrics from afar")
        body, media_type = await metrics.page(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    return [Route("/metrics", page, methods=["GET"])]


class _Counts(NamedTuple):
    """The counters of one face, provider and model, looked up once: to look one up takes as long as to count."""

    tokens: Mapping[str, Counter]
    cost: Counter
    chunks: Counter
    first_byte: Histogram
    upstream: Histogram
    overhead: Histogram
    seconds: Histogram

    def add(self, entry: Entry) -> None:
        for kind, counter in self.tokens.items():
            if (count := getattr(entry.usage, kind)) is not None and count > 0:
                counter.inc(count)
        if entry.cost_usd is not None and entry.cost_usd > 0:
            self.cost.inc(entry.cost_usd)
        if entry.chunks > 0:
            self.chunks.inc(entry.chunks)
        self.seconds.observe(entry.seconds)
        for histogram, seconds in (
            (self.first_byte, entry.first_byte),
            (self.upstream, entry.upstream),
            (self.overhead, entry.overhead),
        ):
            if seconds is not None:
                histogram.observe(max(0.0, seconds))


class _Series:
    """All series, with their labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(f"boticelli_{name}", help_text, labels, registry=registry)

        def histogram(name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"boticelli_{name}", help_text, labels, registry=registry, buckets=buckets)

        whose = ("face", "provider")
        self.requests = counter("requests", "Requests that are over.", *whose, "model", "ending", "status")
        self.tokens = counter(
            "tokens", "Tokens; input includes cached ones, output includes thinking.", "kind", "provider", "model"
        )
        self.cost = counter("cost_usd", "What answers cost, where their prices are known.", "provider", "model")
        self.chunks = counter("chunks", "Pieces of answers that were passed on.", "face")
        self.upstream_errors = counter("upstream_errors", "Requests that failed upstream.", "provider", "kind")
        self.first_byte = histogram("first_byte_seconds", "Time to the first byte of an answer.", _SECONDS, *whose)
        self.upstream = histogram("upstream_seconds", "Time waited for a provider.", _SECONDS, *whose)
        self.overhead = histogram(
            "overhead_seconds", "Time spent here, and waited for nobody.", _OVERHEAD_SECONDS, "face"
        )
        self.seconds = histogram("request_seconds", "Time from a request to its end.", _SECONDS, *whose)

    def of(self, face: str, provider: str, model: str) -> _Counts:
        """The counters of one face, provider and model."""
        return _Counts(
            {kind: self.tokens.labels(kind, provider, model) for kind in _KINDS},
            self.cost.labels(provider, model),
            self.chunks.labels(face),
            self.first_byte.labels(face, provider),
            self.upstream.labels(face, provider),
            self.overhead.labels(face),
            self.seconds.labels(face, provider),
        )


class _Labels:
    """The first words that come, up to so many: all others are one label, as each makes series that stay for ever."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, str] = {}

    def of(self, word: str | None, *, may_be_new: bool) -> str:
        """A word as a label: empty where there is none, `other` where it is new and may not be, or there are enough."""
        if word is None:
            return ""
        if (known := self._known.get(word)) is not None:
            return known
        if not may_be_new or len(self._known) >= self._most:
            return _OTHER
        label = word[:_LONGEST_LABEL].encode(errors="replace").decode()
        return self._known.setdefault(word, label)


def _gauges(
    registry: CollectorRegistry,
    in_flight: Callable[[], int],
    queue_depth: Callable[[], int],
    redis_is_up: Callable[[], bool] | None,
) -> list[tuple[Gauge, Callable[[], float]]]:
    """What is looked at rather than counted; of several workers the sums, and whether all of them have Redis."""
    now = Gauge("boticelli_in_flight", "Requests under way.", registry=registry, multiprocess_mode="livesum")
    queued = Gauge(
        "boticelli_queue_depth", "Pieces that wait for clients.", registry=registry, multiprocess_mode="livesum"
    )
    gauges: list[tuple[Gauge, Callable[[], float]]] = [(now, in_flight), (queued, queue_depth)]
    if redis_is_up is not None:
        redis = Gauge("boticelli_redis_up", "Whether Redis answers.", registry=registry, multiprocess_mode="livemin")
        gauges.append((redis, redis_is_up))
    return gauges


def _is_from_here(request: Request) -> bool:
    """Whether a client on this machine asks; not a proxy on it for somebody else, nor a page by DNS rebinding."""
    if request.client is None or any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip")):
        return False
    if not is_for_loopback(request):
        return False
    try:
        address = ipaddress.ip_address(request.client.host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
