"""The naive design, to compare with: ``python -m tests.load.naive PORT DATABASE_URL``.

One process, no RPC: a webhook's alerts are stored one after the other, each by the ORM in a transaction of its own,
which looks the alert up, writes it and appends an event when its status changed. It syncs, and stores less than we do:
no occurrences, no work.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class _Base(DeclarativeBase):
    pass


class _Alert(_Base):
    __tablename__ = "alerts"

    fingerprint: Mapped[str] = mapped_column(Text, primary_key=True)
    alert_name: Mapped[str] = mapped_column(Text, index=True)
    status: Mapped[str] = mapped_column(Text, index=True)
    labels: Mapped[Any] = mapped_column(JSONB)
    annotations: Mapped[Any] = mapped_column(JSONB)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class _Event(_Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Text, ForeignKey("alerts.fingerprint"), index=True)
    status: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


def application(url: str) -> Starlette:
    """Return the application that stores into the empty database at *url*."""
    engine = create_async_engine(url, pool_size=20)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(_Base.metadata.create_all)
        yield
        await engine.dispose()

    async def webhook(request: Request) -> JSONResponse:
        for alert in json.loads(await request.body())["alerts"]:
            async with sessions.begin() as session:
                await _store(session, alert)
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"])], lifespan=opened)


async def _store(session: AsyncSession, alert: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    known = await session.get(_Alert, alert["fingerprint"], with_for_update=True)
    if known is None:
        known = _Alert(
            fingerprint=alert["fingerprint"],
            alert_name=alert["labels"]["alertname"],
            starts_at=datetime.fromisoformat(alert["startsAt"]),
        )
        session.add(known)
    has_changed = known.status != alert["status"]
    known.status, known.labels, known.annotations = alert["status"], alert["labels"], alert["annotations"]
    known.last_received_at = now
    if has_changed:
        await session.flush()
        session.add(_Event(fingerprint=known.fingerprint, status=known.status, at=now))


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
