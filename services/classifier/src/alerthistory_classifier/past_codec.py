"""Verdicts of the past from their messages."""

import json

from alerthistory.classifier.v1 import classifier_service_pb2
from alerthistory_classifier.ports import Classification
from alerthistory_common import alert_codec
from alerthistory_common.alerts import ZERO_TIME, Fingerprint, Verdict
from alerthistory_common.errors import FieldViolation, InvalidArgumentError

_MAX_IMPORTED = 1000
_END_OF_TIME_S = 253_402_300_800


def past_classifications(request: classifier_service_pb2.ImportClassificationsRequest) -> list[Classification]:
    """Return what is to be imported; raise InvalidArgumentError, which names the field, when anything is wrong."""
    if len(request.classifications) > _MAX_IMPORTED:
        raise _invalid("classifications", f"must have at most {_MAX_IMPORTED} elements")
    return [_past(f"classifications[{index}]", each) for index, each in enumerate(request.classifications)]


def _past(field: str, message: classifier_service_pb2.Classification) -> Classification:
    if not message.fingerprint:
        raise _invalid(f"{field}.fingerprint", "must be set")
    created_at = alert_codec.instant(message.created_at)
    if not message.HasField("created_at") or not ZERO_TIME.micros <= created_at.micros < _END_OF_TIME_S * 1_000_000:
        raise _invalid(f"{field}.created_at", "must be in the years 1 to 9999")
    if message.metadata_json and not _is_object(message.metadata_json):
        raise _invalid(f"{field}.metadata_json", "must be a JSON object")
    return Classification(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        verdict=_verdict(f"{field}.verdict", message),
        created_at=created_at,
        metadata_json=message.metadata_json,
    )


def _verdict(field: str, message: classifier_service_pb2.Classification) -> Verdict:
    try:
        verdict = alert_codec.verdict(message.verdict)
    except (ValueError, OverflowError) as error:
        raise _invalid(field, str(error)) from error
    if not 0 <= verdict.confidence <= 1:
        raise _invalid(f"{field}.confidence", "must be 0 to 1")
    if not verdict.source or "\0" in verdict.source:
        raise _invalid(f"{field}.source", "must be set, and hold no NUL")
    return verdict


def _is_object(content: bytes) -> bool:
    """Whether *content* is an object that every JSON reader takes: no infinite numbers, no lone surrogates."""
    try:
        value = json.loads(content.decode())
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _invalid(field: str, description: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} {description}", FieldViolation(field=field, description=description))
