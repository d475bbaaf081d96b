"""Who appears in the story: the alerts, and when each of them changes.

Moments are parts of the story, from 0 to 1. A changing alert is what makes Alertmanager send its group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class Turn(Enum):
    """What happens to an alert."""

    FIRES = "it fires, with a new start"
    RESOLVES = "it resolves"
    FIRES_AGAIN = "it fires with its old start: the resolve was false"
    FIRED_EARLIER = "a second Prometheus saw it earlier: its start moves back"
    REPEATS = "nothing changed; the group is sent again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One alert; ``began_before`` is how long it has fired when it is first told, None for a moment."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    turns: tuple[tuple[float, Turn], ...]
    began_before: timedelta | None = None


def _character(
    name: str,
    severity: str,
    summary: str,
    turns: tuple[tuple[float, Turn], ...],
    *,
    began_before: timedelta | None = None,
    **labels: str,
) -> Character:
    runbook = f"https://runbooks.example.org/{name.lower()}"
    return Character(
        labels={"alertname": name, "severity": severity, "cluster": "eu-west-1", **labels},
        annotations={"summary": summary, "runbook_url": runbook},
        turns=turns,
        began_before=began_before,
    )


def cast() -> tuple[Character, ...]:
    """Return everybody who appears, in the order of their first turn."""
    return (
        _watchdog(),
        _character(
            "PostgresqlBackupMissing",
            "critical",
            "No successful base backup of orders-db for more than a day",
            ((0.0, Turn.FIRES), (0.5, Turn.REPEATS), (0.95, Turn.REPEATS)),
            began_before=timedelta(hours=26),
            namespace="databases",
            instance="orders-db-0:9187",
            job="postgres-exporter",
        ),
        *_kubernetes(),
        *_databases(),
        *_probes(),
        *_nodes(),
    )


def _watchdog() -> Character:
    turns = ((0.0, Turn.FIRES), *((part / 4, Turn.REPEATS) for part in (1, 2, 3)))
    return _character(
        "Watchdog",
        "none",
        "Always fires, to show that the alerting pipeline works",
        turns,
        began_before=timedelta(days=12),
        namespace="monitoring",
        prometheus="monitoring/k8s",
    )


def _kubernetes() -> tuple[Character, ...]:
    flapping = tuple((0.08 + 0.09 * step, Turn.FIRES if step % 2 == 0 else Turn.RESOLVES) for step in range(10))
    return (
        _character(
            "KubePodCrashLooping",
            "warning",
            "Pod payments/checkout-worker-7d4f9c restarts again and again",
            flapping,
            namespace="payments",
            pod="checkout-worker-7d4f9c",
            container="worker",
        ),
        _character(
            "KubeDeploymentReplicasMismatch",
            "warning",
            "Deployment payments/checkout-worker runs 1 of 3 replicas",
            ((0.12, Turn.FIRES), (0.93, Turn.RESOLVES)),
            namespace="payments",
            deployment="checkout-worker",
        ),
        _character(
            "CheckoutErrorRateHigh",
            "critical",
            "12 % of the checkouts fail with 5xx",
            ((0.2, Turn.FIRES), (0.66, Turn.RESOLVES)),
            namespace="shop",
            service="checkout",
        ),
        _character(
            "CheckoutLatencyHigh",
            "warning",
            "p99 of the checkout is 2.4 s",
            ((0.22, Turn.FIRES), (0.38, Turn.RESOLVES), (0.5, Turn.FIRES_AGAIN), (0.9, Turn.RESOLVES)),
            namespace="shop",
            service="checkout",
        ),
        _character(
            "KubeJobFailed",
            "info",
            "Job shop/nightly-report failed; its next run is tomorrow",
            ((0.3, Turn.FIRES),),
            namespace="shop",
            job_name="nightly-report",
        ),
    )


def _databases() -> tuple[Character, ...]:
    return (
        _character(
            "PostgresqlReplicationLag",
            "warning",
            "orders-db-1 is 48 s behind its primary",
            ((0.15, Turn.FIRES), (0.6, Turn.RESOLVES)),
            namespace="databases",
            instance="orders-db-1:9187",
            job="postgres-exporter",
        ),
        _character(
            "PostgresqlTooManyConnections",
            "critical",
            "orders-db-0 uses 97 % of its connections",
            ((0.18, Turn.FIRES), (0.64, Turn.RESOLVES)),
            namespace="databases",
            instance="orders-db-0:9187",
            job="postgres-exporter",
        ),
        _character(
            "RedisMemoryHigh",
            "info",
            "session-cache uses 81 % of its memory",
            ((0.4, Turn.FIRES), (0.8, Turn.RESOLVES)),
            namespace="databases",
            instance="session-cache-0:9121",
            job="redis-exporter",
        ),
    )


def _probes() -> tuple[Character, ...]:
    return (
        _character(
            "ProbeFailed",
            "critical",
            "https://shop.example.org does not answer from Frankfurt – since «before lunch»",
            ((0.25, Turn.FIRES), (0.35, Turn.FIRED_EARLIER), (0.7, Turn.RESOLVES)),
            namespace="monitoring",
            instance="https://shop.example.org",
            job="blackbox",
        ),
        _character(
            "CertificateExpiresSoon",
            "warning",
            "The certificate of api.example.org expires in 9 days",
            ((0.05, Turn.FIRES),),
            namespace="monitoring",
            instance="https://api.example.org",
            job="blackbox",
        ),
    )


def _nodes() -> tuple[Character, ...]:
    filling = _character(
        "NodeFilesystemAlmostFull",
        "warning",
        "/var of node-3 is 91 % full",
        ((0.1, Turn.FIRES),),
        namespace="monitoring",
        instance="node-3:9100",
        job="node-exporter",
        mountpoint="/var",
    )
    unreachable = (
        _character(
            "NodeUnreachable",
            "critical",
            f"node-{number} does not answer",
            ((0.55 + 0.01 * number, Turn.FIRES), (0.75 + 0.01 * number, Turn.RESOLVES)),
            namespace="monitoring",
            instance=f"node-{number}:9100",
            job="node-exporter",
        )
        for number in range(1, 6)
    )
    return filling, *unreachable
