"""Servers, from their start to their end."""

import contextlib
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import trustme

from boticelli_cli.errors import UsageError
from boticelli_cli.gateway.listening import Listening, address_of, bind, is_loopback, tls_context
from tests.fakes.serving import until
from tests.gateway.standing import Client, reply, standing, standing_process


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path, Path]:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return authority, folder / "cert.pem", folder / "key.pem"


def test_serves_with_tls(certificate: tuple[trustme.CA, Path, Path]) -> None:
    authority, cert, key = certificate
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with standing(Listening(tls_cert=cert, tls_key=key)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with Client(server.port, secure=trusting) as client:
            client.ask("/who")
            client.hear('"scheme": "https"')
        with Client(server.port, secure=trusting) as client:
            client.ask("/body", "content-length: 100000000", method="POST")
            client.hear("HTTP/1.1 413 ")


@pytest.mark.slow
def test_does_not_wait_for_the_goodbye_of_an_idle_client(certificate: tuple[trustme.CA, Path, Path]) -> None:
    authority, cert, key = certificate
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with standing(Listening(tls_cert=cert, tls_key=key)) as server, Client(server.port, secure=trusting) as client:
        client.ask("/who")
        client.hear("}")
        server.call("drain")
        until(lambda: server.is_over, patience=3.0)


def test_tells_what_is_wrong_with_a_certificate(certificate: tuple[trustme.CA, Path, Path], tmp_path: Path) -> None:
    _, cert, key = certificate
    other = trustme.CA().issue_cert("127.0.0.1").private_key_pem
    other.write_to_path(tmp_path / "other.pem")
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked],
        check=True,
        capture_output=True,
    )
    for wrong, said in [
        (Listening(tls_key=key), "no certificate"),
        (Listening(tls_cert=tmp_path / "none.pem"), "there is no file"),
        (Listening(tls_cert=cert), "no key for the certificate"),
        (Listening(tls_cert=cert, tls_key=tmp_path / "other.pem"), "no key for the certificate"),
        (Listening(tls_cert=cert, tls_key=locked), "no key for the certificate"),
    ]:
        with pytest.raises(UsageError, match=said):
            tls_context(wrong)


def test_tells_why_it_cannot_listen() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            bind(Listening(port=port))
        assert caught.value.hint is not None
        assert "--port 0" in caught.value.hint
    with pytest.raises(UsageError, match="is no address of this machine"):
        bind(Listening(host="203.0.113.1", port=0))
    with pytest.raises(UsageError, match="there is no host 'nowhere"):
        bind(Listening(host="nowhere.invalid", port=0))


def test_listens_on_one_port_at_all_addresses_of_a_name() -> None:
    sockets = bind(Listening(host="localhost", port=0))
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
        assert address_of(Listening(host="localhost"), sockets).startswith("http://localhost:")
    finally:
        for each in sockets:
            each.close()


def test_knows_which_addresses_only_this_machine_reaches() -> None:
    assert [each for each in ("127.0.0.1", "127.8.9.1", "::1", "localhost", "0.0.0.0", "::", "192.0.2.1", "myhost", "")
            if is_loopback(each)] == ["127.0.0.1", "127.8.9.1", "::1", "localhost"]  # fmt: skip


def test_closes_idle_connections_at_once_and_takes_no_others_when_it_drains() -> None:
    with standing() as server, Client(server.port) as busy, Client(server.port) as idle, Client(server.port) as new:
        busy.talk()
        idle.ask("/who")
        idle.hear("}")
        server.call("drain")
        assert idle.hear_all() == ""
        assert new.hear_all() == ""
        until(lambda: _is_refused(server.port))
        busy.chunk("still here;")
        busy.hear("still here;")
        busy.chunk("")
        busy.hear_all()
        until(lambda: server.is_over, patience=1.0)


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was just being closed
        return False
    return False


def test_closes_a_kept_connection_after_the_answer_that_was_under_way() -> None:
    with standing() as server, Client(server.port) as client:
        client.talk()
        server.call("drain")
        until(lambda: _is_refused(server.port))
        client.chunk("")
        assert client.hear_all().endswith("0\r\n\r\n")


def test_lets_streams_say_that_they_are_cut_once_the_grace_is_over() -> None:
    with standing(Listening(grace=0.2)) as server, Client(server.port) as client:
        client.talk()
        server.call("drain")
        assert "cut" in client.hear_all()
        client.socket.close()
        until(lambda: server.is_over, patience=1.0)


@pytest.mark.slow
def test_breaks_off_what_does_not_end_when_it_is_cut() -> None:
    with standing(Listening(grace=0.1)) as server, Client(server.port) as client:
        client.ask("/deaf")
        client.hear("deaf\r\n")
        started = time.monotonic()
        server.call("drain")
        with contextlib.suppress(ConnectionResetError):
            client.hear_all()
        until(lambda: server.is_over)
        assert 2.0 < time.monotonic() - started < 3.0


def test_breaks_off_everything_when_it_is_to_end_at_once() -> None:
    with standing() as server, Client(server.port) as client:
        client.ask("/deaf")
        client.hear("deaf\r\n")
        server.call("end")
        with contextlib.suppress(ConnectionResetError):
            assert client.hear_all() == ""
        until(lambda: server.is_over, patience=1.0)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 130), pytest.param(signal.SIGHUP, 0, marks=pytest.mark.slow)],
)
def test_lets_what_is_under_way_end_when_it_gets_a_signal(number: signal.Signals, code: int) -> None:
    with standing_process() as (process, port), Client(port) as client:
        client.talk()
        process.send_signal(number)
        until(lambda: _is_refused(port))
        client.chunk("the end;")
        client.hear("the end;")
        client.chunk("")
        client.hear_all()
        assert process.communicate(timeout=5) == (b"", b"")
        assert process.returncode == code


def test_cuts_a_stream_that_outlasts_the_grace_after_sigterm() -> None:
    with standing_process(grace=0.2) as (process, port), Client(port) as client:
        client.talk()
        process.terminate()
        assert "cut" in client.hear_all()
        client.socket.close()
        assert process.communicate(timeout=5) == (b"", b"")
        assert process.returncode == 0


def test_the_second_ctrl_c_waits_for_nothing() -> None:
    with standing_process() as (process, port), Client(port) as client:
        client.ask("/deaf")
        client.hear("deaf\r\n")
        process.send_signal(signal.SIGINT)
        until(lambda: _is_refused(port))
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5) == (b"", b"")
        assert process.returncode == 130
        assert time.monotonic() - started < 1.0


def test_sends_each_answer_of_a_burst_to_its_own_client() -> None:
    with standing() as server:
        clients = [Client(server.port) for _ in range(50)]
        for number, client in enumerate(clients):
            client.ask("/body", method="POST", body="q" * (number + 1))
        for number, client in enumerate(clients):
            client.hear(f"\r\n\r\n{number + 1}")
            client.socket.close()
        assert reply(server.port, "/who")[0] == 200
