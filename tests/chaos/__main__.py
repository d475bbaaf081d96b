"""All proofs of what is promised, one after another, and a table of what they saw: ``python -m tests.chaos [PART…]``.

Each part is a program of its own, and can be run alone. Progress goes to stderr.
"""

import subprocess
import sys
import time
from dataclasses import dataclass

PARTS: dict[str, tuple[str, ...]] = {
    "kills": ("tests.e2e.kill_rounds", "200"),
    "outages": ("tests.chaos.outages", "10", "20"),
    "crash-points": ("tests.chaos.crash_points",),
    "alertmanager-pair": ("tests.chaos.alertmanager_pair",),
    "stalled-worker": ("tests.chaos.stalled_worker",),
    "stalled-publisher": ("tests.chaos.stalled_publisher",),
    "hanging-target": ("tests.chaos.hanging_target",),
    "providers": ("tests.chaos.providers", "10"),
    "bursts": ("tests.chaos.bursts",),
    "rolling-restarts": ("tests.chaos.rolling_restarts", "20"),
    "redis": ("tests.chaos.redis_faults",),
    "redis-services": ("tests.chaos.redis_faults", "10", "services"),
    "overload": ("tests.chaos.overload",),
    "soak": ("tests.chaos.soak",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a part ended."""

    name: str
    is_kept: bool
    seconds: float
    seen: str

    def __str__(self) -> str:
        return f"{self.name:<18} {'kept' if self.is_kept else 'BROKEN':<7} {self.seconds:6.0f} s  {self.seen}"


def run(name: str) -> Result:
    """Return how the part *name* ended."""
    sys.stderr.write(f"\n== {name} ==\n")
    began = time.monotonic()
    module, *arguments = PARTS[name]
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stdout)
    lines = done.stdout.strip().splitlines()
    return Result(
        name=name,
        is_kept=done.returncode == 0,
        seconds=time.monotonic() - began,
        seen=lines[-1] if lines else f"exit code {done.returncode}",
    )


def main() -> None:
    """Run the parts that are named, by default all; exit 1 when a promise was broken."""
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    results = [run(name) for name in names]
    sys.stdout.write("\n" + "\n".join(map(str, results)) + "\n")
    sys.exit(0 if all(result.is_kept for result in results) else 1)


if __name__ == "__main__":
    main()
