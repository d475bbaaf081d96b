"""Destinations: the addresses that may be sent to. They are public, or in a network that the operator allows."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# A list of our own, because `is_global` calls multicast, NAT64, 6to4 and more global, and changes with Python:
# IANA's special-purpose registries, less what is globally reachable there and nobody receives alerts on.
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Not in the registry: what Azure's machines are managed by.
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # With Teredo, which may hide any IPv4 address; so may 6to4.
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_UNICAST = (IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3"))  # In IPv6, all that IANA gives out.
_STAND_FOR_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


class Destinations:
    """The rule by which addresses are told apart; *allowed* networks come on top of what is public."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def admits(self, address: str) -> bool:
        """Whether *address* may be sent to; what is not an address may not."""
        try:
            reached = _reached(ip_address(address))
        except ValueError:
            return False
        return _is_public(reached) or any(reached in network for network in self._allowed)


def networks_of(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; raise ValueError, which says what is wrong, for any other."""
    return tuple(_network(word.strip()) for word in text.split(",")) if text.strip() else ()


def _network(word: str) -> Network:
    try:
        network = ip_network(word)
    except ValueError as error:
        raise ValueError(f"{error}; write networks such as 10.0.0.0/8, with commas between them") from error
    if isinstance(network, IPv6Network) and any(network.subnet_of(each) for each in _STAND_FOR_IPV4):
        raise ValueError(f"{word} stands for a network of IPv4: write that")
    return network


def _reached(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address at which a packet to *address* ends: IPv6 has others for every one of IPv4."""
    if any(address in network for network in _STAND_FOR_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    is_unicast = any(address in network for network in _UNICAST)
    return is_unicast and not any(address in network for network in _SPECIAL)
