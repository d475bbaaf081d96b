"""How the legacy interface writes JSON and times."""

import json
import math
from datetime import datetime
from typing import Any

from starlette.responses import Response


def json_text(value: object) -> bytes:
    """Return *value* as compact JSON in UTF-8: non-ASCII raw, key order as given, floats as Python writes them.

    What JSON or UTF-8 cannot hold becomes null (NaN, infinities) or U+FFFD (lone surrogates).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response that holds *value*."""
    return Response(json_text(value), status_code=status, headers=headers, media_type="application/json")


def refusal(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """Return the response that says why a request was refused."""
    return json_answer({"detail": detail}, status=status, headers=headers)


def iso_naive(moment: datetime) -> str:
    """Return an aware UTC *moment* without its zone; the fraction is dropped when it is exactly zero."""
    return moment.replace(tzinfo=None).isoformat()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
