"""Cases from their messages."""

from collections.abc import Sequence

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_classifier.application.judging import Case
from alerthistory_common import alert_codec
from alerthistory_common.errors import FieldViolation, InvalidArgumentError


def cases_of(messages: Sequence[pb.ClassifyCase], *, most: int) -> list[Case]:
    """Return the cases; raise InvalidArgumentError naming every one that cannot be understood."""
    if len(messages) > most:
        raise invalid("cases", f"must hold at most {most}")
    found, violations = [], []
    for number, message in enumerate(messages):
        try:
            found.append(Case(alert_codec.event(message.event), alert_codec.history(message.history)))
        except ValueError as error:
            violations.append(FieldViolation(field=f"cases[{number}].event.kind", description=str(error)))
    if violations:
        raise InvalidArgumentError("some events cannot be understood", *violations)
    return found


def invalid(field: str, description: str) -> InvalidArgumentError:
    """Return the error that says what is wrong with *field*."""
    return InvalidArgumentError(f"{field} {description}", FieldViolation(field=field, description=description))
