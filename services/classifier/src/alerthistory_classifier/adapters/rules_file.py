"""Rules from YAML: those that ship with the classifier, and an operator's file, which may change while we run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import re2
import structlog
import yaml
from prometheus_client import CollectorRegistry, Gauge
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alerthistory_classifier.domain.environment import Environment, PlaceRules
from alerthistory_classifier.domain.evidence import Evidence, Level, Votes
from alerthistory_classifier.domain.lexicon import Lexicon
from alerthistory_classifier.domain.marks import MarkRules
from alerthistory_classifier.domain.measures import KINDS, Limits
from alerthistory_classifier.domain.own import OwnRule, OwnRules
from alerthistory_classifier.domain.past import Habit
from alerthistory_classifier.domain.phrases import Phrase, PhraseRules
from alerthistory_classifier.domain.rules import RuleBook
from alerthistory_classifier.domain.sender import SenderRules, SenderWord
from alerthistory_common.settings import SettingsError

_LOG = structlog.get_logger(__name__)
_INTERVAL_S = 2.0
_MAX_BYTES = 4 * 1024 * 1024


class InvalidRulesError(ValueError):
    """The rules cannot be read. The message names every place, and what may stand there."""


def _re2(pattern: str) -> str:
    try:
        re2.compile(pattern)
    except re2.error as error:
        text = error.args[0] if error.args else "not a pattern"
        raise ValueError(f"is no RE2 pattern: {text.decode() if isinstance(text, bytes) else text}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_re2)]
Vote = Annotated[float, Field(ge=-10, le=10)]
Share = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Votes(_Model):
    critical: Vote = 0.0
    warning: Vote = 0.0
    info: Vote = 0.0
    noise: Vote = 0.0


_Severity = Literal["critical", "warning", "info", "noise"]


class _Words(_Model):
    means: _Severity
    votes: _Votes
    words: list[Word]


class _Sender(_Model):
    labels: list[Word]
    told: list[Word] = []
    words: list[_Words]


_Kind = Literal["production", "staging", "development", "sandbox"]


class _Environment(_Model):
    labels: list[Word]
    kinds: dict[_Kind, list[Word]]
    votes: dict[_Kind, _Votes]


class _Habit(_Model):
    rule: Word
    because: Word
    min_times: int = Field(0, ge=0)
    min_flaps_per_hour: float | None = Field(None, ge=0)
    max_minutes: float | None = Field(None, gt=0)
    min_minutes: float | None = Field(None, gt=0)
    votes: _Votes


class _Marks(_Model):
    names: list[Word]
    labels: list[Word]
    patterns: list[Pattern]
    votes: _Votes


class _Phrase(_Model):
    rule: Word
    group: Word
    votes: _Votes
    any: list[Pattern] = Field(min_length=1)
    unless: list[Pattern] = []
    because: Word
    do: list[Word] = []


class _Limits(_Model):
    critical: float
    warning: float
    votes: dict[Literal["critical", "warning", "info"], _Votes]


class _Confidence(_Model):
    temperature: float = Field(gt=0, le=10)
    strong: Vote


class _OwnRule(_Model):
    rule: Word
    severity: _Severity
    confidence: Share = 0.95
    alert_name: Pattern | None = None
    labels: dict[str, str] = {}
    label_patterns: dict[str, Pattern] = {}
    text: Pattern | None = None
    because: str = ""
    do: list[Word] = []


class _Rules(_Model):
    """A whole set of rules."""

    own: list[_OwnRule] = []
    prior: _Votes
    new: _Votes
    sender: _Sender
    environment: _Environment
    history: list[_Habit]
    marks: _Marks
    phrases: list[_Phrase]
    measures: dict[str, _Limits]
    confidence: _Confidence
    lexicon: bool = True


class _Extension(_Model):
    """Changes to the rules that ship: whole sections replace theirs, lists of rules are put before theirs."""

    extends: Literal["default"]
    disable: list[Word] = []
    own: list[_OwnRule] = []
    phrases: list[_Phrase] = []
    history: list[_Habit] = []
    marks: _Marks | None = None
    prior: _Votes | None = None
    new: _Votes | None = None
    sender: _Sender | None = None
    environment: _Environment | None = None
    measures: dict[str, _Limits] = {}
    lexicon: bool | None = None


def parse_rules(text: str, *, name: str = "rules") -> RuleBook:
    """Return the rules in the YAML *text*; raise InvalidRulesError, which names the places in *name*."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidRulesError(f"{name}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRulesError(f"{name}: must hold keys such as `extends: default`")
    try:
        if "extends" in content:
            return _book(_extended(_Extension.model_validate(content), name))
        return _book(_complete(_Rules.model_validate(content), name))
    except ValidationError as error:
        raise InvalidRulesError("\n".join(_explained(name, dict(each)) for each in error.errors())) from error


@cache
def default_rules() -> RuleBook:
    """Return the rules that ship with the classifier."""
    return _book(_defaults())


@cache
def _defaults() -> _Rules:
    return _Rules.model_validate(yaml.safe_load(_shipped("rules.yaml")))


def _complete(rules: _Rules, name: str) -> _Rules:
    if missing := set(KINDS) - rules.measures.keys():
        raise InvalidRulesError(f"{name}: measures: lacks {', '.join(sorted(missing))}")
    if unknown := rules.measures.keys() - set(KINDS):
        raise InvalidRulesError(f"{name}: measures.{min(unknown)}: is none of {', '.join(KINDS)}")
    return rules


def _extended(changes: _Extension, name: str) -> _Rules:
    base = _defaults()
    known = {each.rule for each in base.phrases} | {each.rule for each in base.history}
    if unknown := set(changes.disable) - known:
        raise InvalidRulesError(
            f"{name}: disable: no rule is called {min(unknown)!r}; there are {', '.join(sorted(known))}"
        )
    kept_phrases = [each for each in base.phrases if each.rule not in changes.disable]
    kept_habits = [each for each in base.history if each.rule not in changes.disable]
    merged = base.model_copy(
        update={
            "own": changes.own,
            "phrases": [*changes.phrases, *kept_phrases],
            "history": [*changes.history, *kept_habits],
            "measures": {**base.measures, **changes.measures},
            **{
                section: getattr(changes, section)
                for section in ("marks", "prior", "new", "sender", "environment", "lexicon")
                if getattr(changes, section) is not None
            },
        }
    )
    return _complete(merged, name)


def _explained(name: str, error: Mapping[str, Any]) -> str:
    path = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in error["loc"]).lstrip(".")
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {path}: {message}"


def _book(rules: _Rules) -> RuleBook:
    return RuleBook(
        prior=_votes(rules.prior),
        new=_votes(rules.new),
        sender=SenderRules(
            labels=rules.sender.labels,
            told=rules.sender.told,
            words={
                word.lower(): SenderWord(level=Level[each.means.upper()], votes=_votes(each.votes))
                for each in rules.sender.words
                for word in each.words
            },
        ),
        places=PlaceRules(
            labels=rules.environment.labels,
            kinds={Environment(kind): frozenset(words) for kind, words in rules.environment.kinds.items()},
            votes={Environment(kind): _votes(each) for kind, each in rules.environment.votes.items()},
        ),
        habits=[Habit(**each.model_dump(exclude={"votes"}), votes=_votes(each.votes)) for each in rules.history],
        marks=MarkRules(
            names=frozenset(each.lower() for each in rules.marks.names),
            labels=rules.marks.labels,
            patterns=rules.marks.patterns,
            votes=_votes(rules.marks.votes),
        ),
        phrases=PhraseRules(phrases=[_phrase(each) for each in rules.phrases]),
        measures={
            kind: Limits(
                critical=each.critical,
                warning=each.warning,
                votes={Level[level.upper()]: _votes(votes) for level, votes in each.votes.items()},
            )
            for kind, each in rules.measures.items()
        },
        temperature=rules.confidence.temperature,
        strong=rules.confidence.strong,
        lexicon=_lexicon() if rules.lexicon else Lexicon(votes={}),
        own=OwnRules(rules=[_own(each) for each in rules.own]),
    )


@cache
def _lexicon() -> Lexicon:
    """Return the words that ship with the classifier."""
    lines = _shipped("lexicon.tsv").splitlines()[1:]
    return Lexicon(votes={stem: Votes(*map(float, votes)) for stem, *votes in (line.split("\t") for line in lines)})


def _shipped(name: str) -> str:
    return resources.files("alerthistory_classifier").joinpath(name).read_text(encoding="utf-8")


def _votes(votes: _Votes) -> Votes:
    return Votes(**votes.model_dump())


def _phrase(rule: _Phrase) -> Phrase:
    evidence = Evidence(
        rule=rule.rule,
        because=rule.because,
        votes=_votes(rule.votes),
        group=rule.group,
        recommendations=tuple(rule.do),
    )
    return Phrase(any=rule.any, unless=rule.unless, evidence=evidence)


def _own(rule: _OwnRule) -> OwnRule:
    return OwnRule(
        name=rule.rule,
        level=Level[rule.severity.upper()],
        confidence=rule.confidence,
        labels=rule.labels,
        label_patterns=rule.label_patterns,
        alert_name=rule.alert_name or "",
        text=rule.text or "",
        because=rule.because,
        recommendations=tuple(rule.do),
    )


class _Mark(NamedTuple):
    """What changes when a file does; a ConfigMap's file is a link to another one then."""

    inode: int
    size: int
    modified_ns: int


class RulesFile:
    """The rules in an operator's file: the last ones that could be read."""

    def __init__(self, path: Path, registry: CollectorRegistry) -> None:
        self._path = path
        self._valid = Gauge(
            "alerthistory_classifier_rules_valid", "Whether the rules in the file are those in force", registry=registry
        )
        self._mark: _Mark | None = None
        self._rules = self._read()

    def __call__(self) -> RuleBook:
        """Return the rules in force."""
        return self._rules

    async def watch(self) -> None:
        """Look again and again whether the file changed."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Read the file again if it changed; rules that are wrong leave the last ones in force."""
        try:
            if _mark(self._path) == self._mark:
                return
            self._rules = self._read()
        except (OSError, InvalidRulesError) as error:
            if self._valid._value.get():
                _LOG.error("the rules cannot be read; the last ones stay in force", error=str(error))
            self._valid.set(0)
        else:
            _LOG.info("rules read anew", file=str(self._path))

    def _read(self) -> RuleBook:
        mark = _mark(self._path)
        rules = parse_rules(_content(self._path), name=self._path.name)
        self._mark = mark
        self._valid.set(1)
        return rules


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return _Mark(found.st_ino, found.st_size, found.st_mtime_ns)


def _content(path: Path) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidRulesError(f"{path.name}: is larger than {_MAX_BYTES} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRulesError(f"{path.name}: is not UTF-8") from error


@asynccontextmanager
async def open_rules(path: Path | None, *, registry: CollectorRegistry) -> AsyncIterator[Callable[[], RuleBook]]:
    """Yield what gives the rules in force: those in the file at *path*, watched, or those that ship.

    Raises SettingsError when the file cannot be read, or its rules are wrong.
    """
    if path is None:
        rules = default_rules()
        yield lambda: rules
        return
    try:
        file = RulesFile(path, registry)
    except OSError as error:
        raise SettingsError([f"ALERTHISTORY_CLASSIFIER_RULES_FILE={path}: cannot be read: {error.strerror}"]) from error
    except InvalidRulesError as error:
        raise SettingsError([f"ALERTHISTORY_CLASSIFIER_RULES_FILE={path}: {error}"]) from error
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(file.watch())
        try:
            yield file
        finally:
            watching.cancel()
