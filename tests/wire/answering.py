"""A server that answers as it is told to, and keeps what it was asked: for the vendors' own clients."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Answering:
    """Serves from a thread, on a port of this machine, from `with` to its end."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.kind = "application/json"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def prepare(self, *answers: bytes | tuple[int, bytes], kind: str = "application/json") -> None:
        """Forget what was asked, and give these answers, of a MIME type, to what is asked next."""
        self.asked.clear()
        self.answers[:] = [each if isinstance(each, tuple) else (200, each) for each in answers]
        self.kind = kind

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answering.asked.append((self.path, body))
                status, answer = answering.answers.pop(0)
                self.send_response(status)
                self.send_header("content-type", answering.kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler
