"""Addresses to listen on: ``host:port``, ``[v6]:port`` or ``unix:/path``."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; raise ValueError when it is not of that form."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def is_local(address: str) -> bool:
    """Whether only this machine reaches *address*: a Unix socket, ``localhost`` or a loopback IP."""
    if address.startswith("unix:"):
        return True
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listened(address: str) -> str:
    if not address.startswith("unix:"):
        split_address(address)
    return address


def _listened_or_off(address: str) -> str:
    if address:
        split_address(address)
    return address


RpcAddress = Annotated[str, AfterValidator(_listened)]
"""A setting: where a gRPC server listens."""

MetricsAddress = Annotated[str, AfterValidator(_listened_or_off)]
"""A setting: where metrics are served; empty is off."""
