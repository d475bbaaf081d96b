"""The RPCs of ``TargetService``."""

import json
from collections.abc import Iterable

from alerthistory.publisher.v1 import (
    target_pb2,
    target_service_pb2,
    target_service_pb2_grpc,
)
from alerthistory_common import alert_codec
from alerthistory_common.clock import Clock
from alerthistory_publisher.application.previewing import Previewing
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.application.testing import TEST_TIMEOUT, Testing
from alerthistory_publisher.domain.formats.choice import limits_of
from alerthistory_publisher.domain.target_sets import TargetProblem
from alerthistory_publisher.domain.targets import Target, shown_url
from alerthistory_publisher.servicer.messages import Context


class TargetServicer(target_service_pb2_grpc.TargetServiceServicer):
    """Shows, reloads and tests the targets."""

    def __init__(self, directory: TargetDirectory, testing: Testing, previewing: Previewing, *, clock: Clock) -> None:
        self._directory = directory
        self._testing = testing
        self._previewing = previewing
        self._clock = clock

    async def ListTargets(  # noqa: N802
        self,
        request: target_service_pb2.ListTargetsRequest,
        context: Context,
    ) -> target_service_pb2.ListTargetsResponse:
        """Return all targets in the order of their configuration."""
        return target_service_pb2.ListTargetsResponse(
            targets=_target_messages(self._directory.targets), problems=_problem_messages(self._directory.problems)
        )

    async def GetTarget(  # noqa: N802
        self,
        request: target_service_pb2.GetTargetRequest,
        context: Context,
    ) -> target_service_pb2.GetTargetResponse:
        """Return one target; NOT_FOUND when there is none of this name."""
        (message,) = _target_messages([self._directory.get(request.name)])
        return target_service_pb2.GetTargetResponse(target=message)

    async def RefreshTargets(  # noqa: N802
        self,
        request: target_service_pb2.RefreshTargetsRequest,
        context: Context,
    ) -> target_service_pb2.RefreshTargetsResponse:
        """Read the configuration anew; FAILED_PRECONDITION when it is wrong."""
        await self._directory.refresh(asked_at=self._clock.now())
        return target_service_pb2.RefreshTargetsResponse(
            targets=_target_messages(self._directory.targets), problems=_problem_messages(self._directory.problems)
        )

    async def TestTarget(  # noqa: N802
        self,
        request: target_service_pb2.TestTargetRequest,
        context: Context,
    ) -> target_service_pb2.TestTargetResponse:
        """Send a test alert, once; what came of it is an answer, never an error."""
        limit = request.timeout.ToTimedelta() if request.HasField("timeout") else TEST_TIMEOUT
        result = await self._testing.test(request.target, request.alert_json, limit=limit)
        return target_service_pb2.TestTargetResponse(
            is_delivered=result.is_delivered,
            status_code=result.status,
            response_time=alert_codec.duration(result.response_time),
            problem=result.problem,
        )

    async def PreviewTarget(  # noqa: N802
        self,
        request: target_service_pb2.PreviewTargetRequest,
        context: Context,
    ) -> target_service_pb2.PreviewTargetResponse:
        """Return what would be sent about an alert, without secrets."""
        preview = self._previewing.preview(
            request.target,
            request.alert_json,
            alert_codec.verdict(request.verdict) if request.HasField("verdict") else None,
            request.title_template if request.HasField("title_template") else None,
            request.description_template if request.HasField("description_template") else None,
        )
        return target_service_pb2.PreviewTargetResponse(
            method=preview.method, url=preview.url_shown, headers=preview.headers, body=preview.body
        )


def _target_messages(targets: Iterable[Target]) -> list[target_pb2.Target]:
    return [
        target_pb2.Target(
            name=each.name,
            format=each.format,
            address=each.address,
            is_enabled=each.is_enabled,
            sends_resolved=each.sends_resolved,
            url=shown_url(each.url),
            source=each.source,
            rate_limits=limits_of(each),
            concurrency=each.concurrency,
            filter_json=_filter_json(each),
        )
        for each in targets
    ]


def _filter_json(target: Target) -> bytes:
    """Return what of its configuration decides which alerts a target is told, under the names it has there."""
    wanted = target.filter
    filters = {
        "severity": sorted(wanted.severities),
        "namespaces": sorted(wanted.namespaces),
        "exclude_noise": wanted.exclude_noise,
        "min_confidence": wanted.min_confidence,
        "alert_name_pattern": wanted.alert_name_pattern,
    }
    shown = {
        "filter": {name: value for name, value in filters.items() if value},
        "matchers": [str(matcher) for matcher in wanted.matchers],
        "active_times": [str(each) for each in wanted.active_times],
        "deduplication_window_s": target.deduplication_window.total_seconds(),
    }
    return json.dumps({name: value for name, value in shown.items() if value}).encode()


def _problem_messages(problems: Iterable[TargetProblem]) -> list[target_pb2.TargetProblem]:
    return [target_pb2.TargetProblem(source=each.source, problem=each.text) for each in problems]
