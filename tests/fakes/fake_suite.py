"""The four services in memory, on one gRPC server that can be stopped and started again with what it holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.fakes import fake_history, fake_ingest
from tests.fakes.fake_classifier import FakeClassifier
from tests.fakes.fake_history import FakeHistory
from tests.fakes.fake_ingest import FakeIngest
from tests.fakes.fake_publisher import FakePublisher


class FakeSuite:
    """What the services hold; *address* is where they answer while they run."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ingest = FakeIngest()
        self.history = FakeHistory()
        self.classifier = FakeClassifier()
        self.publisher = FakePublisher()
        self.health = health.aio.HealthServicer()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)])
        for service in (self.ingest, self.history, self.classifier, self.publisher):
            service.register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        for name in (fake_ingest.SERVICE, fake_history.SERVICE):
            await self.set_serving(name, serves=True)
        server.add_insecure_port(self.address)
        await server.start()
        try:
            yield
        finally:
            await server.stop(0)

    async def set_serving(self, name: str, *, serves: bool) -> None:
        """Let the service with this full name say whether it serves."""
        status = health_pb2.HealthCheckResponse
        await self.health.set(name, status.SERVING if serves else status.NOT_SERVING)
