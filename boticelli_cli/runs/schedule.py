"""The order in which the acts of a plan can start, as others end."""

import heapq

from boticelli_cli.runs.plan import Plan, PlannedStep

__all__ = ["Schedule"]


class Schedule:
    """Which acts can start: those that have nothing left to wait for, in the order of the narrative."""

    def __init__(self, plan: Plan) -> None:
        self._steps = {step.act.name: step for step in plan.steps}
        self._left = {step.act.name: len(step.waits_for) for step in plan.steps}
        self._followers: dict[str, list[str]] = {name: [] for name in self._steps}
        for step in plan.steps:
            for waited in step.waits_for:
                self._followers[waited].append(step.act.name)
        self._order = {name: index for index, name in enumerate(self._steps)}
        self._ready = [(index, name) for name, index in self._order.items() if not self._left[name]]
        self._started: set[str] = set()

    def next_ready(self) -> PlannedStep | None:
        if not self._ready:
            return None
        _, name = heapq.heappop(self._ready)
        self._started.add(name)
        return self._steps[name]

    def done(self, name: str) -> None:
        for follower in self._followers[name]:
            self._left[follower] -= 1
            if not self._left[follower]:
                heapq.heappush(self._ready, (self._order[follower], follower))

    def names_of(self, some: set[str]) -> list[str]:
        """Some of the acts, in the order of the narrative."""
        return [name for name in self._steps if name in some]

    def never_started(self) -> list[str]:
        return [name for name in self._steps if name not in self._started]
