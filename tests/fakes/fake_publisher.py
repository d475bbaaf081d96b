"""The publisher in memory: its figures."""

import grpc

from alerthistory.publisher.v1 import publisher_service_pb2 as pb2
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.publisher.v1.PublisherService"


class FakePublisher:
    """Answers with *status*."""

    def __init__(self) -> None:
        self.status = pb2.GetStatusResponse()
        self.stats = pb2.GetStatsResponse()

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        methods: Methods = {
            "GetStats": (pb2.GetStatsRequest, self._stats),
            "GetStatus": (pb2.GetStatusRequest, self._status),
        }
        serve_unary(server, SERVICE, methods)

    async def _status(self, _: pb2.GetStatusRequest, __: Context) -> pb2.GetStatusResponse:
        return self.status

    async def _stats(self, _: pb2.GetStatsRequest, __: Context) -> pb2.GetStatsResponse:
        return self.stats
