"""What every RPC passes on its way in: metrics and the error shield, the deadline, authentication."""

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Protocol, TypeAlias, cast
from uuid import uuid4

import grpc
import structlog
from grpc_status import rpc_status as grpc_rpc_status

from alerthistory_common import rpc_status
from alerthistory_common.deadlines import deadline_in
from alerthistory_common.errors import AlertHistoryError, DrainingError, InternalError, UnavailableError
from alerthistory_common.metrics import CallMetrics

_LOG = structlog.get_logger(__name__)

# gRPC's handlers are untyped by nature: request and response are whatever the method's codec makes of bytes. Its
# classes are generic for the type checker only, hence the quotes.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[Any]]"
Stream: TypeAlias = "Callable[[Any, Context], AsyncIterator[Any]]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
ANONYMOUS = "anonymous"
"""The name of callers who did not prove who they are, where they need not."""
UNWATCHED = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class _Wrapping(grpc.aio.ServerInterceptor):
    """Wraps the behaviour of a handler, whichever of the four arities it has."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        found = await continuation(handler_call_details)
        method = handler_call_details.method
        if found is None or method.startswith(UNWATCHED):
            return found
        handler: Any = found
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self.unary(method, handler.unary_unary), **codec)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self.unary(method, handler.stream_unary), **codec)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self.stream(method, handler.unary_stream), **codec)
        return grpc.stream_stream_rpc_method_handler(self.stream(method, handler.stream_stream), **codec)

    @abstractmethod
    def unary(self, method: str, behaviour: Unary) -> Any:
        """Return *behaviour* wrapped; it answers once."""

    @abstractmethod
    def stream(self, method: str, behaviour: Stream) -> Any:
        """Return *behaviour* wrapped; it answers with a stream."""


class CallInterceptor(_Wrapping):
    """Counts and times calls, and shields clients from exceptions: grpc.aio would send them the text.

    ``in_flight`` is the number of calls being served, health checks and reflection aside.
    """

    def __init__(self, metrics: CallMetrics) -> None:
        self._metrics = metrics
        self.in_flight = 0

    def unary(self, method: str, behaviour: Unary) -> Any:
        """Return *behaviour* shielded, counted and timed."""

        async def call(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            self.in_flight += 1
            try:
                response = await behaviour(request, context)
            except Exception as error:  # noqa: BLE001  # The outermost place: everything becomes a status here.
                await self._refuse(method, context, error)
            else:
                self._metrics.handled.labels(method, "OK").inc()
                return response
            finally:
                self.in_flight -= 1
                self._metrics.duration.labels(method).observe(time.perf_counter() - started)

        return call

    def stream(self, method: str, behaviour: Stream) -> Any:
        """Return *behaviour* shielded and counted."""

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            self.in_flight += 1
            try:
                async for response in behaviour(request, context):
                    yield response
            except Exception as error:  # noqa: BLE001  # The outermost place: everything becomes a status here.
                await self._refuse(method, context, error)
            else:
                self._metrics.handled.labels(method, "OK").inc()
            finally:
                self.in_flight -= 1

        return call

    async def _refuse(self, method: str, context: Context, error: Exception) -> NoReturn:
        if isinstance(error, grpc.aio.BaseError):  # A handler aborted on its own, or the call is gone.
            raise error
        if not isinstance(error, AlertHistoryError):
            error_id = uuid4().hex
            _LOG.error("rpc failed", method=method, error_id=error_id, exc_info=error)
            error = InternalError(f"internal error {error_id}; the log of this server tells more")
        self._metrics.handled.labels(method, error.code).inc()
        await _abort(context, error)


class DeadlineInterceptor(_Wrapping):
    """Makes the caller's remaining time known to further calls; callers that name none get *default_s*."""

    def __init__(self, *, default_s: float = 30.0) -> None:
        self._default_s = default_s

    def unary(self, method: str, behaviour: Unary) -> Any:
        """Return *behaviour* run under the deadline."""

        async def call(request: Any, context: Context) -> Any:
            # The stub promises a float, but a caller without a deadline gives None.
            remaining = cast("float | None", context.time_remaining())
            with deadline_in(self._default_s if remaining is None else remaining):
                return await behaviour(request, context)

        return call

    def stream(self, method: str, behaviour: Stream) -> Any:
        """Return *behaviour* as it is: a stream lasts as long as its client wants."""
        return behaviour


class Authenticator(Protocol):
    """Says who is calling."""

    def authenticate(self, metadata: dict[str, str]) -> str:
        """Return the caller's name; raise UnauthenticatedError when the credentials in *metadata* prove nothing."""
        ...


class Anonymous:
    """Lets everybody in: for listeners that only this machine, or a trusted network, reaches."""

    def authenticate(self, metadata: dict[str, str]) -> str:
        """Return ``anonymous``."""
        return ANONYMOUS


class AuthInterceptor(_Wrapping):
    """Lets nobody pass whom the authenticator does not know."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def unary(self, method: str, behaviour: Unary) -> Any:
        """Return *behaviour* behind the door."""

        async def call(request: Any, context: Context) -> Any:
            self._check(context)
            return await behaviour(request, context)

        return call

    def stream(self, method: str, behaviour: Stream) -> Any:
        """Return *behaviour* behind the door."""

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            self._check(context)
            async for response in behaviour(request, context):
                yield response

        return call

    def _check(self, context: Context) -> None:
        metadata = context.invocation_metadata() or ()
        caller = self._authenticator.authenticate({key: value for key, value in metadata if isinstance(value, str)})
        structlog.contextvars.bind_contextvars(caller=caller)


async def _abort(context: Context, error: AlertHistoryError) -> NoReturn:
    status = grpc_rpc_status.to_status(rpc_status.to_status(error))
    if isinstance(error, UnavailableError) and not isinstance(error, DrainingError):
        # This server is up and knows that it cannot: the channel's quick retries, multiplied at every hop, would only
        # keep the caller waiting. Calls to a draining server go elsewhere at once.
        status = status._replace(trailing_metadata=(*status.trailing_metadata, ("grpc-retry-pushback-ms", "-1")))
    await context.abort_with_status(status)
    raise AssertionError("abort raises")
