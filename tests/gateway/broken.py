"""A service that sends the bytes it is told to, whatever is asked, and breaks off where it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Said:
    """An answer as bytes: its status, its type, its body. It `breaks` off without an end, or `hangs` after its last byte.

    `raw` are sent in place of all else.
    """

    body: bytes = b""
    kind: str = "text/event-stream"
    status: str = "200 OK"
    breaks: bool = False
    headers: tuple[str, ...] = ()
    raw: bytes | None = None

    @property
    def pieces(self) -> list[bytes]:
        if self.raw is not None:
            return [self.raw]
        more = "".join(f"{each}\r\n" for each in self.headers)
        head = f"HTTP/1.1 {self.status}\r\ncontent-type: {self.kind}\r\n{more}transfer-encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
        return [head.encode(), chunk, b"" if self.breaks else b"0\r\n\r\n"]


@dataclass
class Broken:
    """Where it is, what it says next, and what came in: heads and bodies."""

    url: str = ""
    says: Said = field(default_factory=Said)
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(
                (int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0
            )
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(length))
            for piece in self.says.pieces:
                writer.write(piece)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def broken() -> AsyncIterator[Broken]:
    """Such a service, on a free port."""
    here = Broken()
    server = await asyncio.start_server(here.answer, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield here
    finally:
        server.close()
        await server.wait_closed()
