"""One tree of errors for all services.

Each class knows the gRPC status it becomes and a stable *reason*, which is part of the interface. The message is for
people; keyword facts are for machines and must not hold secrets. No gRPC is imported here, so that domains may raise.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """What is wrong with one field of a request; ``field`` is its dotted path."""

    field: str
    description: str


class AlertHistoryError(Exception):
    """Something went wrong that the caller is told about. Never raised itself."""

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **facts: str) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class InternalError(AlertHistoryError):
    """A defect of ours. The message names an opaque id under which the cause was logged."""


class InvalidArgumentError(AlertHistoryError):
    """The request can never succeed as it is."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_ARGUMENT"

    def __init__(self, message: str, *violations: FieldViolation, **facts: str) -> None:
        super().__init__(message, **facts)
        self.violations = violations


class PageTokenMismatchError(InvalidArgumentError):
    """The page token belongs to a request with other parameters, or is none of ours."""

    reason = "PAGE_TOKEN_MISMATCH"


class NotFoundError(AlertHistoryError):
    """What was asked for does not exist."""

    code = "NOT_FOUND"
    reason = "NOT_FOUND"


class FailedPreconditionError(AlertHistoryError):
    """The request is sound, but the state of the system does not allow it."""

    code = "FAILED_PRECONDITION"
    reason = "FAILED_PRECONDITION"


class UnauthenticatedError(AlertHistoryError):
    """The caller did not prove who it is."""

    code = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"


class PermissionDeniedError(AlertHistoryError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"
    reason = "PERMISSION_DENIED"


class DeadlineExceededError(AlertHistoryError):
    """The caller's time ran out."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class UnavailableError(AlertHistoryError):
    """Something needed is away for now: try again after ``retry_after``."""

    code = "UNAVAILABLE"
    reason = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: timedelta = timedelta(seconds=1), **facts: str) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class StoreUnavailableError(UnavailableError):
    """The database does not answer."""

    reason = "STORE_UNAVAILABLE"


class DrainingError(UnavailableError):
    """This replica is going away; another one, or its successor, will answer."""

    reason = "DRAINING"
