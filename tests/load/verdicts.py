"""How many alerts the rules judge on a core, and how soon a cached verdict is there: ``python -m tests.load.verdicts``.

The rules judge the labelled alerts of docs/evaluation, and the same with much longer texts. The cached verdicts are
asked for over gRPC, one after another and eight at a time, of a classifier whose LLM has answered before. The last line
is ``alerts_per_s=… long_alerts_per_s=… rules_p99_us=… cached_p99_ms=…``.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_classifier.adapters.rules_file import default_rules
from alerthistory_classifier.app import MIGRATIONS, SCHEMA
from alerthistory_common import alert_codec, migrate
from alerthistory_common.alerts import AlertEvent, HistoryContext
from tests.evaluation.sets import NAMES, path_of, read_set
from tests.events import event
from tests.fakes.llm import answering, base_of, opinion
from tests.fakes.receiver import receiver
from tests.integration.classifier.harness import Classifier, running
from tests.load.results import write

_ROUNDS = 3
_SECONDS = 2.0
_CALLS = 2000
_AT_ONCE = 8

Cases = Sequence[tuple[AlertEvent, HistoryContext]]


def _cases() -> Cases:
    alerts = [each for name in NAMES if path_of(name).exists() for each in read_set(path_of(name))]
    return [(each.event(), each.context()) for each in alerts]


def _lengthened(cases: Cases) -> Cases:
    """Return *cases* whose annotations are four thousand characters long."""
    filler = "The quick brown fox of team 7 looked at node 12 and saw nothing. " * 60
    return [
        (event(labels=json.loads(each.labels_json), annotations={"description": filler}), history)
        for each, history in cases
    ]


def _judge(cases: Cases) -> tuple[float, float]:
    """Return alerts judged per second, and the 99th percentile of one in microseconds."""
    judge, taken = default_rules().judge, list[float]()
    ends_at = time.perf_counter() + _SECONDS
    for told in cycle(cases):
        began = time.perf_counter()
        judge(*told)
        now = time.perf_counter()
        taken.append(now - began)
        if now >= ends_at:
            break
    return len(taken) / sum(taken), statistics.quantiles(taken, n=100)[98] * 1e6


async def _cached_p99_ms(cases: Cases) -> tuple[float, float]:
    """Return the 99th percentile of a cached verdict in milliseconds: one after another, and several at a time."""
    with TemporaryDirectory() as folder:
        store = URL.create("sqlite+aiosqlite", database=str(Path(folder) / "store.sqlite3"))
        migrate.upgrade(store, schema=SCHEMA, scripts=MIGRATIONS)
        async with receiver() as llm:
            llm.usual = answering(opinion())
            async with running(store, llm_url=base_of(llm), llm_form="json_schema", llm_wait_s=30) as classifier:
                messages = [
                    pb.ClassifyCase(event=alert_codec.event_message(told), history=alert_codec.history_message(past))
                    for told, past in cases
                ]
                await _ask(classifier, messages, calls=len(messages), at_once=1)
                alone = await _ask(classifier, messages, calls=_CALLS, at_once=1)
                together = await _ask(classifier, messages, calls=_CALLS, at_once=_AT_ONCE)
    return alone, together


async def _ask(classifier: Classifier, messages: Sequence[pb.ClassifyCase], *, calls: int, at_once: int) -> float:
    waiting, taken = iter(islice(cycle(messages), calls)), list[float]()

    async def ask_on() -> None:
        for message in waiting:
            began = time.perf_counter()
            await classifier.service.ClassifyAlerts(pb.ClassifyAlertsRequest(cases=[message]), timeout=60)
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(ask_on() for _ in range(at_once)))
    return statistics.quantiles(taken, n=100)[98] * 1000


def main() -> None:
    """Measure, write and print."""
    cases = _cases()
    rounds = [(_judge(cases), _judge(_lengthened(cases))) for _ in range(_ROUNDS)]
    short_rate, short_p99 = (
        statistics.median(figures) for figures in zip(*(short for short, _ in rounds), strict=True)
    )
    long_rate, long_p99 = (statistics.median(figures) for figures in zip(*(long for _, long in rounds), strict=True))
    alone, together = asyncio.run(_cached_p99_ms(cases))
    rows: list[dict[str, object]] = [
        {"what": "rules, alerts/s on one core", "usual texts": round(short_rate), "4 000 characters": round(long_rate)},
        {"what": "rules, p99 in µs", "usual texts": round(short_p99), "4 000 characters": round(long_p99)},
        {"what": "cached verdict over gRPC, p99 in ms", "usual texts": round(alone, 1)},
        {"what": f"the same, {_AT_ONCE} at a time", "usual texts": round(together, 1)},
    ]
    write("verdicts", rows)
    sys.stdout.write(
        f"alerts_per_s={short_rate:.0f} long_alerts_per_s={long_rate:.0f} rules_p99_us={short_p99:.0f} "
        f"cached_p99_ms={alone:.1f}\n"
    )


if __name__ == "__main__":
    main()
