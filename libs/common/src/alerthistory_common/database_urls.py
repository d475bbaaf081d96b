"""URLs of databases, as operators write them and as SQLAlchemy wants them."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:
    from sqlalchemy import URL

_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+aiosqlite"})


def parse(text: str) -> "URL":
    """Return the URL of a PostgreSQL or SQLite database; raise ValueError, without repeating it, for any other."""
    from sqlalchemy import make_url  # Services without a database do without SQLAlchemy.
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError("is not a database URL") from error
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in _SQLITE:
        return url.set(drivername="sqlite+aiosqlite")
    raise ValueError(f"{url.drivername!r} is not supported; use postgresql:// or sqlite:///")


def _own(text: str) -> str:
    if text:
        parse(text)
    return text


def _shared(text: str) -> str:
    if text and parse(text).get_backend_name() == "sqlite":
        raise ValueError("names one SQLite file, but every service keeps its own: set ALERTHISTORY_DATA_DIR instead")
    return text


OwnDatabaseUrl = Annotated[str, AfterValidator(_own)]
"""A setting: one service's database; empty is the shared one."""

SharedDatabaseUrl = Annotated[str, AfterValidator(_shared)]
"""A setting: the database of all services, which must be PostgreSQL; empty is SQLite files."""
