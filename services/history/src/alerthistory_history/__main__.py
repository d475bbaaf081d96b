"""The program ``alerthistory-history``."""

from alerthistory_common import program
from alerthistory_common.database import database_url
from alerthistory_common.process import run_process
from alerthistory_common.program import LoadedSettings, Task
from alerthistory_common.settings import CommonSettings
from alerthistory_history.app import MIGRATIONS, SCHEMA, open_history, rebuild_rollups
from alerthistory_history.settings import HistorySettings


def main() -> None:
    """Run the command line."""
    program.run(
        name="alerthistory-history",
        description="Remember every alert: what was reported, what is true, what changed.",
        settings=(CommonSettings, HistorySettings),
        serve=_serve,
        migrate=_migrate,
        tasks=[
            Task(
                group="rollups",
                name="rebuild",
                description="forget the counts that reports read, and count the log anew, as far as it reaches back",
                run=_rebuild,
            )
        ],
    )


async def _serve(loaded: LoadedSettings) -> None:
    common, own = loaded.of(CommonSettings), loaded.of(HistorySettings)
    await run_process(
        "history",
        [lambda host: open_history(host, own)],
        settings=common,
        grpc_listen=own.grpc_listen,
        metrics_listen=own.metrics_listen,
    )


def _migrate(loaded: LoadedSettings, version: str | None) -> None:
    from alerthistory_common import migrate  # Serving does without Alembic.

    common, own = loaded.of(CommonSettings), loaded.of(HistorySettings)
    url = database_url(common, own.database_url, SCHEMA)
    migrate.upgrade(url, schema=SCHEMA, scripts=MIGRATIONS, to=version)


async def _rebuild(loaded: LoadedSettings) -> None:
    await rebuild_rollups(loaded.of(CommonSettings), loaded.of(HistorySettings))


if __name__ == "__main__":
    main()
