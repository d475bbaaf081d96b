"""Addresses to listen on: ``host:port``, ``[v6]:port`` or ``unix:/path``; and who may reach them."""

import ipaddress
from collections.abc import Mapping

import structlog

from alerthistory_common.settings import SettingsError

_LOG = structlog.get_logger(__name__)


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


def check_exposure(listeners: Mapping[str, str], *, auth: str) -> None:
    """Refuse to listen beyond this machine without authentication, unless ``ALERTHISTORY_AUTH=none`` says so.

    *listeners* maps the setting's name to its address; empty addresses are off. Raises SettingsError naming every one.
    """
    problems, exposed = [], []
    for name, address in listeners.items():
        if not address:
            continue
        try:
            if not is_local(address):
                exposed.append(f"{name}={address}")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if exposed and auth != "none":
        problems += [
            f"{each} can be reached from other machines without authentication: listen on 127.0.0.1, "
            "or set ALERTHISTORY_AUTH=none if the network protects it"
            for each in exposed
        ]
    if problems:
        raise SettingsError(problems)
    for each in exposed:
        _LOG.warning("listening without authentication", listener=each)
