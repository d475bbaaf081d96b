"""What is wrong with a PostgreSQL server, in one line that says what to do, and never a password."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

OLDEST = 15

# libpq ends some of its messages with this question.
_GUESS = "Is the server running"
# Server and client have no codes for most of these, only texts; the first that is found decides.
_ADVICE: Mapping[str, str] = {
    "starting up": "is starting up: wait",
    "not yet accepting": "is starting up: wait",
    "recovery mode": "recovers from a crash: wait",
    "shutting down": "is shutting down: wait, or start it again",
    "password authentication failed": "does not accept the password of user {user!r}: correct it in the database URL",
    "no password supplied": "wants a password of user {user!r}: put it into the database URL",
    "no pg_hba.conf entry": "does not let user {user!r} in from here: allow it in its pg_hba.conf ({said})",
    "session is read-only": "takes no writes, as a standby does: name the primary in the database URL, or all servers",
    "certificate": "failed the TLS handshake: check sslmode and sslrootcert in the database URL ({said})",
    "does not support ssl": "offers no TLS: change sslmode in the database URL, or switch ssl on there",
    "ssl": "failed the TLS handshake: check sslmode and sslrootcert in the database URL ({said})",
    "role": "does not know user {user!r}: create it, or correct the database URL ({said})",
    "database": "has no database {database!r} for user {user!r}: create it, or correct the database URL ({said})",
    "too many clients": "has no connection left: raise its max_connections, or lower ALERTHISTORY_DATABASE_POOL_MAX",
    "connection slots": "has no connection left: raise its max_connections, or lower ALERTHISTORY_DATABASE_POOL_MAX",
    "too many connections": "has no connection left: raise its limit, or lower ALERTHISTORY_DATABASE_POOL_MAX",
    "resolve": "cannot be found, its host name is unknown: correct the database URL, or mend name resolution",
    "host name": "cannot be found, its host name is unknown: correct the database URL, or mend name resolution",
    "name or service": "cannot be found, its host name is unknown: correct the database URL, or mend name resolution",
    "refused": "refuses connections: start it, or correct host and port in the database URL",
    "no such file": "is not there: start it, or correct the socket's folder in the database URL",
    "timeout": "does not answer in time: look at the network, or raise ALERTHISTORY_DATABASE_CONNECT_TIMEOUT_S",
}
_PASSING = tuple(
    _ADVICE[said]
    for said in (
        "starting up",
        "recovery mode",
        "shutting down",
        "too many clients",
        "connection slots",
        "refused",
        "no such file",
        "timeout",
    )
)


def problem_of(error: BaseException, url: URL) -> str:
    """Return what kept us from the server at *url*; *error* is the driver's or the system's."""
    said = "timeout" if isinstance(error, TimeoutError) else _last_line(str(getattr(error, "orig", error)), url)
    lowered = said.lower()
    facts = {"user": url.username or "", "database": url.database or "", "said": said}
    advice = next((advice for text, advice in _ADVICE.items() if text in lowered), "does not answer: {said}")
    return f"{_place(url)} {advice.format(**facts)}"


def is_passing(problem: str) -> bool:
    """Whether *problem* is one that ends by itself: the server is away. Others need a correction of our settings."""
    return any(advice in problem for advice in _PASSING)


def unsupported(version: tuple[Any, ...] | None) -> str:
    """Return why a server of *version* cannot be used; empty when it can."""
    if version is None or version[0] >= OLDEST:
        return ""
    shown = ".".join(map(str, version))
    return f"PostgreSQL {shown} is too old: upgrade the server to {OLDEST} or newer"


def _place(url: URL) -> str:
    host = url.host or url.query.get("host") or "the local socket"
    return f"PostgreSQL at {host}:{url.port or 5432}" if isinstance(host, str) else f"PostgreSQL at {','.join(host)}"


def _last_line(text: str, url: URL) -> str:
    """Return the last line that says something: before it stand the hosts that were tried."""
    said = (line.strip() for line in text.splitlines())
    lines = [line for line in said if line and not line.startswith(_GUESS)] or ["no reason given"]
    line = lines[-1].rsplit("FATAL:", 1)[-1].strip()
    return line.replace(url.password, "***")[:200] if url.password else line[:200]
