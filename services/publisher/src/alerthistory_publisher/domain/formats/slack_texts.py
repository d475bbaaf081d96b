"""Texts as Slack wants them: its objects, its escapes and its way of counting."""

from typing import Any

from alerthistory_common.alerts import Instant

# All that Slack asks to be escaped, and all that it takes for commands: <!channel>, <@user>, <address|text>.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ELLIPSIS = "…"


def plain_text(text: str, limit: int) -> dict[str, Any]:
    """Return the object that shows *text* as it is: Slack formats nothing in it, nor looks for emoji or names."""
    return {"type": "plain_text", "text": shortened(text, limit), "emoji": False}


def mrkdwn(text: str) -> dict[str, Any]:
    """Return the object that shows *text*, which is ours or escaped; Slack looks for no further links in it."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def shortened(text: str, limit: int) -> str:
    """Return *text*, cut and ended by an ellipsis when Slack would count more than *limit* characters."""
    return _within(text, limit, {})


def escaped(text: str, limit: int) -> str:
    """Return *text* with Slack's three escapes, shortened so that Slack counts at most *limit* characters of it."""
    return _within(text, limit, _ESCAPES)


def moment(at: Instant) -> str:
    """Return mrkdwn that shows *at* in the reader's own time zone."""
    text = at.iso_utc()
    return f"<!date^{at.micros // 1_000_000}^{{date_short_pretty}} {{time_secs}}|{text}>" if at.micros > 0 else text


def _within(text: str, limit: int, escapes: dict[str, str]) -> str:
    """Return the longest beginning of *text*, an ellipsis included, that Slack counts as at most *limit* characters."""
    pieces: list[str] = []
    length = kept = 0
    for character in text:
        piece = escapes.get(character, character)
        length += _counted(piece)
        if length > limit:
            return "".join(pieces[:kept]) + _ELLIPSIS
        pieces.append(piece)
        if length <= limit - len(_ELLIPSIS):
            kept = len(pieces)
    return "".join(pieces)


def _counted(piece: str) -> int:
    """Return the length of *piece* as JavaScript has it: a character beyond the first 65 536 counts twice."""
    return len(piece) + (piece > "\uffff")
