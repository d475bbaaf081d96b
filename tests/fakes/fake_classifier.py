"""The classifier in memory: the mode, and where it comes from."""

import grpc

from alerthistory.classifier.v1 import classifier_service_pb2 as pb2
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.classifier.v1.ClassifierService"


class FakeClassifier:
    """Keeps the mode in memory."""

    def __init__(self) -> None:
        self.mode: pb2.EnrichmentMode.ValueType = pb2.ENRICHMENT_MODE_ENRICHED
        self.status = pb2.GetStatusResponse()
        self.classifications: list[pb2.Classification] = []
        self.source: pb2.ModeSource.ValueType = pb2.MODE_SOURCE_DEFAULT

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        methods: Methods = {
            "GetMode": (pb2.GetModeRequest, self._get),
            "SetMode": (pb2.SetModeRequest, self._set),
            "GetStatus": (pb2.GetStatusRequest, self._status),
            "BatchGetClassifications": (pb2.BatchGetClassificationsRequest, self._batch),
            "ListClassifications": (pb2.ListClassificationsRequest, self._list),
        }
        serve_unary(server, SERVICE, methods)

    async def _get(self, _: pb2.GetModeRequest, __: Context) -> pb2.GetModeResponse:
        return pb2.GetModeResponse(mode=self.mode, source=self.source)

    async def _set(self, request: pb2.SetModeRequest, _: Context) -> pb2.SetModeResponse:
        self.mode, self.source = request.mode, pb2.MODE_SOURCE_MEMORY
        return pb2.SetModeResponse(mode=self.mode, source=self.source)

    async def _status(self, _: pb2.GetStatusRequest, __: Context) -> pb2.GetStatusResponse:
        self.status.mode = self.mode
        return self.status

    async def _batch(
        self, request: pb2.BatchGetClassificationsRequest, _: Context
    ) -> pb2.BatchGetClassificationsResponse:
        found = [each for each in self.classifications if each.fingerprint in request.fingerprints]
        return pb2.BatchGetClassificationsResponse(classifications=found)

    async def _list(self, request: pb2.ListClassificationsRequest, _: Context) -> pb2.ListClassificationsResponse:
        found = [each for each in self.classifications if each.verdict.confidence >= request.min_confidence]
        return pb2.ListClassificationsResponse(classifications=found[: request.page_size])
