"""The format ``alertmanager``: a webhook of Alertmanager with one alert, the verdict among its annotations."""

import json
from typing import Any

from alerthistory_common.alerts import Instant, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.content import Content, cut, read

_RECEIVER = "alert-history-proxy"
_VERSION = "4"


def body(publication: Publication, *, at: Instant) -> bytes:
    """Return the body; raise ValueError or RecursionError when labels or annotations are not JSON."""
    content = read(publication)
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
    return json.dumps(document).encode()


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
