"""What a failed call means to its caller."""

import grpc
from grpc.aio import AioRpcError, Metadata

from alerthistory_common import rpc_status
from alerthistory_common.errors import InternalError, UnavailableError


def _failed(code: grpc.StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details="Cancelling all calls")


def test_a_call_that_a_leaving_server_ended_is_to_be_made_again() -> None:
    assert type(rpc_status.from_rpc_error(_failed(grpc.StatusCode.CANCELLED))) is UnavailableError


def test_a_code_that_is_not_in_the_tree_is_a_defect() -> None:
    assert type(rpc_status.from_rpc_error(_failed(grpc.StatusCode.DATA_LOSS))) is InternalError
