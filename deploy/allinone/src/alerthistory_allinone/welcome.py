"""What a person who starts Alert History wants to know first."""

from pathlib import Path

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
