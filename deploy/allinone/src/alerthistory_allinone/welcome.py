"""What a person who starts Alert History wants to know first."""

from pathlib import Path

from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_common.program import LoadedSettings
from alerthistory_gateway.settings import GatewaySettings
from alerthistory_history.settings import HistorySettings
from alerthistory_ingest.settings import IngestSettings
from alerthistory_publisher.settings import PublisherSettings

_WELCOME = """
Alert History is running.

  web page     {url}/
  history      {url}/history
  report       {url}/report
  metrics      {url}/metrics   (of the process: {metrics})
  gRPC         {grpc}
  data         {data}

Put this into alertmanager.yml, and name the receiver in your route:

  receivers:
    - name: alert-history
      webhook_configs: [{{url: "{url}/webhook"}}]

Or try it now:

  curl {url}/webhook -d '{{"alerts":[{{"status":"firing","labels":{{"alertname":"Hello","severity":"warning"}}}}]}}'
  curl {url}/history

`make demo` plays a few minutes of realistic alerts; `.venv/bin/ahctl --help` lists what the command line can do.
Press Ctrl-C to stop.
"""


def welcome(*, url: str, metrics: str, grpc: str, data: Path) -> str:
    """Return the text that tells where everything is and what to do next."""
    return _WELCOME.format(
        url=url, metrics=f"http://{metrics}/metrics" if metrics else "off", grpc=grpc, data=data.resolve()
    )


_WELCOME_TO_SERVICES = """
The five services are starting; {url}/readyz says when they are ready.

{services}

For ahctl, in another terminal:

  export {exports}

Press Ctrl-C to stop.
"""


def welcome_to_services(loaded: LoadedSettings) -> str:
    """Return the text that tells where the five processes are."""
    gateway, ingest, history = loaded.of(GatewaySettings), loaded.of(IngestSettings), loaded.of(HistorySettings)
    classifier, publisher = loaded.of(ClassifierSettings), loaded.of(PublisherSettings)
    places = {
        "gateway": (gateway.grpc_listen, gateway.metrics_listen),
        "ingest": (ingest.grpc_listen, ingest.metrics_listen),
        "history": (history.grpc_listen, history.metrics_listen),
        "classifier": (classifier.grpc_listen, classifier.metrics_listen),
        "publisher": (publisher.grpc_listen, publisher.metrics_listen),
    }
    lines = [f"  {name:12} gRPC {grpc:18} metrics {metrics or 'off'}" for name, (grpc, metrics) in places.items()]
    exports = [
        f"ALERTHISTORY_CLIENT_{name.upper()}_TARGET={grpc}" for name, (grpc, _) in places.items() if name != "gateway"
    ]
    return _WELCOME_TO_SERVICES.format(
        url=f"http://{gateway.host}:{gateway.port}", services="\n".join(lines), exports=" \\\n         ".join(exports)
    )
