"""The command ``ahctl`` and everything below it."""

from typing import Any

import click

from alerthistory_client.cli.alerts import alerts, events, history
from alerthistory_client.cli.classify import classify
from alerthistory_client.cli.deliveries import deliveries
from alerthistory_client.cli.demo import demo
from alerthistory_client.cli.doctor import doctor
from alerthistory_client.cli.explain import explain
from alerthistory_client.cli.filters import filters
from alerthistory_client.cli.importing import import_
from alerthistory_client.cli.llm import llm
from alerthistory_client.cli.mode import mode
from alerthistory_client.cli.overrides import override
from alerthistory_client.cli.quarantine import quarantine
from alerthistory_client.cli.reports import report
from alerthistory_client.cli.retention import retention
from alerthistory_client.cli.rules import rules
from alerthistory_client.cli.send import send
from alerthistory_client.cli.session import remember, shared_options
from alerthistory_client.cli.spool import spool
from alerthistory_client.cli.status import status
from alerthistory_client.cli.tail import tail
from alerthistory_client.cli.targets import targets
from alerthistory_client.cli.verdicts import verdict, verdicts

_EPILOG = """\b
Without --server, these variables say where the services are:
  ALERTHISTORY_CLIENT_SERVER             one address for all
  ALERTHISTORY_CLIENT_INGEST_TARGET      one address each, also
  …_HISTORY_TARGET, …_CLASSIFIER_TARGET, …_PUBLISHER_TARGET
  ALERTHISTORY_DATA_DIR                  whose alerthistory.sock is the default

\b
Completion for bash (zsh, fish alike):
  eval "$(_AHCTL_COMPLETE=bash_source ahctl)"

Exit codes: 0 done, 1 failed or done in part, 2 called wrongly.
"""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="alerthistory-client", prog_name="ahctl", message="%(prog)s %(version)s")
@shared_options
@click.pass_context
def ahctl(context: click.Context, /, **options: Any) -> None:
    """Send alerts to Alert History, and look at what it knows."""
    remember(context, options)


for command in (
    send,
    alerts,
    history,
    events,
    report,
    tail,
    status,
    doctor,
    deliveries,
    targets,
    filters,
    explain,
    quarantine,
    spool,
    classify,
    verdict,
    verdicts,
    override,
    rules,
    llm,
    mode,
    retention,
    import_,
    demo,
):
    ahctl.add_command(command)
