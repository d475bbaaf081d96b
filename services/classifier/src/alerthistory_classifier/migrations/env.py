"""The environment of Alembic."""

from alerthistory_common.migrate import run_environment

run_environment()
