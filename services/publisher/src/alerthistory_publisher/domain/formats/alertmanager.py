"""The format ``alertmanager``: a webhook of Alertmanager with one alert, the verdict among its annotations."""

from typing import Any

from alerthistory_common.alerts import Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.texts import cut
from alerthistory_publisher.domain.targets import Target

_RECEIVER = "alert-history-proxy"
_VERSION = "4"


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter, labels and annotations as they came."""
    document = {
        "receiver": _RECEIVER,
        "status": content.status,
        "alerts": [_alert(content)],
        "groupLabels": {},
        "commonLabels": content.labels,
        "commonAnnotations": content.annotations,
        "externalURL": "",
        "version": _VERSION,
        "groupKey": f"group:{content.event.fingerprint}",
        "truncatedAlerts": 0,
    }
    return Letter(body=encode(document))


def _alert(content: Content) -> dict[str, Any]:
    event, verdict = content.event, content.verdict
    return {
        "labels": content.labels,
        "annotations": {**content.annotations, **({} if verdict is None else _said(verdict))},
        "startsAt": event.starts_at.iso_utc(),
        "endsAt": None if event.ends_at is None else event.ends_at.iso_utc(),
        "generatorURL": event.generator_url,
        "fingerprint": event.fingerprint,
        "status": content.status,
    }


def _said(verdict: Verdict) -> dict[str, str]:
    said = {
        "llm_severity": verdict.severity.value,
        "llm_confidence": str(verdict.confidence),
        "llm_reasoning": cut(verdict.reasoning, 500),
        "llm_classification_time": str(verdict.processing_time.total_seconds()),
    }
    if verdict.recommendations:
        said["llm_recommendations"] = "; ".join(verdict.recommendations[:3])
    return said
