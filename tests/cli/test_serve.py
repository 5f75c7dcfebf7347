"""`boticelli serve`: as it is started, and as it is stopped."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.inside import boticelli
from tests.fakes.serving import until
from tests.gateway.standing import Client, reply
from tests.process import Terminal, start


@contextlib.contextmanager
def serving(*arguments: str, env: dict[str, str] | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str, int]]:
    """The command on a free port, what it says first, and the port."""
    running = start("serve", "--port", "0", *arguments, env={"OPENAI_API_KEY": "test-key", **(env or {})})
    try:
        assert running.stderr is not None
        said = []
        while not (line := running.stderr.readline().decode()).startswith("boticelli serves"):
            said.append(line)
            assert line, "".join(said)  # else it has ended
        port = re.search(r"https?://\S+?:(\d+)", line)
        assert port is not None, line
        yield running, line, int(port[1])
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate(timeout=10)


def test_says_where_it_serves_within_the_bounds_it_was_given_and_stops_with_zero_on_sigterm() -> None:
    with serving(env={"BOTICELLI_SERVE_MAX_BODY": "0.5"}) as (running, line, port):
        url = f"http://127.0.0.1:{port}"
        assert line == f"boticelli serves {url} (no keys: this machine only); try: curl {url}/health\n"
        assert reply(port, "/health")[0] == 200
        status, body = reply(port, "/v1/messages", "content-length: 600000", method="POST")
        assert (status, "larger than 0.5 MiB" in body) == (413, True)
        running.terminate()
        out, err = running.communicate(timeout=10)
        assert (out, [json.loads(each)["status"] for each in err.splitlines()]) == (b"", [413])
        assert running.returncode == 0


def test_says_what_it_waits_for_when_it_stops_and_heeds_the_configuration_last(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text("gateway: {max_body_mb: 1, grace: 3, host: localhost}\n")
    variables = {"BOTICELLI_SERVE_HOST": "127.0.0.1"}
    with serving("--grace", "20", env=variables) as (running, line, port), Client(port) as client:
        assert line.startswith("boticelli serves http://127.0.0.1:")
        assert reply(port, "/v1/messages", "content-length: 2000000", method="POST")[0] == 413
        client.ask("/v1/messages", "content-length: 2", "expect: 100-continue", method="POST")
        client.hear("100 Continue\r\n\r\n")
        running.terminate()
        assert running.stderr is not None
        said = next(line for each in running.stderr if (line := each.decode()).startswith("boticelli stops"))
        assert said == "boticelli stops; 1 request that is under way has 20 s to end, Ctrl-C ends all at once\n"
        client.say("{}")
        client.hear("HTTP/1.1 400 ")
        assert running.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("event", "word"),
    [
        ("import", "boticelli_cli.cli.serve"),
        pytest.param("import", "uvicorn", marks=pytest.mark.slow),
        ("socket.bind", "socket"),
    ],
)
def test_ctrl_c_is_quiet_at_any_moment_of_the_start(event: str, word: str) -> None:
    code = (
        "import os, signal, sys\n"
        "pressed = []\n"
        "def press(event, args):\n"
        f"    if event == {event!r} and {word!r} in str(args[0]) and not pressed:\n"
        "        pressed.append(event)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(press)\n"
        "sys.argv = ['boticelli', 'serve', '--port', '0']\n"
        "from boticelli_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20, check=False)
    assert done.returncode in (130, -signal.SIGINT)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_quiet_says_nothing() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    running = start("serve", "--quiet", env={"BOTICELLI_SERVE_PORT": str(port)})
    until(lambda: _answers(port))
    running.terminate()
    assert running.communicate(timeout=10) == (b"", b"")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return reply(port, "/ready")[0] == 200
    return False


def test_tells_whose_port_is_taken() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port, handler = taken.getsockname()[1], signal.getsignal(signal.SIGTERM)
        done = boticelli("serve", "--port", str(port))
    assert signal.getsignal(signal.SIGTERM) is handler
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: port {port} of 127.0.0.1 is in use\n"
        f"hint: give another (--port 0 takes a free one), or find whose it is: lsof -i :{port}\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_without_keys_it_serves_this_machine_only(host: str) -> None:
    done = boticelli("serve", "--host", host)
    assert done.code == 2
    assert f"whoever reaches {host} could use your accounts" in done.err
    assert "boticelli serve keys new NAME" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "2"], "--redis"),
        (["--workers", "0"], "--workers"),
        (["--port", "70000"], "--port"),
        (["--tls-key", "key.pem"], "--tls-cert"),
        (["--tls-cert", "none.pem"], "there is no file 'none.pem'"),
        (["--max-body", "0"], "--max-body"),
        (["--log-format", "xml"], "--log-format"),
    ],
)
def test_tells_what_is_wrong_with_its_options(arguments: list[str], said: str) -> None:
    done = boticelli("serve", "--port", "0", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_terminal_shows_where_it_serves_until_ctrl_c_ends_it_without_a_word(folder: Path) -> None:
    terminal = Terminal("serve", "--port", "0", columns=120)
    terminal.read_until(lambda seen: "answers everything" in seen.screen)
    assert terminal.screen.startswith("boticelli serves http://127.0.0.1:")
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert terminal.screen.partition("^C")[2].strip() == ""


@pytest.mark.slow
def test_has_no_password_on_the_command_line_of_a_worker(folder: Path) -> None:
    secret = "correcthorse"
    with serving("--workers", "2", "--redis", f"redis://:{secret}@127.0.0.1:1") as (running, line, port):
        assert reply(port, "/health")[0] == 200
        assert secret not in line
        workers = _children(running.pid)
        assert len(workers) == 2
        assert not any(secret.encode() in Path(f"/proc/{each}/cmdline").read_bytes() for each in workers)
        running.terminate()
        out, err = running.communicate(timeout=10)
        assert (out, secret.encode() in err) == (b"", False)
        assert running.returncode == 0


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_loads_no_server_before_it_serves() -> None:
    code = (
        "import sys, boticelli_cli.cli.main\n"
        "print(sorted({'uvicorn', 'uvloop', 'starlette', 'redis', 'prometheus_client', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
