"""What numbers in the texts say: how full, how long until, which share, how many fail."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from re import Match

from alerthistory_classifier.domain.evidence import Evidence, Level, Votes
from alerthistory_classifier.domain.patterns import Patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a figure says critical, and warning; the votes for each level."""

    critical: float
    warning: float
    votes: Mapping[Level, Votes]

    def level(self, figure: float) -> Level:
        """Return what *figure* says; with a critical limit below the other one, small figures are the grave ones."""
        is_falling = self.critical < self.warning
        sign = -1 if is_falling else 1
        if sign * figure >= sign * self.critical:
            return Level.CRITICAL
        return Level.WARNING if sign * figure >= sign * self.warning else Level.INFO


_N = r"(\d{1,9}(?:[.,]\d{1,9})?)"
_PERCENT = rf"(?<![\d.,]){_N}\s?(?:%|percent\b|pct\b|prozent\b)"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|s|m|h|d|w)"
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "an": 1, "a": 1}
_COUNT = rf"(?:\d{{1,9}}(?:\.\d{{1,9}})?|{'|'.join(_WORDS)})"
_SPAN = (
    rf"(?:(?P<count>{_COUNT})\s?(?P<unit>{_UNIT})"
    r"(?:\s?(?P<more>\d{1,3})\s?(?P<less>h|m|min|hours?|minutes?))?(?!\w))"
)
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0, "w": 10_080.0, "mo": 43_200.0, "y": 525_600.0}
_BYTES = {"k": 1.0, "m": 1e3, "g": 1e6, "t": 1e9, "p": 1e12}

_FULL_WORD = r"(?:full|used|usage|utili[sz]\w*|in use|occupied|consumed|belegt|voll)"
_STORE = (
    r"(?:disk|volume|filesystem|file system|storage|space|memory|maxmemory|heap|old gen|quota|pool|"
    r"capacity|swap|inodes?|"
    r"partition|tablespace|threshold|watermark|limit|connections?|threads?|xids?|licen[sc]es?|"
    r"descriptors?|queue|buffer|"
    r"link|bandwidth|interface|database size|osd)"
)
_USED = re.compile(rf"{_PERCENT}\s?(?:of (?:its |the |all |max\w* )*[^.;\n%]{{0,40}}?)?{_FULL_WORD}\b")
_USES = re.compile(
    rf"\b(?:us(?:es|ing)|at|is|reached|reaches|exceeds|exceeded|hit|above|over|stage|threshold)"
    rf"\b[^.;\n%]{{0,30}}?[\[(]?{_PERCENT}[\])]?"
    rf"\s?(?:of )?(?:its |the |all )?[^.;\n%]{{0,25}}?\b{_STORE}\b"
)
_STORE_USED = re.compile(
    rf"\b{_STORE}\b[^.;\n%]{{0,40}}?\b(?:{_FULL_WORD}|at|exceeds|exceeded|is|>|=)"
    rf"\s?[^.;\n%]{{0,20}}?{_PERCENT}(?! (?:free|available|left))"
)
_THRESHOLD = re.compile(rf"\b(?:watermark|threshold)\b[^.;\n%]{{0,10}}[\[(]{_PERCENT}[\])]")
_FREE = re.compile(
    rf"{_PERCENT}\s?(?:\w+ ){{0,2}}?(?:free|available|left|remaining|frei|verfügbar)\b|(?<![\d.,])"
    rf"{_N}\s?% (?:space|inodes) left\b"
)
_FREE_BYTES = re.compile(
    rf"(?:\b(?:free|available|left|remaining)\b[^.;\n\d]{{0,25}}{_N}\s?([kmgtp])i?b\b|{_N}\s?([kmgtp])"
    rf"i?b\b(?: \(of [^)\n]{{1,20}}\))? (?:\w+ )?(?:free|available|left|remaining)\b)"
)
_GROWTH = re.compile(
    rf"\b(?:grow\w*|decreas\w*|increas\w*|fill\w*|shrink\w*|los(?:es|ing)|consum\w*)"
    rf"\b[^.;\n\d]{{0,20}}{_N}\s?([kmgtp])i?b\s?(?:/|per |an? |every )\s?(hour|h|minute|min|m|day|d)\b"
)
# What comes to pass in that time is bad, and it has not come to pass.
_LOSS = (
    r"\b(?:full|fills?|fill up|filling|expir\w+|expiry|run(?:s|ning)? out|exhaust\w*|depleted|refuse|"
    r"stops?|stop writing|closed?|closes|deleted?|purged?|"
    r"suspend\w*|shut(?:s|ting)? ?down|shutdown|fail|fails|reach(?:es)?|unavailable|due|cut.?off|gone|"
    r"falls?|breach\w*|deadline|empty|"
    r"runtime|battery|end(?:s)? of|lost|dropped|blocked|overflow\w*|starve|terminated|watermark|"
    r"wraparound|lapses?|renewal|invalid|offline)\b"
)
_IN = (
    r"\b(?:in|within|in the next|within the next)\s"
    r"(?:less than |about |approximately |approx\.? |around |only |another |~ ?|< ?|roughly |est\.? |the next )?"
)
_TIME_LEFT = re.compile(rf"{_LOSS}[^.;\n]{{0,60}}?{_IN}{_SPAN}")
_TIME_BEFORE = re.compile(rf"{_IN}{_SPAN}[^.;\n]{{0,30}}?{_LOSS}")
_SPAN_LEFT = re.compile(
    rf"(?:\b(?:is|are|has|have|only|about|~|with)\s)?{_SPAN}\s(?:to full\b|to empty\b|of (?:runtime|"
    rf"battery|fuel|headroom|capacity) )?(?:from expiry|left\b|remaining\b|to (?:live|go)\b|until\b|"
    rf"before\b|of runtime\b)"
)
_FUTURE_NOT = re.compile(
    r"\b(?:failed|failing|has (?:not )?been|have been|was|were|took|taking|since|did not|last|past|ago|took|behind)\b"
)

_LOST_WORD = (
    r"(?:down|unavailable|unreachable|failed|failing|fails?|missing|not ?ready|notready|unready|"
    r"unhealthy|lost|offline|dead|sealed|stopped|"
    r"crashed|degraded|report the same|rejected|disconnected|red|disappeared|broken|gone)"
)
_THERE_WORD = (
    r"(?:available|up|ready|online|healthy|running|established|connected|serving|in service|active "
    r"brokers|joined|alive|synced|in sync|quorum|reachable|present)"
)
_THINGS = (
    r"(?:replicas?|pods?|nodes?|instances?|brokers?|members?|targets?|hosts?|servers?|runners?|"
    r"drives?|disks?|zones?|locations?|sessions?|upstreams?|"
    r"workers?|osds?|pgs?|partitions?|shards?|probes?|links?|uplinks?|controllers?|cores?|channels?|"
    r"trunks?|sites?|devices?|sensors?|fans?|psus?|backends?|"
    r"gateways?|endpoints?|vms?|containers?|machines?|agents?|regions?|stores?|shops?|terminals?|"
    r"cameras?|phones?|lines?|tunnels?|peers?|clients?|of this deployment)"
)
_OF = re.compile(
    r"(?<![\d.,/:-])(\d{1,7})\s?(?:of|out of|/|von)\s?(?:the |all |its |total )?(\d{1,7})"
    r"(?![\d.,:%/-])(?P<after>[^.;\n]{0,60})"
)
_NOT_THINGS = re.compile(
    r"\b(?:connections?|threads?|active|busy|used|in use|vcpus?|slots?|tokens?|attempt|step|stage|"
    r"retries|ids|xids|licen[sc]es?|requests?)\b"
)
_ALL = re.compile(rf"\ball (\d{{1,7}}) (?:\w+ ){{0,3}}?{_THINGS}[^.;\n]{{0,40}}?\b{_LOST_WORD}\b")
_SHARE_PERCENT = re.compile(
    rf"{_PERCENT} of (?:the |all )?[^.;\n]{{0,60}}?\b{_THINGS}\b[^.;\n]{{0,40}}?\b(?:are |is )?{_LOST_WORD}\b"
)

_CALLS = (
    r"(?:requests?|calls?|responses?|queries|transactions?|payments?|logins?|authori[sz]ations?|"
    r"checkouts?|orders?|traffic|messages|packets|sessions?|jobs|probes|deliveries|mails?|uploads?|"
    r"predictions?)"
)
_BAD = (
    r"(?:fail\w*|error\w*|5xx\w*|50\d|reject\w*|drop\w*|lost|time ?out\w*|timed out|refused|aborted|"
    r"declined|servfail)"
)
_FAILING = re.compile(
    rf"{_PERCENT} (?:of )?(?:the |all |clean |incoming |client )*(?:\S+ )"
    rf"{{0,3}}?{_CALLS}\b[^.;\n%]{{0,40}}?\b{_BAD}|{_PERCENT} (?:minimum )?(?:5xx|errors?|error rate|"
    rf"failures?|packet loss|loss)\b"
)
_ERROR_RATE = re.compile(
    rf"\b(?:error|failure|5xx|drop|rejection|loss|timeout|bounce)s?\b(?: \w+)? ?(?:rate|ratio|share|"
    rf"percentage)?\b[^.,;\n%]{{0,30}}?(?:is|at|of|:|=|to|for)?\s?{_PERCENT}"
)
_REJECTS = re.compile(
    rf"\b(?:rejects?|drops?|fails?|failing|errors? (?:for|on)|refuses?|servfail for|returning \w+ for|"
    rf"failed to \w+|loses?)\b (?:about |over |more than )?{_PERCENT}"
)
_SUCCESS = re.compile(
    rf"\b(?:success|availability|uptime|delivery|completion|answer)\b ?(?:rate|ratio)?\b[^.;\n%]{{0,30}}?{_PERCENT}"
)
_MINOR = re.compile(
    r"\b4xx|\b404\b|\bobjective\b|\bthreshold\b|\busual\b|\bbudget\b|\bmore tha[nt]\b|\bcpu\b|"
    r"\bthrottl|\bnotifications?\b"
)

_BURN = re.compile(
    r"\b(?:burn\w*|budget)\b[^.;\n]{0,50}?(\d{1,4}(?:\.\d{1,3})?)\s?(?:x|times)\b|"
    r"(\d{1,4}(?:\.\d{1,3})?)\s?x\b[^.;\n]{0,30}?\b(?:burn|budget)"
)
_MONEY = re.compile(
    r"[$€£]\s?(\d[\d,]{0,12}(?:\.\d+)?)[^$€£\n]{0,60}?\b(?:expected|usual\w*|normal\w*|forecast|"
    r"budget\w*|planned|average)\b[^$€£\d\n]{0,15}[$€£]\s?(\d[\d,]{0,12}(?:\.\d+)?)"
)
_OF_FORECAST = re.compile(
    rf"\b(?:spend|cost|costs|bill)\w*\b[^.;\n%]{{0,30}}?{_PERCENT} of (?:forecast|budget|plan|expected|usual)"
)
_NOTHING = re.compile(
    r"\b(?:0|no|zero) (?:new )?(?:orders?|sales|payments?|bookings?|logins?|sign-?ups?|transactions?|"
    r"checkouts?|calls|messages|events|registrations?)\b"
)
_EXPECTED = re.compile(r"\bexpected:? (?:about |around |~|at least )?(\d{1,9}(?:\.\d{1,9})?)")

Reading = tuple[str, float, str]
"""The kind of figure, the figure, and the words that say it."""


def measured(text: str, limits: Mapping[str, Limits]) -> list[Evidence]:
    """Return what the numbers in the lower-case *text* say: of each kind the gravest."""
    gravest: dict[str, tuple[Level, str]] = {}
    for kind, figure, said in _readings(_with_value(text)):
        level = limits[kind].level(figure)
        if kind not in gravest or level > gravest[kind][0]:
            gravest[kind] = level, said
    return [_evidence(kind, limits[kind], level, said) for kind, (level, said) in gravest.items()]


_COMPARED = re.compile(r"[<>]=?\s?\d{1,9}(?:\.\d{1,9})?\s?%")
_VALUE = re.compile(r"\bvalue\s?[=:]\s?(\d{1,9}(?:\.\d{1,9})?)\b")


def _with_value(text: str) -> str:
    """Return *text* with the value that it names in place of the limit: "5xx (> 5%)", "VALUE = 38.6"."""
    value = _VALUE.search(text)
    return text if value is None else _COMPARED.sub(f"{value[1]}%", text, count=1)


def _readings(text: str) -> Iterator[Reading]:
    for number in sorted(_TRIGGERS.matching(text)):
        yield from _READERS[number](text)


def _fills(text: str) -> Iterator[Reading]:
    for pattern in (_USED, _USES, _STORE_USED, _THRESHOLD):
        for match in pattern.finditer(text):
            if not _is_about(match, _BAD_FILL):
                yield "fill", _number(match[1]), match[0]
    for match in _FREE.finditer(text):
        yield "free", _number(match[1] or match[2]), match[0]


_BAD_FILL = re.compile(
    r"\b(?:throttling|gc|error|fail\w*|5xx|requests?|cache hit|hit ratio|budget|free|available|left|cpu)\b"
)


def _is_about(match: Match[str], words: re.Pattern[str]) -> bool:
    return words.search(match[0]) is not None


def _times(text: str) -> Iterator[Reading]:
    for pattern in (_TIME_LEFT, _TIME_BEFORE, _SPAN_LEFT):
        for match in pattern.finditer(text):
            if _FUTURE_NOT.search(match[0]) is None:
                yield "time_left", _minutes(match), match[0]
    free, growth = _FREE_BYTES.search(text), _GROWTH.search(text)
    if free and growth:
        left = _number(free[1] or free[3]) * _BYTES[free[2] or free[4]]
        rate = _number(growth[1]) * _BYTES[growth[2]] / _MINUTES[growth[3][0]]
        if rate > 0:
            yield "time_left", left / rate, f"{free[0]} … {growth[0]}"


def _minutes(match: Match[str]) -> float:
    count = _WORDS.get(match["count"]) or _number(match["count"])
    minutes = count * _unit(match["unit"])
    return minutes + (_number(match["more"]) * _unit(match["less"]) if match["more"] else 0.0)


def _unit(word: str) -> float:
    return _MINUTES["mo" if word.startswith("mo") else word[0]]


def _shares(text: str) -> Iterator[Reading]:
    for match in _OF.finditer(text):
        share = _share(match, text)
        if share is not None:
            yield "share", share, f"{match[1]} of {match[2]}"
    for match in _ALL.finditer(text):
        yield "share", 1.0, match[0]
    for match in _SHARE_PERCENT.finditer(text):
        yield "share", _number(match[1]) / 100, match[0]


_LOST = re.compile(rf"\b{_LOST_WORD}\b")
_THERE = re.compile(rf"\b{_THERE_WORD}\b")
_ANY_THING = re.compile(rf"\b{_THINGS}\b")


def _share(match: Match[str], text: str) -> float | None:
    """Return which share is gone, None when the two numbers count something else."""
    part, total = int(match[1]), int(match[2])
    if not 0 <= part <= total or total == 0:
        return None
    before, after = text[max(0, match.start() - 50) : match.start()].rpartition("\n")[2], match["after"]
    if _NOT_THINGS.search(after[:25]) or _NOT_THINGS.search(before[-25:]):
        return None
    lost, there = _LOST.search(after), _THERE.search(after)
    if lost is None and there is None:
        lost, there = _LOST.search(before), _THERE.search(before)
    if lost is None and there is None:
        return None
    if not _ANY_THING.search(after) and not _ANY_THING.search(before) and total > 64:
        return None
    is_lost = there is None or (lost is not None and lost.start() < there.start() and "un" + there[0] != lost[0])
    return part / total if is_lost else 1 - part / total


def _errors(text: str) -> Iterator[Reading]:
    for pattern in (_FAILING, _ERROR_RATE, _REJECTS):
        for match in pattern.finditer(text):
            if not _is_about(match, _MINOR):
                yield "error_rate", _number(next(group for group in match.groups() if group)), match[0]
    for match in _SUCCESS.finditer(text):
        if not _is_about(match, _MINOR_SUCCESS):
            # A few per cent less than usual are a nuisance, most of them gone is an outage.
            yield "error_rate", max(0.0, 100 - _number(match[1])) / 4, match[0]


_MINOR_SUCCESS = re.compile(r"\bobjective\b|\bthreshold\b|\bbudget\b|\bburn")


def _burns(text: str) -> Iterator[Reading]:
    for match in _BURN.finditer(text):
        yield "burn_rate", _number(match[1] or match[2]), match[0]


def _excesses(text: str) -> Iterator[Reading]:
    for match in _MONEY.finditer(text):
        actual, expected = (float(group.replace(",", "")) for group in match.groups())
        if expected > 0:
            yield "excess", actual / expected, match[0]
    for match in _OF_FORECAST.finditer(text):
        yield "excess", _number(match[1]) / 100, match[0]


_USUAL = re.compile(
    rf"(?<![\w.,/:-]){_N}\s?(?P<unit>%|ms|s|min|k|m|/s|/min|req/s|rps|messages|requests|orders)"
    rf"?[^.;\n\d%]{{0,30}}?\b(?:vs\.? )?"
    rf"(?:normal|normally|usual|usually|typical|typically|was|expected|baseline|average|objective|"
    rf"limit|median|instead of|up from|down from|from)\s?(?:is |of |about |around |~)"
    rf"?{_N}\s?(?P<other>%|ms|s|min|k|m)?"
)
_ARROW = re.compile(
    rf"(?<![\w.,/:-]){_N}\s?(?P<unit>%|ms|s|min|k|m)?\s?(?:->|→|=>)\s?{_N}\s?(?P<other>%|ms|s|min|k|m)?"
)
_SCALE = {"ms": 0.001, "min": 60.0, "k": 1e3, "m": 1e6}


def _deviations(text: str) -> Iterator[Reading]:
    for pattern in (_USUAL, _ARROW):
        for match in pattern.finditer(text):
            now, usual = _scaled(match[1], match["unit"]), _scaled(match[3], match["other"] or match["unit"])
            if now > 0 and usual > 0:
                yield "deviation", max(now / usual, usual / now), match[0]


def _scaled(number: str, unit: str | None) -> float:
    return _number(number) * _SCALE.get(unit or "", 1.0)


def _nothings(text: str) -> Iterator[Reading]:
    nothing, expected = _NOTHING.search(text), _EXPECTED.search(text)
    if nothing and expected:
        yield "nothing_came", float(expected[1]), f"{nothing[0]}, {expected[0]}"


_READERS: tuple[Callable[[str], Iterator[Reading]], ...] = (
    _fills,
    _times,
    _shares,
    _errors,
    _burns,
    _excesses,
    _deviations,
    _nothings,
)
# What a text must hold for a reader to find anything, in the same order: most texts hold none of it.
_TRIGGERS = Patterns(
    (
        r"\d ?(?:%|percent|pct|prozent)",
        rf"\b(?:in|within|next|is|are|has|have|only|about|with) .{{0,20}}{_COUNT}\s?{_UNIT}|"
        rf"{_COUNT}\s?{_UNIT} (?:from|left|remaining|to|until|before|of)\b"
        r"|\d ?[kmgtp]i?b ?(?:/|per|an?|every)",
        r"\d ?(?:of|out of|/|von) ?(?:the |all |its |total )?\d|\ball \d|% of ",
        r"\d ?(?:%|percent|pct|prozent)",
        r"\d ?(?:x|times)\b",
        r"[$€£] ?\d|% of (?:forecast|budget|plan|expected|usual)",
        r"\b(?:normal|usual|typical|was|expected|baseline|average|objective|limit|median|instead|from)|->|→|=>",
        r"\bexpected",
    )
)
KINDS = ("fill", "free", "time_left", "share", "error_rate", "burn_rate", "excess", "deviation", "nothing_came")

_ADVICE = {
    "fill": "Free space or add capacity before it is full.",
    "free": "Free space or add capacity before it is full.",
    "time_left": "Act before that time is over.",
    "share": "Find out why they went, and whether the rest can carry the load.",
    "error_rate": "Look at which requests fail, and at what was deployed last.",
    "burn_rate": "Look at which requests fail, and at what was deployed last.",
    "excess": "See what is being paid for, and stop what nobody wants.",
    "deviation": "Compare with what was changed when it began.",
    "nothing_came": "Try it yourself: place an order, log in, send a message.",
}


def _evidence(kind: str, limits: Limits, level: Level, said: str) -> Evidence:
    return Evidence(
        rule=f"measured-{kind.replace('_', '-')}-{level.name.lower()}",
        because=f"its text says {' '.join(said.split())[:100]!r}",
        votes=limits.votes.get(level, Votes()),
        recommendations=(_ADVICE[kind],) if level > Level.INFO else (),
    )


def _number(text: str) -> float:
    return float(text.replace(",", "."))
