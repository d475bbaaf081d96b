"""Spans of HTTP requests."""

from typing import cast

from starlette.types import ASGIApp

from alerthistory_common.telemetry import Telemetry


def traced(app: ASGIApp, telemetry: Telemetry) -> ASGIApp:
    """Return *app* with one span for each request; *app* itself when nothing is traced."""
    if not telemetry.is_enabled:
        return app
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # Most run without a collector.

    middleware = OpenTelemetryMiddleware(app, tracer_provider=telemetry.provider, exclude_spans=["receive", "send"])
    return cast("ASGIApp", middleware)
