"""How long a page takes: ``python -m tests.load.queries [EVENTS…]``, by default 100 k, 1 M and 10 M events.

Every list by every single filter on PostgreSQL, page 1 and page 1000 of 100 rows (or the last there is), warm and
interleaved; prints the medians and 99th percentiles and writes them to docs/performance/results/queries.json.
"""

import asyncio
import statistics
import sys
import time
from typing import Any

from tests.databases import new_database, postgres_server
from tests.integration.history.harness import migrate_store
from tests.load.dataset import Past, fill
from tests.load.questions import PAGE, Question, questions, recorded
from tests.load.results import write

_ROUNDS = 100
_DEEP = 999 * PAGE
_STEP = 1000


async def _measure(url: Any, past: Past, now_us: int, rounds: int) -> list[dict[str, Any]]:
    async with recorded(url) as recorder:
        asked = questions(recorder.database, past, now_us)
        places = {each.name: {"1": None, "1000": await _deep(each)} for each in asked}
        taken: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for each in asked:
                for page, place in places[each.name].items():
                    began = time.perf_counter()
                    await each.ask(place, PAGE)
                    taken.setdefault((each.name, page), []).append((time.perf_counter() - began) * 1000)
    return [
        {
            "events": past.events,
            "query": name,
            "page": page,
            "p50_ms": round(statistics.median(times), 2),
            "p99_ms": round(sorted(times)[int(len(times) * 0.99) - 1], 2),
        }
        for (name, page), times in taken.items()
    ]


async def _deep(question: Question) -> Any:
    """Return the position before page 1000, or before the last full page."""
    place, seen = None, 0
    while seen < _DEEP:
        count, after = await question.ask(place, min(_STEP, _DEEP - seen))
        if count < _STEP and seen + count < _DEEP:
            return place
        place, seen = after, seen + count
    return place


def main() -> None:
    """Measure every size and write the table."""
    sizes = [int(each) for each in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000]
    rows: list[dict[str, Any]] = []
    with postgres_server() as server:
        for size in sizes:
            with new_database(server) as url:
                migrate_store(url)
                now_us = time.time_ns() // 1000
                rows += asyncio.run(_measure(url, fill(url, events=size, now_us=now_us), now_us, _ROUNDS))
    write("queries", rows)
    for row in rows:
        sys.stdout.write(
            f"{row['events']:>10,}  {row['query']:<28} page {row['page']:>4}"
            f"  p50 {row['p50_ms']:8.2f}  p99 {row['p99_ms']:8.2f} ms\n"
        )


if __name__ == "__main__":
    main()
