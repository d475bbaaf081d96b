"""Texts that speak to a language model instead of about an alert."""

import base64
import re
import unicodedata
from collections.abc import Iterable, Iterator

from alerthistory_classifier.domain.clean_text import without_invisible
from alerthistory_classifier.domain.patterns import Patterns

_VERDICT = r"(?:noise|noisy|info|informational|critical|harmless|unimportant|benign)"
_ORDERS = Patterns(
    f"(?s){pattern}"
    for pattern in (
        # "Ignore all previous instructions", in a few languages.
        r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|preceding|all|your|any)\b"
        r".{0,40}\b(?:instruction|prompt|rule|direction|guideline|polic|message)",
        r"(?:ignoriere|vergiss|ignorez|oubliez|ignora|olvida|игнорируй|забудь)\s.{0,60}"
        r"(?:anweisung|regel|instruction|consigne|instruccion|instrucción|инструкци|правил)",
        r"\b(?:new|updated|real|actual|following) (?:system )?(?:instruction|prompt)s?\b ?[:=-]",
        # Telling the model what it is and how to answer.
        r"\byou (?:are|must|should|will|shall) (?:now |always |only )?"
        r"(?:be an?|act as|respond|answer|reply|classify|output)\b",
        r"\byou are (?:now )?an? (?:ai|assistant|language|large|helpful|model)",
        r"\bas an? (?:ai|language model|assistant)\b",
        r"\b(?:classify|mark|label|treat|judge|rate|respond|reply|answer)\b "
        r"(?:this|it|the|them|these|everything|with|only|as)\b"
        rf".{{0,40}}\b{_VERDICT}\b",
        r"\b(?:set|change|lower|raise|output|return)\b.{0,20}\bseverity\b.{0,10}\b(?:to|as|=)",
        rf"\bseverity\W{{1,6}}{_VERDICT}\b.{{0,80}}\bconfidence\W{{1,6}}",
        # The marks that models themselves separate speakers by, and ours.
        r"\bsystem prompt\b",
        r"<\|?/?(?:im_start|im_end|system|assistant|endoftext|eot_id|start_header_id|end_header_id|tool_call|alert)\|?>",
        r"\[/?inst\]|<</?sys>>",
        r"(?:^|\n) {0,5}(?:system|assistant|human) {0,3}:",
        r"\b(?:jailbreak|prompt.?injection|do anything now)\b",
    )
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,4000}={0,2}")
_BLANKS = re.compile(r"[^\S\n]+")


def is_suspicious(texts: Iterable[str]) -> bool:
    """Whether any of *texts* gives orders: then no model is asked, and the rules do not listen to that text.

    It looks through what is invisible, full-width letters and base64. What it overlooks can do no more than a wrong
    answer can: see ``guard``.
    """
    return any(_ORDERS.matching(form) for text in texts for form in _forms(text))


def _forms(text: str) -> Iterator[str]:
    yield _plain(text)
    for match in _BASE64.finditer(text):
        if hidden := _decoded(match[0]):
            yield _plain(hidden)


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", without_invisible(text))).lower()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except ValueError:
        return ""
