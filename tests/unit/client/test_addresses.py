"""Where the services are."""

from pathlib import Path

import pytest

from alerthistory_client.addresses import Addresses, check_address
from alerthistory_client.settings import ClientSettings, addresses_of
from alerthistory_common.settings import CommonSettings


@pytest.mark.parametrize("address", ["127.0.0.1:7052", "[::1]:7052", "unix:data/s.sock", "unix:///run/s", "dns:///h:1"])
def test_addresses_that_grpc_knows(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "localhost", "unix:", "unix://", "host:port", ""])
def test_addresses_that_grpc_does_not_know(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_address(address)


def test_the_default_is_the_socket_in_the_data_folder() -> None:
    addresses = addresses_of(CommonSettings(data_dir=Path("d")), ClientSettings())
    assert addresses == Addresses.at("unix:d/alerthistory.sock")


def test_a_service_of_its_own_goes_before_the_server() -> None:
    addresses = addresses_of(CommonSettings(), ClientSettings(server="a:1", history_target="b:2"))
    assert (addresses.history, addresses.ingest) == ("b:2", "a:1")
