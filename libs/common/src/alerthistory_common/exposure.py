"""Who may reach a listener, and what that takes."""

from collections.abc import Mapping

import structlog

from alerthistory_common.addresses import is_local
from alerthistory_common.settings import SettingsError

_LOG = structlog.get_logger(__name__)


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
