"""Every body as a file: what receivers are sent, to be read in reviews.

After an intended change ``REWRITE_GOLDEN=1 pytest tests/unit/publisher/test_golden.py`` writes the files anew; read the
difference before it is committed.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.choice import FORMATS
from alerthistory_publisher.domain.targets import Target
from tests.events import event, verdict
from tests.unit.publisher.letters import SLACK_BOT, claim, ended, packed, target

GOLDEN = Path(__file__).parent / "golden"
TARGETS = {
    **{name: target(name, routing_key="ROUTING-KEY" if name == "pagerduty" else "") for name in FORMATS},
    "slack-bot": target("slack", url=SLACK_BOT, channel="C0123456789"),
}
PLAIN: dict[str, Any] = {
    "fingerprint": Fingerprint("9f1c2d3e4f5a6b7c"),
    "labels": {
        "alertname": "KubePodCrashLooping",
        "namespace": "prod",
        "severity": "critical",
        "job": "kube-state-metrics",
        "pod": "api-7d9c5b6f4-x2x9k",
    },
    "annotations": {
        "summary": "Pod is crash looping",
        "description": "Pod prod/api-7d9c5b6f4-x2x9k restarted 7 times in 10 minutes.",
        "runbook_url": "https://runbooks.example.com/KubePodCrashLooping",
    },
    "generator_url": "https://prometheus.example.com/graph?g0.expr=rate%28x%5B5m%5D%29&g0.tab=1",
}
SIGNS = (
    "<!channel> <@U1> <https://evil.example.com|click> & `x` *b* "
    "\x00\x1b[31m\u202egnp\u2066.exe\ud800 \u2028 {{ 7 * 7 }}"
)
HOSTILE: dict[str, Any] = {
    "fingerprint": Fingerprint(f"{SIGNS}{'f' * 300}"),
    "labels": {},
    "alert_name": SIGNS,
    "labels_json": json.dumps(
        {"alertname": SIGNS, "namespace": SIGNS, "severity": SIGNS, "job": {"a": [1]}, SIGNS: SIGNS}
    ).encode()[:-1]
    + b', "nan": NaN, "huge": 1e999, "null": null}',
    "annotations_json": json.dumps(
        {"summary": SIGNS, "description": SIGNS * 2, "runbook_url": "javascript:alert(1)", "long": "x" * 200}
    ).encode(),
    "generator_url": "javascript:alert(document.cookie)//https://example.com",
}
ALERTS = {"plain": PLAIN, "hostile": HOSTILE}
JUDGED = verdict(
    severity=Severity.CRITICAL,
    confidence=0.955,
    reasoning="The container is killed for its memory, again and again.",
    recommendations=("Look at the memory limit.", "Roll back the last release.", "Tell the team."),
)
HOSTILELY_JUDGED = verdict(confidence=float("inf"), reasoning=SIGNS, recommendations=(SIGNS, "x" * 2000))


def told(kind: str, judged: str, manner: str) -> Claim:
    fields = ALERTS[manner]
    happened: AlertEvent = event(kind=EventKind.FIRED, **fields) if kind == "firing" else ended(**fields)
    said: Verdict | None = None
    if judged == "verdict":
        said = JUDGED if manner == "plain" else HOSTILELY_JUDGED
    return claim(happened, said, thread="" if kind == "firing" else "1760000000.000100")


@pytest.mark.parametrize("to", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("kind", ["firing", "resolved"])
@pytest.mark.parametrize("judged", ["verdict", "none"])
@pytest.mark.parametrize("manner", ["plain", "hostile"])
def test_a_body_is_the_golden_one(to: Target, kind: str, judged: str, manner: str) -> None:
    name = next(name for name, each in TARGETS.items() if each is to)
    path = GOLDEN / name / f"{kind}-{judged}-{manner}.json"
    parcel = packed(told(kind, judged, manner), to)
    found = {"method": parcel.method, "url": parcel.url, "body": json.loads(parcel.body)}
    if os.environ.get("REWRITE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


def test_no_golden_file_is_left_over() -> None:
    expected = {
        GOLDEN / name / f"{kind}-{judged}-{manner}.json"
        for name in TARGETS
        for kind in ("firing", "resolved")
        for judged in ("verdict", "none")
        for manner in ("plain", "hostile")
    }
    assert set(GOLDEN.rglob("*.json")) == expected
