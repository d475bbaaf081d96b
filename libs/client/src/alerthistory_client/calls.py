"""Calls that fail fast, with errors that name the service and its address."""

from dataclasses import dataclass
from typing import TypeVar

import grpc
from grpc_status import rpc_status as grpc_rpc_status

from alerthistory_client.addresses import Service
from alerthistory_common import rpc_status
from alerthistory_common.errors import (
    AlertHistoryError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    UnavailableError,
)

_Q = TypeVar("_Q")
_R = TypeVar("_R")


class NoAnswerError(UnavailableError):
    """Nothing answers at the address: the service is not running, is elsewhere, or speaks no gRPC."""

    reason = "NO_ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One service at one address; a call takes *timeout_s* at most."""

    service: Service
    address: str
    timeout_s: float

    async def call(self, method: grpc.aio.UnaryUnaryMultiCallable[_Q, _R], request: _Q) -> _R:
        """Return the response; failures are raised as errors of the common tree."""
        try:
            # The channel's own default is to wait until the deadline for a server that may never come.
            return await method(request, timeout=self.timeout_s, wait_for_ready=False)
        except grpc.aio.AioRpcError as error:
            raise self.explain(error) from error

    def explain(self, error: grpc.aio.AioRpcError) -> AlertHistoryError:
        """Return the error of the common tree that a failed call stands for, worded for who made the call."""
        match error.code():
            case grpc.StatusCode.UNAVAILABLE if grpc_rpc_status.from_call(error) is None:
                # Only the text tells a closed door from one behind which HTTP/1 or another protocol is spoken.
                what = "nothing that speaks gRPC" if "HTTP/2" in (error.details() or "") else "nothing"
                return NoAnswerError(f"{what} answers at {self.address}", address=self.address)
            case grpc.StatusCode.CANCELLED:
                return UnavailableError(f"{self.service} at {self.address} ended the call")
            # A service that says so itself says what to do about it.
            case grpc.StatusCode.DEADLINE_EXCEEDED if grpc_rpc_status.from_call(error) is None:
                return DeadlineExceededError(f"{self.service} at {self.address} did not answer in {self.timeout_s:g} s")
            case grpc.StatusCode.UNIMPLEMENTED:
                return FailedPreconditionError(
                    f"what answers at {self.address} does not offer {self.service} as this client knows it: "
                    "is it another service, or an older version?"
                )
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return InvalidArgumentError(f"{self.service} takes no message as large as this one")
            case _:
                return rpc_status.from_rpc_error(error)
