"""Who can reach a listener, and what that takes."""

import pytest
from structlog.testing import capture_logs

from alerthistory_common.addresses import is_local, split_address
from alerthistory_common.exposure import check_exposure
from alerthistory_common.settings import SettingsError


@pytest.mark.parametrize(
    "address", ["127.0.0.1:80", "localhost:80", "[::1]:80", "127.8.8.8:0", "unix:/tmp/x", "unix:x"]
)
def test_local_addresses(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80", ":80", "localhost.evil.org:1"]
)
def test_addresses_that_others_reach(address: str) -> None:
    assert not is_local(address)


@pytest.mark.parametrize("address", ["", "80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)


def test_listening_for_others_without_authentication_is_refused_and_every_listener_named() -> None:
    listeners = {
        "history gRPC": "0.0.0.0:1",
        "history metrics": "[::]:2",
        "local": "127.0.0.1:3",
        "off": "",
        "bad": "x",
    }
    with pytest.raises(SettingsError) as caught:
        check_exposure(listeners, auth="")
    assert len(caught.value.problems) == 3
    assert "ALERTHISTORY_AUTH=none" in str(caught.value)


def test_listening_for_others_warns_when_it_was_asked_for() -> None:
    with capture_logs() as lines:
        check_exposure({"history gRPC": "0.0.0.0:1", "local": "127.0.0.1:3"}, auth="none")
    assert [(line["log_level"], line["listener"]) for line in lines] == [("warning", "history gRPC=0.0.0.0:1")]
