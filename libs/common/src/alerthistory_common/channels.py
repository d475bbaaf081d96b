"""Channels to other services: one long-lived connection each, retried where a retry is safe."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import grpc

from alerthistory_common import rpc_status
from alerthistory_common.deadlines import budget
from alerthistory_common.telemetry import Telemetry

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_Q = TypeVar("_Q")
_R = TypeVar("_R")

# These do their work again with every call; all other mutating RPCs are idempotent, so a call that may not have arrived
# can be made again. The deadline is set on each call: grpcio misreads timeouts in a service config by up to a second.
_NEVER_REPEATED = [
    {"service": "alerthistory.publisher.v1.FilterService", "method": "CreateRule"},
    {"service": "alerthistory.publisher.v1.TargetService", "method": "TestTarget"},
]
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": _NEVER_REPEATED, "waitForReady": True},
        {
            "name": [{}],
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                # CANCELLED is how a server ends a call that it had in hand when its grace was over.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        },
    ],
}
OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # One replica leaves soon after another has come: whoever has not found that one by then finds nobody.
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Replicas that come have new addresses; by default nobody asks for them again within half a minute.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A ping that is under way for another reason puts keepalive off, by a minute unless its own answer is awaited less.
    ("grpc.http2.ping_timeout_ms", 15_000),
    # A tail on which nothing happens is looked after no less; by default the third ping waits for a minute.
    ("grpc.http2.max_pings_without_data", 0),
    # Services are reached directly: a proxy in the environment is for the world outside.
    ("grpc.enable_http_proxy", 0),
]


@asynccontextmanager
async def open_channel(target: str, telemetry: Telemetry) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to *target* (a gRPC name such as ``unix:/path``); it connects on first use."""
    channel = grpc.aio.insecure_channel(target, options=OPTIONS, interceptors=list(telemetry.client_interceptors))
    try:
        yield channel
    finally:
        await channel.close()


async def call(
    method: "grpc.aio.UnaryUnaryMultiCallable[_Q, _R]",
    request: _Q,
    *,
    timeout_s: float,
    wait_for_ready: bool | None = None,
) -> _R:
    """Return the response of a unary call that takes *timeout_s* at most, or what remains of the caller's deadline.

    *wait_for_ready* False fails after a few quick attempts when the service is away, instead of at the timeout.
    Failures are raised as errors of our tree.
    """
    try:
        return await method(request, timeout=budget(timeout_s), wait_for_ready=wait_for_ready)
    except grpc.aio.AioRpcError as error:
        raise rpc_status.from_rpc_error(error) from error
