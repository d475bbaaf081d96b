"""The proxy that breaks things does break them, and only as it says: else the tests that use it prove nothing."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fault_proxy import FaultProxy, fault_proxy
from tests.processes import until

_GREETING = b"0123456789"


def _echo(listener: socket.socket) -> None:
    """Send everything back to everybody."""

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """Return a proxy in front of a server that says what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with fault_proxy(listener.getsockname()[1]) as proxy:
            yield proxy


@contextmanager
def _client(proxy: FaultProxy, *, within_s: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=within_s) as client:
        yield client


def _ask(client: socket.socket, data: bytes = _GREETING) -> bytes:
    client.sendall(data)
    return _receive(client, len(data))


def _receive(client: socket.socket, count: int) -> bytes:
    """Return *count* bytes, or fewer when the connection ends."""
    received = b""
    while len(received) < count and (data := client.recv(count - len(received))):
        received += data
    return received


def test_a_client_that_breaks_its_connection_ends_that_to_the_server(proxy: FaultProxy) -> None:
    with _client(proxy) as client:
        _ask(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: not proxy.connections, saying="the connection has ended")


def test_bytes_pass_in_both_directions(proxy: FaultProxy) -> None:
    with _client(proxy) as client:
        assert _ask(client) == _GREETING
        assert _ask(client, bytes(300_000)) == bytes(300_000)
        assert proxy.connections == 1


def test_a_refusing_server_resets_and_lets_nobody_in_until_it_is_healed(proxy: FaultProxy) -> None:
    with _client(proxy) as client:
        _ask(client)
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError), _client(proxy):
        pass
    proxy.heal()
    with _client(proxy) as client:
        assert _ask(client) == _GREETING


def test_a_hanging_server_says_later_what_it_was_asked(proxy: FaultProxy) -> None:
    proxy.hang()
    with _client(proxy, within_s=0.2) as client:
        with pytest.raises(TimeoutError):
            _ask(client)
        proxy.heal()
        client.settimeout(5)
        assert _receive(client, len(_GREETING)) == _GREETING


def test_a_reset_breaks_what_is_open_and_nothing_else(proxy: FaultProxy) -> None:
    with _client(proxy) as client:
        _ask(client)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with _client(proxy) as client:
        assert _ask(client) == _GREETING


def test_delayed_answers_come_together_when_they_were_asked_for_together(proxy: FaultProxy) -> None:
    proxy.delay(0.3)
    with _client(proxy) as client:
        began = time.monotonic()
        client.sendall(_GREETING)
        time.sleep(0.1)
        client.sendall(_GREETING)
        assert _receive(client, 20) == 2 * _GREETING
        assert 0.39 < time.monotonic() - began < 0.6


def test_throttled_answers_take_their_time(proxy: FaultProxy) -> None:
    proxy.throttle(100_000)
    with _client(proxy) as client:
        began = time.monotonic()
        assert _ask(client, bytes(40_000)) == bytes(40_000)
        _ask(client)
        assert time.monotonic() - began > 0.3


def test_a_cut_comes_in_the_middle_of_an_answer(proxy: FaultProxy) -> None:
    proxy.cut_after(14)
    with _client(proxy) as client:
        assert _ask(client) == _GREETING
        client.sendall(_GREETING)
        assert _receive(client, 10) == _GREETING[:4]


def test_a_half_closed_connection_still_listens(proxy: FaultProxy) -> None:
    with _client(proxy) as client:
        _ask(client)
        proxy.half_close()
        assert client.recv(1) == b""
        client.sendall(_GREETING)
        client.shutdown(socket.SHUT_WR)
    until(lambda: not proxy.connections, saying="the connection has ended")
