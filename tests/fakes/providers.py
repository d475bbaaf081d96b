"""A fake provider as a process of its own: ``python -m tests.fakes.providers NAME PORT [OPTIONS [FAULTS]]``.

Both in JSON, the arguments of the fake and of its faults. ``/control/model`` shows its state.
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import Faults, Provider, serving
from tests.fakes.rootly import Rootly
from tests.fakes.slack import Slack

PROVIDERS: dict[str, Callable[..., Provider]] = {"pagerduty": PagerDuty, "rootly": Rootly, "slack": Slack}


def main() -> None:
    """Serve until killed."""
    name, port, *rest = sys.argv[1:]
    options, faults = ([json.loads(each) for each in rest] + [{}, {}])[:2]
    made: dict[str, Any] = options
    with serving(PROVIDERS[name](**made), faults=Faults(**faults), port=int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main()
