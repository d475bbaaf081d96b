"""What is lost, or how far it is from that: measured by numbers in the annotations, or guessed from the wording."""

import re
from collections.abc import Callable
from re import Match, Pattern

from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.subject import Subject

_MINUTES = {"second": 1 / 60, "minute": 1.0, "hour": 60.0, "day": 1440.0, "week": 10_080.0, "month": 43_200.0}
_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_SPAN = rf"{_NUMBER}\s?(second|minute|min|hour|day|week|month|s|m|h|d|w)s?\b"
_UNITS = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}

_USED = re.compile(rf"\b{_NUMBER}\s?(?:%|percent) (?:full|used|usage|utili[sz]ation|in use)")
_FILLED_TO = re.compile(
    rf"\b(?:disk|volume|filesystem|storage|space)\b[^.;\n]{{0,40}}?\b(?:usage|used|full|utili[sz]ation)\b"
    rf"[^.;\n]{{0,20}}?\b{_NUMBER}\s?%"
)
_FREE = re.compile(rf"\b{_NUMBER}\s?(?:%|percent) (?:\w+ )?(?:free|left|available|remaining)")
_RUNS_OUT = re.compile(
    rf"\b(?:full|fill up|fills up|filling up|run out|runs out|running out|exhausted|expires?|expiring)\b"
    rf"[^.;\n]{{0,40}}?\b(?:in|within)\s(?:less than |about |the next )?{_SPAN}"
)
_SHARE = re.compile(
    r"\b(\d{1,6})\s?(?:of|out of|/)\s?(\d{1,6}) (?:\w+ )?"
    r"(?:replicas?|pods?|nodes?|instances?|brokers?|members?|targets?)"
    r"[^.;\n]{0,20}?\b(?:down|unavailable|unreachable|failed|failing|missing|not ready|unhealthy|lost)\b"
)


def measured(subject: Subject) -> Evidence | None:
    """Return the gravest thing that numbers in the texts say: fill levels, time left, shares that are gone."""
    found = [
        evidence
        for pattern, weigh in _MEASURES
        for match in pattern.finditer(subject.wording)
        if (evidence := weigh(match)) is not None
    ]
    return max(found, key=lambda evidence: evidence.level, default=None)


def worded(subject: Subject) -> Evidence | None:
    """Return what the name and the texts suggest, the gravest first."""
    for rule, level, pattern, because, recommendation in _PHRASES:
        if pattern.search(subject.wording):
            return Evidence(
                rule=rule,
                level=level,
                because=because,
                recommendations=(recommendation,),
                overrules=rule in _LOSSES,
            )
    return None


def _used(match: Match[str]) -> Evidence:
    return _fill("measured-usage", float(match[1]), match[0])


def _free(match: Match[str]) -> Evidence:
    return _fill("measured-headroom", 100 - float(match[1]), match[0])


def _fill(rule: str, percent: float, said: str) -> Evidence:
    level = Level.CRITICAL if percent >= 95 else Level.WARNING if percent >= 70 else Level.INFO
    return Evidence(
        rule=rule,
        level=level,
        because=f"its text says {said!r}",
        recommendations=("Free space or add capacity before it is full.",) if level > Level.INFO else (),
    )


def _runs_out(match: Match[str]) -> Evidence:
    unit = _UNITS.get(match[2], match[2])
    minutes = float(match[1]) * _MINUTES[unit]
    level = Level.CRITICAL if minutes <= 60 else Level.WARNING if minutes <= 30 * 1440 else Level.INFO
    return Evidence(
        rule="measured-time-left",
        level=level,
        because=f"its text says {match[0]!r}",
        recommendations=(f"Act before the {match[1]} {unit}s are over.",),
        # What is lost before the next working hours does wake somebody when its sender says so.
        overrules=minutes > _MINUTES["day"],
    )


def _share(match: Match[str]) -> Evidence | None:
    lost, total = int(match[1]), int(match[2])
    if not 0 < lost <= total:
        return None
    return Evidence(
        rule="measured-scope",
        level=Level.CRITICAL if lost == total or lost * 2 > total > 2 else Level.WARNING,
        because=f"its text says {match[0]!r}",
        recommendations=("Find out why they went, and whether the rest can carry the load.",),
    )


_MEASURES: tuple[tuple[Pattern[str], Callable[[Match[str]], Evidence | None]], ...] = (
    (_USED, _used),
    (_FILLED_TO, _used),
    (_FREE, _free),
    (_RUNS_OUT, _runs_out),
    (_SHARE, _share),
)

# What users lose now. All else is in the name of many an alert that its sender, who knows the threshold, calls small.
_LOSSES = frozenset({"data-loss", "security", "expired", "outage"})

# Rule, level, pattern, why, what to do; the gravest first.
_PHRASES: tuple[tuple[str, Level, Pattern[str], str, str], ...] = (
    (
        "data-loss",
        Level.CRITICAL,
        re.compile(r"\b(?:data ?loss|los(?:t|ing) data|corrupt(?:ed|ion)|split.?brain)\b"),
        "it speaks of lost or damaged data",
        "Stop what writes, and find the last good copy.",
    ),
    (
        "security",
        Level.CRITICAL,
        re.compile(r"\b(?:breach|intrusion|compromised|exfiltrat\w+|brute.?force|ransomware)\b"),
        "it speaks of an attack",
        "Call whoever handles security incidents.",
    ),
    (
        "expired",
        Level.CRITICAL,
        re.compile(r"\b(?:certificate|cert|license|licence|token)s?\b[^;\n]{0,60}\b(?:has|have|is|already) ?expired\b"),
        "something that others trust has expired",
        "Renew it now, then automate the renewal.",
    ),
    (
        "outage",
        Level.CRITICAL,
        re.compile(
            r"\b(?:outage|(?:cluster|service|site|website|database|api|all \w+|everything) (?:is|are) "
            r"(?:\w+ )?(?:down|unavailable|unreachable|offline)|no leader|lost quorum|absent from prometheus)\b"
        ),
        "it speaks of an outage",
        "Check what users see first, and undo the last change.",
    ),
    (
        "errors",
        Level.CRITICAL,
        re.compile(r"\b(?:error budget|high error rate|error rate (?:is )?high|burn(?:ing)? rate|5xx)\b"),
        "it speaks of failing requests",
        "Look at which requests fail, and at what was deployed last.",
    ),
    (
        "crash-loop",
        Level.WARNING,
        re.compile(r"\b(?:crash ?loop\w*|oom ?kill\w*|restart(?:s|ed|ing) (?:too )?(?:often|frequently))"),
        "something keeps crashing",
        "Read the log of the last crash (kubectl logs --previous) and its memory limit.",
    ),
    (
        "capacity",
        Level.WARNING,
        re.compile(
            r"\b(?:disk|volume|filesystem|memory|inodes?|quota|storage)\b[^.;\n]{0,60}"
            r"\b(?:fill|full|low|out of|high|exceeded)"
        ),
        "something is running full",
        "See what grew, free space or add capacity.",
    ),
    (
        "certificate",
        Level.WARNING,
        re.compile(r"\b(?:certificate|cert)s?\b[^;\n]{0,60}\bexpir"),
        "a certificate will expire",
        "Renew the certificate, and see why it was not renewed by itself.",
    ),
    (
        "latency",
        Level.WARNING,
        re.compile(r"\b(?:latency|slow|response time|timeouts?|throttl\w+|saturat\w+)\b"),
        "something is slow",
        "Compare with the load, and with what was deployed last.",
    ),
    (
        "degraded",
        Level.WARNING,
        re.compile(
            r"\b(?:degraded|not ready|unhealthy|mismatch|lag(?:ging)?|backlog|failed|failing|(?<!scaled )down"
            r"|unreachable)\b"
        ),
        "something is not as it should be",
        "See what failed, and whether it recovers by itself.",
    ),
    (
        "announcement",
        Level.INFO,
        re.compile(
            r"\b(?:completed|succeeded|started|finished|scaled (?:up|down)|maintenance|deployed|update available)\b"
        ),
        "it announces something",
        "Nothing has to be done.",
    ),
)
