"""The program ``alerthistory-ingest``."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from alerthistory_common import program
from alerthistory_common.channels import open_channel
from alerthistory_common.component import Component
from alerthistory_common.process import Host, run_process
from alerthistory_common.program import LoadedSettings
from alerthistory_common.settings import CommonSettings
from alerthistory_ingest.app import open_ingest
from alerthistory_ingest.settings import IngestSettings


def main() -> None:
    """Run the ingest service."""
    program.run(
        name="alerthistory-ingest",
        description="Takes alerts in, stores them, and takes what changed through the pipeline.",
        settings=(CommonSettings, IngestSettings),
        serve=_serve,
    )


async def _serve(loaded: LoadedSettings) -> None:
    settings = loaded.of(IngestSettings)

    @asynccontextmanager
    async def opener(host: Host) -> AsyncIterator[Component]:
        async with AsyncExitStack() as stack:
            history, classifier, publisher = [
                await stack.enter_async_context(open_channel(target, host.telemetry))
                for target in (settings.history_target, settings.classifier_target, settings.publisher_target)
            ]
            yield await stack.enter_async_context(
                open_ingest(host, settings, history=history, classifier=classifier, publisher=publisher)
            )

    await run_process(
        "ingest",
        [opener],
        settings=loaded.of(CommonSettings),
        grpc_listen=settings.grpc_listen,
        metrics_listen=settings.metrics_listen,
    )


if __name__ == "__main__":
    main()
