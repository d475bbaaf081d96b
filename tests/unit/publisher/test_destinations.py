"""Destinations: which addresses are public, and which an operator allows."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.settings import SettingsError, load
from alerthistory_publisher.domain.destinations import Destinations, networks_of
from alerthistory_publisher.settings import PublisherSettings

PUBLIC = Destinations()
NETWORKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
NETWORKS_V6 = [
    "::/8",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
# Where an IPv6 address may hold one of IPv4: the other bits, and how far to the left it stands.
FORMS = {
    "compatible": (0, 0),
    "mapped": (0xFFFF << 32, 0),
    "translated": (0xFFFF << 48, 0),
    "NAT64": (0x64FF9B << 96, 0),
    "local NAT64": (0x64FF9B0001 << 80, 0),
    "6to4": (0x2002 << 112, 80),
    "Teredo server": (0x20010000 << 96, 64),
}


def private() -> st.SearchStrategy[IPv4Address]:
    networks = st.sampled_from([IPv4Network(each) for each in NETWORKS])
    return networks.flatmap(lambda network: st.integers(0, network.num_addresses - 1).map(network.__getitem__))


def private_v6() -> st.SearchStrategy[IPv6Address]:
    networks = st.sampled_from([IPv6Network(each) for each in NETWORKS_V6])
    return networks.flatmap(lambda network: st.integers(0, network.num_addresses - 1).map(network.__getitem__))


@pytest.mark.parametrize("network", [*NETWORKS, *NETWORKS_V6])
def test_both_ends_of_what_is_not_public_are_refused(network: str) -> None:
    (ends,) = networks_of(network)
    assert [PUBLIC.admits(str(ends[0])), PUBLIC.admits(str(ends[-1]))] == [False, False]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_is_refused_no_further_than_it_reaches(network: str) -> None:
    this = IPv4Network(network)
    beside = [int(this[0]) - 1, int(this[-1]) + 1]
    others = [IPv4Network(each) for each in [*NETWORKS, "192.88.99.0/24"]]
    for number in beside:
        if 0 <= number < 1 << 32 and not any(IPv4Address(number) in other for other in others):
            assert PUBLIC.admits(str(IPv4Address(number)))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"],
)
def test_public_addresses_are_admitted(address: str) -> None:
    assert PUBLIC.admits(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "255.255.255.255",
        "fe80::1%eth0",
        "::ffff:127.0.0.1%1",
        "::1",
        "::",
    ],
)
def test_addresses_of_machines_and_their_metadata_are_refused(address: str) -> None:
    assert not PUBLIC.admits(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0177.0.0.1", "0x7f.1", "2130706433", "1.1.1.1 ", "[::1]"])
def test_what_is_no_address_is_refused_even_when_everything_is_allowed(text: str) -> None:
    assert not Destinations(networks_of("0.0.0.0/0,::/0")).admits(text)


@given(private(), st.sampled_from(list(FORMS)))
def test_no_private_address_hides_in_one_of_ipv6(address: IPv4Address, form: str) -> None:
    rest, shift = FORMS[form]
    assert not PUBLIC.admits(str(IPv6Address(rest | int(address) << shift)))


@given(private())
def test_no_private_address_hides_in_a_teredo_client(address: IPv4Address) -> None:
    assert not PUBLIC.admits(str(IPv6Address(0x2001 << 112 | int(address) ^ 0xFFFFFFFF)))


@given(private() | private_v6())
def test_no_address_of_a_private_network_is_admitted(address: IPv4Address | IPv6Address) -> None:
    assert not PUBLIC.admits(str(address))


@given(st.ip_addresses())
def test_nothing_that_python_knows_not_to_be_public_is_admitted(address: IPv4Address | IPv6Address) -> None:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    known = mapped or address
    if not known.is_global or known.is_multicast:
        assert not PUBLIC.admits(str(address))


@pytest.mark.parametrize(
    ("allowed", "admitted", "refused"),
    [
        ("10.0.0.0/8", ["10.0.0.7", "::ffff:10.0.0.7", "64:ff9b::10.0.0.7", "1.1.1.1"], ["172.16.0.1", "127.0.0.1"]),
        ("10.1.0.0/16, fd00::/8", ["10.1.2.3", "fd00::1"], ["10.2.0.1", "fc00::1", "::1"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]),
        ("::/0", ["::1", "fe80::1", "1.1.1.1"], ["127.0.0.1", "::ffff:127.0.0.1"]),
    ],
)
def test_an_operator_allows_networks(allowed: str, admitted: list[str], refused: list[str]) -> None:
    rule = Destinations(networks_of(allowed))
    assert [rule.admits(address) for address in admitted] == [True] * len(admitted)
    assert [rule.admits(address) for address in refused] == [False] * len(refused)


def test_nothing_is_allowed_by_an_empty_text() -> None:
    assert networks_of(" ") == ()
    assert (PublisherSettings().allowed_networks, PublisherSettings().allow_http) == ("", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.7/8", "10.0.0.7/8 has host bits set; write networks such as 10.0.0.0/8, with commas between them"),
        ("10.0.0.0/8;fd00::/8", "does not appear to be an IPv4 or IPv6 network"),
        ("10.0.0.0/33", "write networks such as"),
        ("localhost", "write networks such as"),
        ("10.0.0.0/8,", "write networks such as"),
        ("::ffff:10.0.0.0/104", "stands for a network of IPv4: write that"),
    ],
)
def test_a_wrong_network_stops_the_start(text: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTHISTORY_PUBLISHER_ALLOWED_NETWORKS", text)
    with pytest.raises(SettingsError) as caught:
        load(PublisherSettings)
    assert caught.value.problems[0].startswith("ALERTHISTORY_PUBLISHER_ALLOWED_NETWORKS: ")
    assert problem in caught.value.problems[0]
