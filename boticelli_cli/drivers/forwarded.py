"""Requests and answers that are passed on as they are, where whoever asks speaks the provider's own dialect."""

from dataclasses import dataclass, replace

from boticelli_cli.drivers.http import Headers
from boticelli_cli.messages import Original, Request, Response
from boticelli_cli.wire.forward import ForwardBody, Forwarding

__all__ = ["Passage", "passage_of"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A request in its maker's own words, which is passed on in them, as its answer is."""

    original: Original
    forwarding: Forwarding

    @property
    def headers(self) -> Headers:
        """What goes along with the request."""
        return self.original.headers

    def body(self, model: str, *, streamed: bool) -> bytes | None:
        """The body as it came, but for what others have decided; nothing where it has to be written anew."""
        body = self.original.body
        return None if body is None else self.forwarding.body(body, model, streamed)

    def reader(self) -> ForwardBody:
        """What reads the streamed answer."""
        counts = self.original.include_usage
        return ForwardBody(self.forwarding.reader(), counts=counts, provider=self.forwarding.dialect)

    def whole(self, response: Response, body: bytes) -> Response:
        """A whole answer with the body that it was read from."""
        return replace(response, forwarded=body)


def passage_of(request: Request, forwarding: Forwarding | None) -> Passage | None:
    """How a request is passed on; nothing where its maker's words are not the provider's."""
    original = request.original
    if original is None or forwarding is None or original.dialect != forwarding.dialect:
        return None
    return Passage(original, forwarding)
