"""Rows that take the place of earlier ones, on both databases."""

from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite

from alerthistory_common.alerts import Fingerprint
from alerthistory_common.database import Database

Insert = postgresql.Insert | sqlite.Insert


def insert_into(database: Database, table: Table) -> Insert:
    """Return an insert that can say what happens on a conflict."""
    return (postgresql.insert if database.dialect == "postgresql" else sqlite.insert)(table)


def upserting(
    database: Database, table: Table, key: str, is_wanted: Callable[[Insert], ColumnElement[bool]] | None = None
) -> Insert:
    """Return an insert whose rows replace those with the same *key*, if that *is_wanted*."""
    statement = insert_into(database, table)
    changes = {column.name: statement.excluded[column.name] for column in table.columns if column.name != key}
    where = None if is_wanted is None else is_wanted(statement)
    return statement.on_conflict_do_update(index_elements=[key], set_=changes, where=where)


def key_of(fingerprint: Fingerprint) -> bytes:
    """Return the key of an alert's row: fingerprints may be longer than an index takes."""
    return sha256(fingerprint.encode()).digest()
