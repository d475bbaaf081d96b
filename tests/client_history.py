"""What clients said and were told, and a check, made afterwards, whether the other side kept its word."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.inbox import Delivered
from tests.payloads import ago, alert, webhook

STATUS_OF = {"fired": "firing", "refired": "firing", "resolved": "resolved", "expired": "resolved"}
"""What a delivery says, by the kind of its event."""

ALERTS_PER_WEBHOOK = 3
_RESOLVED_AFTER = 3
_RETRY_S = 0.02


@dataclass
class Outcome:
    """What rounds of faults saw, in fingerprints of alerts.

    What was not acknowledged may be there or not: its sender could not know. ``resolved`` are those of which the end
    was acknowledged, too.
    """

    rounds: int = 0
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    not_stored_once: set[str] = field(default_factory=set)
    not_fired_once: set[str] = field(default_factory=set)
    not_resolved_once: set[str] = field(default_factory=set)
    not_delivered: set[str] = field(default_factory=set)
    delivered_in_disorder: set[str] = field(default_factory=set)
    never_sent: set[str] = field(default_factory=set)

    @property
    def lost(self) -> set[str]:
        """Every alert with which something is wrong."""
        return set().union(
            self.not_stored_once,
            self.not_fired_once,
            self.not_resolved_once,
            self.not_delivered,
            self.delivered_in_disorder,
            self.never_sent,
        )

    def add(self, sender: "Sender") -> None:
        """Add what *sender* said and was told."""
        self.sent |= sender.sent
        self.acknowledged |= sender.acknowledged
        self.resolved |= sender.resolved

    def judge(self, found: "Found") -> None:
        """Compare with what there is, and note what is wrong.

        Every acknowledged alert is stored and has fired exactly once, and an acknowledged end has ended it once. Both
        are delivered at least once, the begin first, or lie among the dead letters. Nothing appears that nobody sent.
        """
        deliveries: dict[str, list[str]] = {}
        for each in found.delivered:
            deliveries.setdefault(each.fingerprint, []).append(each.status)
        for fingerprint, status in found.dead:
            deliveries.setdefault(fingerprint, []).append(status)
        self.not_stored_once = {each for each in self.acknowledged if found.stored.get(each) != 1}
        self.not_fired_once = {each for each in self.acknowledged if found.fired.get(each) != 1}
        self.not_resolved_once = {each for each in self.resolved if found.resolved.get(each) != 1}
        self.not_delivered = {each for each in self.acknowledged if "firing" not in deliveries.get(each, ())} | {
            each for each in self.resolved if "resolved" not in deliveries.get(each, ())
        }
        self.delivered_in_disorder = {each for each, statuses in deliveries.items() if statuses[0] != "firing"}
        if self.sent:
            self.never_sent = (found.stored.keys() | deliveries.keys()) - self.sent

    def __str__(self) -> str:
        return (
            f"rounds={self.rounds} acknowledged={len(self.acknowledged)} resolved={len(self.resolved)} "
            f"not_stored_once={len(self.not_stored_once)} not_fired_once={len(self.not_fired_once)} "
            f"not_resolved_once={len(self.not_resolved_once)} not_delivered={len(self.not_delivered)} "
            f"delivered_in_disorder={len(self.delivered_in_disorder)} never_sent={len(self.never_sent)} "
            f"lost={len(self.lost)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is afterwards: how often each alert is stored, fired and resolved; what was delivered, in order.

    ``dead`` are the fingerprints and statuses of dead letters.
    """

    stored: Mapping[str, int]
    fired: Mapping[str, int]
    resolved: Mapping[str, int]
    delivered: Iterable[Delivered]
    dead: Iterable[tuple[str, str]] = ()


class Sender(threading.Thread):
    """Posts webhooks of new alerts and of the ends of earlier ones; remembers what was acknowledged.

    After each it waits for *pause_s*.
    """

    def __init__(self, url: str, prefix: str, stop: threading.Event, *, pause_s: float = 0.0) -> None:
        super().__init__()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.resolved: set[str] = set()
        self._url = url
        self._prefix = prefix
        self._must_stop = stop
        self._pause_s = pause_s
        self._firing: deque[list[dict[str, Any]]] = deque()

    def run(self) -> None:
        """Post until told to stop."""
        number = 0
        with httpx.Client(timeout=5, trust_env=False, verify=False) as client:
            while not self._must_stop.is_set():
                begins = [alert(f"{self._prefix}-{number}-{index}") for index in range(ALERTS_PER_WEBHOOK)]
                number += 1
                ends = self._firing[0] if len(self._firing) >= _RESOLVED_AFTER else []
                if self._post(client, begins, ends):
                    self._firing.append([{**each, "status": "resolved", "endsAt": ago(seconds=0)} for each in begins])
                    if ends:
                        self._firing.popleft()
                    self._must_stop.wait(self._pause_s)
                else:
                    self._must_stop.wait(_RETRY_S)

    def _post(self, client: httpx.Client, begins: list[dict[str, Any]], ends: list[dict[str, Any]]) -> bool:
        """Return whether the webhook was acknowledged; ends that were not are posted again."""
        self.sent.update(each["fingerprint"] for each in begins)
        try:
            answer = client.post(f"{self._url}/webhook", json=webhook([*begins, *ends]))
        except httpx.TransportError:
            return False
        if answer.status_code != httpx.codes.OK:
            return False
        self.acknowledged.update(each["fingerprint"] for each in begins)
        self.resolved.update(each["fingerprint"] for each in ends)
        return True
