"""Values as text the way SQLite's column affinity made it: what the legacy interface shows for odd types."""

from alerthistory_ingest.domain.json_text import Json, is_unicode, kind_of
from alerthistory_ingest.domain.payload import BrokenAlertError

_MAX_INTEGER = 2**63


def column_text(value: Json, *, field: str) -> str:
    """Return *value* as text; raise BrokenAlertError, naming *field*, for what a text column could not take."""
    match value:
        case str() if is_unicode(value):
            return value
        case str():
            raise BrokenAlertError(f"{field} holds a lone surrogate, which is no character")
        case int() if -_MAX_INTEGER <= value < _MAX_INTEGER:
            return str(int(value))
        case int():
            raise BrokenAlertError(f"{field} is a number of more than 64 bits")
        case float() if value - value == 0:
            return _real_text(value)
        case float():
            raise BrokenAlertError(f"{field} is not a finite number")
        case _:
            raise BrokenAlertError(f"{field} must be a text, not {kind_of(value)}")


def _real_text(value: float) -> str:
    """Return 15 significant digits with a decimal point, as SQLite's ``%!.15g``."""
    mantissa, mark, exponent = f"{value + 0.0:.15g}".partition("e")
    return (mantissa if "." in mantissa else f"{mantissa}.0") + mark + exponent
