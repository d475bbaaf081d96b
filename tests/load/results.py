"""Where measurements are kept: one JSON file per part, with the machine that they were taken on."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "docs/performance/results"


def write(part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the results of *part*."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{part}.json").write_text(json.dumps({"part": part, "machine": machine, "rows": rows}, indent=1) + "\n")
