"""Translate between our errors and ``google.rpc.Status``."""

from collections.abc import Iterator
from datetime import timedelta

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from alerthistory_common import errors

_DOMAIN = "alerthistory"


def to_status(error: errors.AlertHistoryError) -> status_pb2.Status:
    """Return the status of *error*: one ErrorInfo, and BadRequest or RetryInfo where the error has such facts."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata=error.facts)
    _append(status, info)
    if isinstance(error, errors.InvalidArgumentError) and error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        _append(status, bad_request)
    if isinstance(error, errors.UnavailableError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(error.retry_after)
        _append(status, retry)
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> errors.AlertHistoryError:
    """Return the error of our tree that a failed call stands for.

    The class is found by reason, then by code; a code that is not in the tree becomes InternalError. Calls that we
    cancel ourselves do not come here: CANCELLED is a server's that ended with the call in hand.
    """
    status = rpc_status.from_call(error)
    details = status.details if status is not None else ()
    reason, facts, retry_after = "", {}, None
    for detail in details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, facts = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta()
    message = error.details() or error.code().name
    cls = _class_of(reason, error.code().name)
    if issubclass(cls, errors.UnavailableError):
        return cls(message, retry_after=retry_after or timedelta(seconds=1), **facts)
    return cls(message, **facts)


def _append(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _class_of(reason: str, code: str) -> type[errors.AlertHistoryError]:
    if code == grpc.StatusCode.CANCELLED.name:
        return errors.UnavailableError
    candidates = list(_tree(errors.AlertHistoryError))
    for cls in candidates:
        if reason and cls.reason == reason and cls.code == code:
            return cls
    return next((cls for cls in candidates if cls.code == code), errors.InternalError)


def _tree(cls: type[errors.AlertHistoryError]) -> Iterator[type[errors.AlertHistoryError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _tree(child)
