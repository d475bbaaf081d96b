"""Columns for what PostgreSQL's text refuses: NUL in texts, and JSON kept as the bytes that were sent."""

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

# DLE, the "data link escape", and the caret notation of what it escapes.
_NUL, _DLE = "\0", "\x10"
_ESCAPED_NUL, _ESCAPED_DLE = "\x10@", "\x10P"


def escape(text: str) -> str:
    """Return *text* without NUL; ``unescape`` gives it back. Texts without NUL and DLE stay as they are."""
    return text.replace(_DLE, _ESCAPED_DLE).replace(_NUL, _ESCAPED_NUL)


def unescape(text: str) -> str:
    """Return the text that ``escape`` was given."""
    return text.replace(_ESCAPED_NUL, _NUL).replace(_ESCAPED_DLE, _DLE)


class EscapedText(TypeDecorator[str]):
    """Any text. Values it is compared with are escaped too."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what goes into the database."""
        return None if value is None else escape(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Give back what was sent."""
        return None if value is None else unescape(value)


class JsonText(TypeDecorator[bytes]):
    """JSON as UTF-8 bytes, kept as text: jsonb would rewrite it. JSON escapes NUL itself."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Decode what goes into the database."""
        return None if value is None else value.decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> bytes | None:
        """Encode what comes out of it."""
        return None if value is None else value.encode()
