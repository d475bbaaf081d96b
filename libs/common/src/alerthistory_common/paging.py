"""Pages: sizes within bounds, and tokens that cannot be used with another question (AIP-158)."""

import base64
import hashlib
import json

from alerthistory_common.errors import FieldViolation, InvalidArgumentError, PageTokenMismatchError

MAX_PAGE_SIZE = 1000
_LARGEST = 2**63 - 1

Cursor = tuple[int | str, ...]
"""The keyset position after which a page begins."""


def page_size(requested: int, *, default: int, maximum: int = MAX_PAGE_SIZE) -> int:
    """Return the size to use: *default* for 0, at most *maximum*; raise InvalidArgumentError when negative."""
    if requested < 0:
        raise InvalidArgumentError(
            "page_size must not be negative",
            FieldViolation(field="page_size", description="must be 0 or more"),
        )
    return min(requested or default, maximum)


def encode_token(cursor: Cursor, *question: object) -> str:
    """Return an opaque token for *cursor* that only works together with the same *question*."""
    content = json.dumps([_digest(question), *cursor], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_token(token: str, *question: object) -> Cursor | None:
    """Return the cursor in *token*, None for an empty one; raise PageTokenMismatchError when it belongs elsewhere."""
    if not token:
        return None
    try:
        digest, *cursor = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, RecursionError) as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error
    if digest != _digest(question) or not cursor or not all(map(_is_sound, cursor)):
        raise PageTokenMismatchError("page_token belongs to a request with other parameters")
    return tuple(cursor)


def _is_sound(part: object) -> bool:
    return isinstance(part, str) or (isinstance(part, int) and abs(part) <= _LARGEST)


def _digest(question: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:16]
