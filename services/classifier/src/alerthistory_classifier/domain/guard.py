"""What a language model may not do to an alert, whatever it says."""

from alerthistory_common.alerts import Severity


def guarded(severity: Severity, *, is_critical_by_sender: bool) -> Severity:
    """Return *severity*, but a warning at least when the sender says critical.

    A model alone silences no page.
    """
    is_lowered_too_far = severity in {Severity.INFO, Severity.NOISE}
    return Severity.WARNING if is_critical_by_sender and is_lowered_too_far else severity
