"""The program ``alerthistory``: the whole suite in one process."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import alerthistory_classifier.app as classifier
import alerthistory_history.app as history
import alerthistory_publisher.app as publisher
from alerthistory_allinone.data_folder import locked, socket_address
from alerthistory_allinone.settings import ALL_SETTINGS
from alerthistory_allinone.welcome import welcome
from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_common import program
from alerthistory_common.channels import open_channel
from alerthistory_common.component import Component
from alerthistory_common.database import database_url
from alerthistory_common.process import Host, OpenComponent, run_process
from alerthistory_common.program import LoadedSettings
from alerthistory_common.settings import CommonSettings
from alerthistory_gateway.app import open_gateway
from alerthistory_gateway.settings import GatewaySettings
from alerthistory_history.settings import HistorySettings
from alerthistory_ingest.app import open_ingest
from alerthistory_ingest.settings import IngestSettings
from alerthistory_publisher.settings import PublisherSettings


def main() -> None:
    """Run the command line."""
    program.run(
        name="alerthistory",
        description="Alert History in one process: gateway, ingest, history, classifier and publisher.",
        settings=ALL_SETTINGS,
        serve=_serve,
        migrate=_migrate,
        has_versions=False,
    )


async def _serve(loaded: LoadedSettings) -> None:
    common, gateway = loaded.of(CommonSettings), loaded.of(GatewaySettings)
    address = socket_address(common.data_dir)
    with locked(common.data_dir):
        await run_process(
            "allinone",
            _openers(loaded, address),
            settings=common,
            grpc_listen=address,
            metrics_listen=gateway.metrics_listen,
            other_listeners={"ALERTHISTORY_GATEWAY_HOST": f"{gateway.host}:{gateway.port}"},
            on_started=partial(_greet, gateway, address, common.data_dir),
        )


def _openers(loaded: LoadedSettings, address: str) -> list[OpenComponent]:
    """Return what opens the five, callees first: they are drained from the last to the first."""

    @asynccontextmanager
    async def ingest(host: Host) -> AsyncIterator[Component]:
        async with (
            open_channel(address, host.telemetry) as channel,
            open_ingest(
                host, loaded.of(IngestSettings), history=channel, classifier=channel, publisher=channel
            ) as component,
        ):
            yield component

    @asynccontextmanager
    async def gateway(host: Host) -> AsyncIterator[Component]:
        async with (
            open_channel(address, host.telemetry) as channel,
            open_gateway(
                host,
                loaded.of(GatewaySettings),
                ingest=channel,
                history=channel,
                classifier=channel,
                publisher=channel,
            ) as component,
        ):
            yield component

    return [
        lambda host: history.open_history(host, loaded.of(HistorySettings)),
        lambda host: classifier.open_classifier(host, loaded.of(ClassifierSettings)),
        lambda host: publisher.open_publisher(host, loaded.of(PublisherSettings)),
        ingest,
        gateway,
    ]


def _migrate(loaded: LoadedSettings, _: str | None) -> None:
    from alerthistory_common import migrate  # Serving does without Alembic.

    common = loaded.of(CommonSettings)
    with locked(common.data_dir):
        for service, own in (
            (history, loaded.of(HistorySettings).database_url),
            (classifier, loaded.of(ClassifierSettings).database_url),
            (publisher, loaded.of(PublisherSettings).database_url),
        ):
            migrate.upgrade(
                database_url(common, own, service.SCHEMA), schema=service.SCHEMA, scripts=service.MIGRATIONS
            )


def _greet(gateway: GatewaySettings, grpc: str, data: Path) -> None:
    url = f"http://{gateway.host}:{gateway.port}"
    sys.stdout.write(welcome(url=url, metrics=gateway.metrics_listen, grpc=grpc, data=data))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
