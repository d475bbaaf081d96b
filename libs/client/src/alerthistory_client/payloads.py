"""Telling what a payload is."""

import json

from alerthistory_client.records import PayloadFormat
from alerthistory_common.errors import InvalidArgumentError


def detect_format(body: bytes) -> PayloadFormat:
    """Return what *body* is: an object comes from Alertmanager, an array from Prometheus.

    Raises InvalidArgumentError when it is neither, or no JSON at all.
    """
    if not body.strip():
        raise InvalidArgumentError("is empty")
    try:
        content = json.loads(body)
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"is not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"is not JSON: {error}") from error
    if isinstance(content, dict):
        return PayloadFormat.ALERTMANAGER
    if isinstance(content, list):
        return PayloadFormat.PROMETHEUS
    raise InvalidArgumentError("is neither an Alertmanager object ({…}) nor a Prometheus array ([…])")
