"""Texts in a database that may hold NUL, which PostgreSQL refuses."""

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


class EscapedText(TypeDecorator[str]):
    """A text column that keeps any text: NUL is stored as ``\\0``, and a backslash doubled."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text to store."""
        return None if value is None else value.replace("\\", "\\\\").replace("\0", "\\0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as it was given."""
        return None if value is None else "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
