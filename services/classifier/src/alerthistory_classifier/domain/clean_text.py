"""Texts of alerts made fit for a language model: no secrets, nothing invisible, and not without end."""

import re

CUT = "…"
_MASK = "[redacted]"

# Control characters but tab and newline, bidirectional overrides, zero-width characters, Unicode's tag characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)

_SECRET_NAME = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"  # noqa: S105  # A pattern.
_SECRET_KEY = re.compile(rf"(?:^|[_.-]){_SECRET_NAME}$", re.IGNORECASE)
_SECRETS = (
    # "password=hunter2", "api_key: abc": the name stays.
    (re.compile(rf"(?i)({_SECRET_NAME}[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)[^\s\"',;&]{{3,}}"), rf"\1{_MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), rf"\1 {_MASK}"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{0,100}:[^\s/@]{1,200}@"), f"{_MASK}@"),
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)", re.DOTALL),
        _MASK,
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), _MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), _MASK),
    (
        re.compile(
            r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|gh[pousr]_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{20,}"
            r"|sk-[A-Za-z0-9_-]{16,})"
        ),
        _MASK,
    ),
    (re.compile(r"hooks\.slack\.com/services/\S{1,200}"), f"hooks.slack.com/services/{_MASK}"),
)


def without_invisible(text: str) -> str:
    """Return *text* without characters that nobody sees, or that make it look like another."""
    return _INVISIBLE.sub("", text)


def redacted(text: str) -> str:
    """Return *text* with everything that looks like a secret masked. What is masked is not known to be one."""
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text


def clean(name: str, text: str, *, limit: int) -> str:
    """Return the value *text* of the label or annotation *name*, at most *limit* characters, fit to be shown."""
    if _SECRET_KEY.search(name):
        return _MASK
    # A megabyte is cut before it is searched; a secret that the cut halves is masked all the same.
    seen = redacted(without_invisible(text[: 4 * limit]))
    return seen if len(seen) <= limit else seen[: limit - 1] + CUT
