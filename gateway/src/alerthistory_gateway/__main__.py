"""The program ``alerthistory-gateway``."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from alerthistory_common import program
from alerthistory_common.channels import open_channel
from alerthistory_common.component import Component
from alerthistory_common.process import Host, run_process
from alerthistory_common.program import LoadedSettings
from alerthistory_common.settings import CommonSettings
from alerthistory_gateway.app import open_gateway
from alerthistory_gateway.settings import GatewaySettings


def main() -> None:
    """Serve until SIGTERM."""
    program.run(
        name="alerthistory-gateway",
        description="The HTTP gateway of Alert History.",
        settings=(CommonSettings, GatewaySettings),
        serve=_serve,
    )


async def _serve(loaded: LoadedSettings) -> None:
    settings = loaded.of(GatewaySettings)
    await run_process(
        "gateway",
        [lambda host: _open(host, settings)],
        settings=loaded.of(CommonSettings),
        grpc_listen=settings.grpc_listen,
        metrics_listen=settings.metrics_listen,
        other_listeners={GatewaySettings.variable("host"): _address(settings)},
    )


def _address(settings: GatewaySettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


@asynccontextmanager
async def _open(host: Host, settings: GatewaySettings) -> AsyncIterator[Component]:
    async with AsyncExitStack() as stack:
        channels = {
            "ingest": settings.ingest_target,
            "history": settings.history_target,
            "classifier": settings.classifier_target,
            "publisher": settings.publisher_target,
        }
        opened = {
            name: await stack.enter_async_context(open_channel(target, host.telemetry))
            for name, target in channels.items()
        }
        yield await stack.enter_async_context(open_gateway(host, settings, **opened))


if __name__ == "__main__":
    main()
