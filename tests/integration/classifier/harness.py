"""The classifier under test: on a real database, behind a real gRPC server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import URL

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory.classifier.v1 import classifier_service_pb2_grpc
from alerthistory_classifier.app import open_classifier
from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, HistoryContext
from alerthistory_common.channels import open_channel
from alerthistory_common.metrics import new_registry
from alerthistory_common.process import Host
from alerthistory_common.server import serve
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import disabled
from tests.processes import short_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one event."""

    result: pb.ClassifyResult
    mode: pb.EnrichmentMode.ValueType

    @property
    def verdict(self) -> alert_pb2.Verdict:
        """The verdict."""
        return self.result.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """One running classifier, seen by its callers."""

    registry: CollectorRegistry
    service: classifier_service_pb2_grpc.ClassifierServiceStub

    async def classify(self, told: AlertEvent, history: HistoryContext | None = None) -> Answer:
        """Return the answer about *told*."""
        answer = await self.classify_all(told, history=history)
        return Answer(result=answer.results[0], mode=answer.mode)

    async def classify_all(self, *told: AlertEvent, history: HistoryContext | None = None) -> pb.ClassifyAlertsResponse:
        """Return the answer about all of *told*."""
        past = alert_codec.history_message(history or HistoryContext())
        cases = [pb.ClassifyCase(event=alert_codec.event_message(each), history=past) for each in told]
        return await self.service.ClassifyAlerts(pb.ClassifyAlertsRequest(cases=cases), timeout=10)

    async def mode(self) -> tuple[str, str]:
        """Return the names of mode and source."""
        answer = await self.service.GetMode(pb.GetModeRequest(), timeout=10)
        return pb.EnrichmentMode.Name(answer.mode)[16:], pb.ModeSource.Name(answer.source)[12:]

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric, 0 when it was never touched."""
        return self.registry.get_sample_value(f"alerthistory_classifier_{name}", labels) or 0.0


@asynccontextmanager
async def running(store: URL, common: CommonSettings | None = None, **settings: Any) -> AsyncIterator[Classifier]:
    """Yield a running classifier."""
    url = store.set(drivername=store.get_backend_name()).render_as_string(hide_password=False)
    common = common or CommonSettings(drain_grace_s=2)
    host = Host(settings=common, registry=new_registry(), telemetry=disabled())
    with short_folder() as folder:
        address = f"unix:{folder}/c.sock"
        async with (
            open_classifier(host, ClassifierSettings(database_url=url, **settings)) as component,
            serve([component], address=address, settings=common, registry=host.registry, telemetry=host.telemetry),
            open_channel(address, host.telemetry) as channel,
        ):
            yield Classifier(registry=host.registry, service=classifier_service_pb2_grpc.ClassifierServiceStub(channel))
