"""Ask the HTTP interface everything that its OpenAPI document allows, and much that it does not.

``python -m tests.fuzz.api MINUTES COMMAND [OPTIONS…]`` starts the all-in-one process on SQLite and runs schemathesis,
which COMMAND starts, against it. The exit code is not 0 when an answer is a 5xx (503 excepted) or is not as described.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.processes import clean_environment, short_folder
from tests.suites import Suite

_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def fuzz(folder: Path, command: Sequence[str], *, minutes: float, more: Sequence[str] = ()) -> int:
    """Return the exit code of schemathesis on a suite in *folder*; 1 when the suite does not survive it."""
    suite = Suite(folder)
    options = (
        f"--max-time={max(1, round(minutes * 60))}",
        "--continue-on-failure",
        "--request-timeout=30",
        "--workers=2",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--warnings=off",
    )
    whole = [*command, f"--config-file={_CONFIGURATION}", "run", f"{suite.url}/api/openapi.json", *options, *more]
    with suite.running() as running:
        sys.stderr.write(f"{shlex.join(whole)}\n")
        code = subprocess.run(whole, cwd=folder, env=clean_environment(), check=False).returncode
        survived = running.process.poll() is None and running.stop() == 0
    defects = [line for line in running.log.read_text(errors="replace").splitlines() if "request failed" in line]
    sys.stdout.write(f"\nThe suite {'survived' if survived else 'died'}; its log names {len(defects)} defects.\n")
    return code if survived else 1


def main() -> None:
    """Run as long as the first argument says, with the command of the second and the options of the others."""
    minutes, command, *more = sys.argv[1:]
    with short_folder() as folder:
        sys.exit(fuzz(folder, shlex.split(command), minutes=float(minutes), more=more))


if __name__ == "__main__":
    main()
