"""The program ``alerthistory-publisher``."""

from alerthistory_common import program
from alerthistory_common.database import database_url
from alerthistory_common.process import run_process
from alerthistory_common.program import LoadedSettings
from alerthistory_common.settings import CommonSettings
from alerthistory_publisher.app import MIGRATIONS, SCHEMA, open_publisher
from alerthistory_publisher.settings import PublisherSettings


def main() -> None:
    """Run the command line."""
    program.run(
        name="alerthistory-publisher",
        description="Deliver alerts to their targets.",
        settings=(CommonSettings, PublisherSettings),
        serve=_serve,
        migrate=_migrate,
    )


async def _serve(loaded: LoadedSettings) -> None:
    common, own = loaded.of(CommonSettings), loaded.of(PublisherSettings)
    await run_process(
        "publisher",
        [lambda host: open_publisher(host, own)],
        settings=common,
        grpc_listen=own.grpc_listen,
        metrics_listen=own.metrics_listen,
    )


def _migrate(loaded: LoadedSettings, version: str | None) -> None:
    from alerthistory_common import migrate  # Serving does without Alembic.

    common, own = loaded.of(CommonSettings), loaded.of(PublisherSettings)
    url = database_url(common, own.database_url, SCHEMA)
    migrate.upgrade(url, schema=SCHEMA, scripts=MIGRATIONS, to=version)


if __name__ == "__main__":
    main()
