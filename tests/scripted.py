"""A driver that says what a test tells it to, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from boticelli_cli.drivers.base import fold
from boticelli_cli.messages import Delta, Finish, Request, Response, Text, TextDelta, Usage


def prompt_of(request: Request) -> str:
    """The text of the turn that a request asks to be answered."""
    return "\n".join(part.text for part in request.messages[-1].parts if isinstance(part, Text))


class Scripted:
    """Answers each request with `answer(prompt)`: a text, deltas, or an error to raise among them.

    `seconds` is how long an answer takes; `running` and `most_running` count requests that are under way.
    """

    def __init__(
        self,
        answer: Callable[[str], str | list[Delta | Exception] | Exception] = lambda prompt: f"<{prompt}>",
        *,
        streams: bool = True,
        seconds: float = 0.0,
    ) -> None:
        self._answer = answer
        self._streams = streams
        self._seconds = seconds
        self.requests: list[Request] = []
        self.generated = 0
        self.running = 0
        self.most_running = 0

    def supports_streaming(self, model: str) -> bool:
        return self._streams

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            answer = self._answer(prompt_of(request))
            if isinstance(answer, Exception):
                raise answer
            yield self._deltas([TextDelta(answer)] if isinstance(answer, str) else answer)
        finally:
            self.running -= 1

    async def generate(self, request: Request) -> Response:
        self.generated += 1
        async with self.stream(request) as deltas:
            return await fold(deltas)

    async def _deltas(self, deltas: list[Delta | Exception]) -> AsyncIterator[Delta]:
        for delta in deltas:
            await asyncio.sleep(self._seconds / len(deltas))
            if isinstance(delta, Exception):
                raise delta
            yield delta
        if not deltas or not isinstance(deltas[-1], Finish):
            yield Finish("stop", Usage(input=10, output=5, total=15))

    def request_for(self, prompt: str) -> Request:
        """The one request whose turn begins with this prompt."""
        [found] = [request for request in self.requests if prompt_of(request).startswith(prompt)]
        return found
