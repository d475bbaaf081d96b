"""``GET /report``: how many occurrences began lately, by a key."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory_common.clock import Clock
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.rendering import iso_naive, json_answer
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import read_query

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class ReportQuery(BaseModel):
    """What can be asked of ``/report``."""

    days: int = 7
    group_by: str = "alertname"


class ReportEndpoint:
    """Counts occurrences."""

    def __init__(self, services: Services, *, timeout_s: float, clock: Clock) -> None:
        self._services = services
        self._timeout_s = timeout_s
        self._clock = clock

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [ExactRoute("GET", "/report", self.get)]

    async def get(self, request: Request) -> Response:
        """Return the counts of the last days."""
        query = read_query(request, ReportQuery)
        now = self._clock.now().to_datetime()
        asked = history_pb2.GetReportRequest(
            starts_at_text_from=iso_naive(days_before(now, query.days)),
            starts_at_text_to=iso_naive(now),
            group_by=query.group_by,
        )
        report = await ask("history", self._services.history.GetReport, asked, timeout_s=self._timeout_s)
        rows = {row.key: {"count": row.count, "firing": row.firing, "resolved": row.resolved} for row in report.rows}
        return json_answer(
            {"period_days": query.days, "group_by": query.group_by, "data": rows, "total_alerts": report.total}
        )


def days_before(moment: datetime, days: int) -> datetime:
    """Return the moment *days* earlier (later, when negative), or the end of the calendar that is nearer."""
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        return _EARLIEST if days > 0 else _LATEST
