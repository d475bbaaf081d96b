"""Unary RPCs for fakes, without the many methods a generated servicer asks for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

Context = Any  # grpc.aio's contexts are generic over messages that fakes do not tell apart.
Methods = Mapping[str, tuple[type[Message], Callable[[Any, Context], Awaitable[Message]]]]


def serve_unary(server: grpc.aio.Server, service: str, methods: Methods) -> None:
    """Serve *methods*, each given by the class of its requests and its behaviour, as *service* on *server*."""
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            behave, request_deserializer=request.FromString, response_serializer=_serialized
        )
        for name, (request, behave) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
