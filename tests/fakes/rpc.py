"""Unary RPCs for fakes, without the many methods a generated servicer asks for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status as grpc_rpc_status

from alerthistory_common import rpc_status
from alerthistory_common.errors import AlertHistoryError

Context = Any  # grpc.aio's contexts are generic over messages that fakes do not tell apart.
Behaviour = Callable[[Any, Context], Awaitable[Message]]
Methods = Mapping[str, tuple[type[Message], Behaviour]]


def serve_unary(server: grpc.aio.Server, service: str, methods: Methods) -> None:
    """Serve *methods*, each given by the class of its requests and its behaviour, as *service* on *server*.

    Errors of the common tree that they raise are answered as services answer them.
    """
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            _explained(behave), request_deserializer=request.FromString, response_serializer=_serialized
        )
        for name, (request, behave) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


async def abort(context: Context, error: AlertHistoryError) -> None:
    """End a call with *error*, as services do."""
    await context.abort_with_status(grpc_rpc_status.to_status(rpc_status.to_status(error)))


def _explained(behave: Behaviour) -> Behaviour:
    async def handle(request: Any, context: Context) -> Message:
        try:
            return await behave(request, context)
        except AlertHistoryError as error:
            await abort(context, error)
            raise

    return handle


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
