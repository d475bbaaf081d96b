"""The reading rules of the legacy interface: times compared as texts, and reports by key."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from alerthistory_common.alerts import ZERO_TIME, Instant

from .records import CountedOccurrence, ReportRow

_YEAR_10000 = 253_402_300_800_000_000
_MOMENTS = range(ZERO_TIME.micros, _YEAR_10000)


def first_moment_from(text: str) -> int:
    """Return the earliest microsecond whose contract text is not before *text*, which may be any text.

    The contract's texts sort as their moments do, so a bound on one is a bound on the other. When no moment is late
    enough, the result is later than all of them.
    """
    return ZERO_TIME.micros + bisect_left(_MOMENTS, text, key=_text)


def last_moment_to(text: str) -> int:
    """Return the latest microsecond whose contract text is not after *text*; earlier than all when there is none."""
    return ZERO_TIME.micros + bisect_right(_MOMENTS, text, key=_text) - 1


def count(occurrences: Iterable[CountedOccurrence], group_by: str) -> list[ReportRow]:
    """Return the counts of *occurrences* by key, in order of first occurrence."""
    counts: dict[str, list[int]] = {}
    for occurrence in occurrences:
        tally = counts.setdefault(_key(occurrence, group_by), [0, 0])
        tally[0 if occurrence.is_firing else 1] += 1
    return [
        ReportRow(key=key, count=firing + resolved, firing=firing, resolved=resolved)
        for key, (firing, resolved) in counts.items()
    ]


def _text(moment: int) -> str:
    return Instant(moment).iso_utc()


def _key(occurrence: CountedOccurrence, group_by: str) -> str:
    if group_by == "alertname":
        return occurrence.alert_name
    if group_by == "status":
        return "firing" if occurrence.is_firing else "resolved"
    if group_by == "namespace":
        return occurrence.namespace or _namespace(occurrence.labels_json)
    return "all"


def _namespace(labels_json: bytes) -> str:
    try:
        labels = json.loads(labels_json)
    except (ValueError, RecursionError):
        return "unknown"
    found = labels.get("namespace") if isinstance(labels, Mapping) else None
    if not found:
        return "unknown"
    # As json.dumps writes the keys of an object: texts bare, 5 as "5", true as "true".
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
