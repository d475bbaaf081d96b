"""Identities for alerts that come without one."""

import hashlib
import json
from collections.abc import Mapping

from alerthistory_common.alerts import Fingerprint

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = (1 << 64) - 1
_ENCODER = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))


def legacy_fingerprint(labels: Mapping[str, object]) -> Fingerprint:
    """Return the SHA-256 that the legacy contract gives to alerts without a fingerprint: of compact JSON in ASCII.

    Raises ValueError when *labels* hold NaN or infinite numbers.
    """
    return Fingerprint(hashlib.sha256(_ENCODER.encode(dict(labels)).encode()).hexdigest())


def alertmanager_fingerprint(labels: Mapping[str, str]) -> Fingerprint:
    """Return Alertmanager's own fingerprint of *labels*: FNV-1a over the sorted names and values.

    Code point order is the order of the UTF-8 bytes, so sorting texts is what Go does.
    """
    content = b"".join(name.encode() + b"\xff" + value.encode() + b"\xff" for name, value in sorted(labels.items()))
    digest = _OFFSET
    for byte in content:
        digest = ((digest ^ byte) * _PRIME) & _MASK
    return Fingerprint(f"{digest:016x}")
