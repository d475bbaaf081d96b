"""gRPC ignores options that it does not know, without a word."""

from pathlib import Path

import grpc
import pytest

from alerthistory_common import channels, server


@pytest.mark.parametrize("name", sorted({name for name, _ in (*channels.OPTIONS, *server.OPTIONS)}))
def test_grpc_knows_the_option(name: str) -> None:
    assert _is_known(name)


def test_a_misspelt_option_is_found() -> None:
    assert not _is_known("grpc.http2.min_recv_ping_interval_without_data_ms")


def _is_known(name: str) -> bool:
    (library,) = Path(grpc.__file__).parent.glob("_cython/cygrpc.*.so")
    return name.encode() + b"\0" in library.read_bytes()
