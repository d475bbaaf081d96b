"""What the sender says: the severity label, in the words that are in use, and marks that mean "ignore me"."""

from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.subject import Subject

_LABELS = ("severity", "priority", "level")
_WORDS = {
    Level.CRITICAL: "critical crit page pager error err fatal emergency emerg disaster high urgent p0 p1 sev0 sev1",
    Level.WARNING: "warning warn major medium moderate minor ticket p2 p3 sev2 sev3",
    Level.INFO: "info information informational notice low debug trivial p4 p5 sev4 sev5",
    Level.NOISE: "none noise ignore",
}
_LEVELS = {word: level for level, text in _WORDS.items() for word in text.split()}
_META_ALERTS = frozenset({"watchdog", "deadmansswitch", "deadmanswitch", "infoinhibitor", "alwaysfiring"})


def explicit_mark(subject: Subject) -> Evidence | None:
    """Return evidence of noise when the alert is a known meta alert, or its sender marks it as nothing."""
    if subject.name.lower() in _META_ALERTS:
        return Evidence(
            rule="meta-alert",
            level=Level.NOISE,
            because=f"{subject.name} fires always or for other alerts' sake and asks nothing of anybody",
            recommendations=("Route it to a dead man's switch or inhibit with it; do not show it to people.",),
        )
    said = sender_says(subject)
    return said if said is not None and said.level is Level.NOISE else None


def sender_says(subject: Subject) -> Evidence | None:
    """Return what the first severity label with a known word says, None when there is none."""
    for label in _LABELS:
        word = subject.labels.get(label, "").strip().lower()
        if (level := _LEVELS.get(word)) is not None:
            return Evidence(
                rule=f"label-{level.name.lower()}", level=level, because=f"its sender calls it {label} {word!r}"
            )
    return None
