"""Circuits: targets that keep failing are left alone for a while, and then tried by one request first."""

import asyncio
from dataclasses import dataclass

from boticelli_cli.errors import ProviderError, QuotaError, RefusedError

__all__ = ["Circuits"]

_FAILURES = 5
"""How often in a row a target fails before it is left alone."""

_SECONDS = 60.0
"""For how long it then is."""


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    is_probed: bool = False
    error: ProviderError | None = None

    @property
    def is_tripped(self) -> bool:
        return self.failures >= _FAILURES


class Circuits:
    """What each target's last requests came to. A refusal, or a spent quota, is an answer of one that is well."""

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}

    def why_not(self, target: str) -> ProviderError | None:
        """The last error of a target that is better left alone now, if it is."""
        circuit = self._circuits.get(target)
        if circuit is None or not circuit.is_tripped:
            return None
        return circuit.error if circuit.is_probed or _now() < circuit.open_until else None

    def begin(self, target: str) -> None:
        """A target is asked: where it had been left alone long enough, others wait for what this comes to."""
        circuit = self._circuits.get(target)
        if circuit is not None and circuit.is_tripped:
            circuit.is_probed = True

    def gave_up(self, target: str) -> None:
        """It was not waited for what a target would answer."""
        if target in self._circuits:
            self._circuits[target].is_probed = False

    def succeeded(self, target: str) -> None:
        self._circuits.pop(target, None)

    def failed(self, target: str, error: ProviderError) -> None:
        if isinstance(error, RefusedError | QuotaError) or error.status == 429:
            self.succeeded(target)
            return
        circuit = self._circuits.setdefault(target, _Circuit())
        circuit.failures += 1
        circuit.error = error
        circuit.is_probed = False
        circuit.open_until = _now() + _SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()
