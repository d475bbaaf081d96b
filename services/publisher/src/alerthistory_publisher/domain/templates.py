"""Titles and descriptions in an operator's own words: a small part of Jinja2, in which no template can do harm.

A template is the operator's, but what it is given comes from senders: it must not run away on a strange alert. So there
are expressions, ``if`` and ``for``, the filters and methods below, and bounds on everything that can grow.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import lru_cache, wraps
from itertools import islice
from time import perf_counter
from typing import Any, cast

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.content import Content, read
from alerthistory_publisher.domain.formats.texts import cut, percent, plain

MAX_TEMPLATE_LENGTH = 10_000
MAX_OUTPUT_LENGTH = 20_000

_MAX_VALUE_LENGTH = 4000
_MAX_ITEMS = 100
_MAX_RESULT_LENGTH = 100_000
_MAX_NUMBER = 10**15
_MAX_STEPS = 1000
_MAX_TIME_S = 0.25
_MAX_DEPTH = 2

# Ours: no template can name them.
_STEPS, _ROUNDS, _BOUNDED = "_steps", "_rounds", "_bounded"

_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr),
    *(nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Call),
    *(nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr),
)
FILTERS = frozenset(
    {
        *("join", "percent", "replace"),
        *("abs", "float", "int", "max", "min", "round", "sum"),
        *("capitalize", "e", "escape", "lower", "string", "title", "tojson", "trim", "truncate", "upper", "urlencode"),
        *("count", "d", "default", "first", "last", "length"),
        *("dictsort", "items", "list", "map", "reverse", "sort", "unique"),
        *("reject", "rejectattr", "select", "selectattr"),
    }
)
"""The filters that templates can use."""

VARIABLES = frozenset(
    {
        *("alert_name", "status", "labels", "annotations", "namespace", "severity", "verdict"),
        *("fingerprint", "starts_at", "ends_at", "generator_url"),
    }
)
"""What templates know of an alert."""

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset({"endswith", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "title", "upper"}),
    dict: frozenset({"get", "items", "keys", "values"}),
}
"""The methods that templates can call, by the type of what has them."""


class TemplateFailedError(ValueError):
    """A template cannot be rendered; the message says why, and nothing of the alert."""


def template_problem(text: str) -> str:
    """Return what is wrong with the template *text*, empty when nothing is. It is tried on sample alerts."""
    if len(text) > MAX_TEMPLATE_LENGTH:
        return f"is longer than {MAX_TEMPLATE_LENGTH} characters"
    try:
        for sample in _samples():
            render(text, sample)
    except TemplateFailedError as error:
        return str(error)
    return ""


def render(text: str, content: Content) -> str:
    """Return what the template *text* says of *content*, at most ``MAX_OUTPUT_LENGTH`` characters of it.

    Raises TemplateFailedError when it cannot be rendered, or takes too much.
    """
    try:
        template = _compiled(text)
        steps = _Steps(_MAX_STEPS, until=perf_counter() + _MAX_TIME_S)
        pieces = template.generate(_variables(content) | {_STEPS: steps})
        return plain(_joined(pieces)).strip()
    except TemplateFailedError:
        raise
    except TemplateSyntaxError as error:
        raise TemplateFailedError(f"line {error.lineno}: {cut(error.message or 'is wrong', 200)}") from None
    except Exception as error:  # noqa: BLE001  # What a template does to the values of senders may raise anything.
        raise TemplateFailedError(f"cannot be rendered: {type(error).__name__}") from None


class _Steps:
    """Counts the rounds of loops in one rendering."""

    def __init__(self, limit: int, *, until: float) -> None:
        self._left = limit
        self._until = until

    def _take(self) -> None:
        self._left -= 1
        if self._left < 0 or perf_counter() > self._until:
            raise TemplateFailedError("its loops take too long")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox: what can grow is bounded, and only known methods can be called."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether *obj* is ``range``, or one of the methods that templates may call."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        return obj is _range or any(isinstance(owner, kind) and name in known for kind, known in METHODS.items())

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the sum, the product or the remainder, of numbers; or two texts together."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _bounded(left + right)
        if operator == "**" or not (_is_number(left) and _is_number(right)):
            raise TemplateFailedError(f"the operator {operator} is for small numbers only")
        return _bounded(_ARITHMETIC[operator](left, right))


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "*": operator.mul, "%": operator.mod}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _bounded(value: Any) -> Any:
    """Return *value*; raise TemplateFailedError when it has grown too much. An iterator is watched instead."""
    if isinstance(value, Iterator):
        return _watched(value)
    if isinstance(value, int | float):
        is_too_much = not math.isfinite(value) or abs(value) > _MAX_NUMBER
    else:
        is_too_much = isinstance(value, str | list | tuple | dict) and len(value) > _MAX_RESULT_LENGTH
    if is_too_much:
        raise TemplateFailedError("a value in it becomes too long")
    return value


def _watched(items: Iterator[Any]) -> Iterator[Any]:
    """Yield *items* as long as they are not too much together."""
    room = _MAX_RESULT_LENGTH
    for each in items:
        room -= 1 + (len(each) if isinstance(each, Sized) else 0)
        if room < 0:
            raise TemplateFailedError("a value in it becomes too long")
        yield each


def _range(*bounds: int) -> range:
    """Return ``range(…)``, at most as long as what else can be looped over."""
    numbers = range(*bounds)
    if len(numbers[: _MAX_ITEMS + 1]) > _MAX_ITEMS:
        raise TemplateFailedError(f"its range is longer than {_MAX_ITEMS}")
    return numbers


@pass_context
def _rounds(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    """Yield *items* for a loop as long as the rendering has steps left."""
    steps: _Steps = context[_STEPS]
    for each in items:
        steps._take()
        yield each


def _join(items: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    """Return *items* as texts with *separator* between them; of objects, what *attribute* names."""
    found = [
        each.get(attribute) if attribute and isinstance(each, dict) else each for each in islice(items, _MAX_STEPS)
    ]
    texts = [str(each) for each in found]
    if sum(len(text) + len(separator) for text in texts) > _MAX_RESULT_LENGTH:
        raise TemplateFailedError("a value in it becomes too long")
    return separator.join(texts)


def _replace(text: object, old: str, new: str, count: int = -1) -> str:
    """Return *text* with *new* for *old*, *count* times or everywhere."""
    whole, times = str(text), str(text).count(old) if count < 0 else count
    if len(whole) + times * len(new) > _MAX_RESULT_LENGTH:
        raise TemplateFailedError("a value in it becomes too long")
    return whole.replace(old, new, count)


def _percent(value: Any) -> str:
    """Return a number from 0 to 1 as whole percent; what is no number as nothing."""
    return percent(value) if _is_number(value) else ""


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the filter *function*, whose results may not be too long."""

    @wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        return _bounded(function(*args, **kwargs))

    return limited


def _environment() -> _Environment:
    # The optimizer evaluates what is constant again and again, in a time that grows with the square of its depth.
    environment = _Environment(autoescape=False, undefined=ChainableUndefined, optimized=False)
    given = DEFAULT_FILTERS | {"join": _join, "percent": _percent, "replace": _replace}
    environment.filters = {name: _limited(given[name]) for name in FILTERS}
    environment.filters |= {_ROUNDS: _rounds, _BOUNDED: _bounded}
    environment.globals = {"range": _range}
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    tree = _ENVIRONMENT.parse(text)
    _check(tree, depth=0)
    names = list(tree.find_all(nodes.Name))
    known = VARIABLES | {"range", "loop"} | {each.name for each in names if each.ctx == "store"}
    for each in names:
        if each.name not in known:
            raise TemplateSyntaxError(f"there is no variable {each.name!r}", each.lineno)
    return _ENVIRONMENT.from_string(_guarded(tree))


def _check(node: nodes.Node, *, depth: int) -> None:
    """Raise TemplateSyntaxError when there is anything in *node* that templates may not have."""
    if not isinstance(node, _NODES):
        raise TemplateSyntaxError(f"{type(node).__name__} cannot be used here", node.lineno)
    if (name := _name(node)) == "self" or name.startswith("_"):
        raise TemplateSyntaxError(f"{name!r} cannot be used here", node.lineno)
    if isinstance(node, nodes.For):
        depth += 1
        if depth > _MAX_DEPTH or node.recursive:
            raise TemplateSyntaxError(f"loops can be nested {_MAX_DEPTH} deep at most", node.lineno)
    for child in node.iter_child_nodes():
        _check(child, depth=depth)


def _name(node: nodes.Node) -> str:
    """Return the name of the variable, the attribute or the filter that *node* is, empty for others."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.name if isinstance(node, nodes.Name | nodes.Filter) else ""


def _guarded(tree: nodes.Template) -> nodes.Template:
    """Return *tree* with all its loops counted, and the length of what is joined by ``~`` checked."""
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = _filtered(cast("nodes.Expr", loop.iter), _ROUNDS)
    for node in list(tree.find_all(nodes.Concat)):
        # A node takes the place of another one, which stands below it.
        node.nodes = [_filtered(nodes.Concat(node.nodes, lineno=node.lineno), _BOUNDED)]
    tree.set_environment(_ENVIRONMENT)
    return tree


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _joined(pieces: Iterable[str]) -> str:
    text = ""
    for piece in pieces:
        text += piece[: MAX_OUTPUT_LENGTH + 1]
        if len(text) > MAX_OUTPUT_LENGTH:
            return cut(text, MAX_OUTPUT_LENGTH)
    return text


def _variables(content: Content) -> dict[str, Any]:
    event, verdict = content.event, content.verdict
    return {
        "alert_name": _value(event.alert_name),
        "status": content.status,
        "labels": _values(content.labels),
        "annotations": _values(content.annotations),
        "namespace": _value(content.namespace),
        "severity": _value(content.label("severity")),
        "verdict": None if verdict is None else _said(verdict),
        "fingerprint": _value(event.fingerprint),
        "starts_at": event.starts_at.iso_utc(),
        "ends_at": "" if event.ends_at is None else event.ends_at.iso_utc(),
        "generator_url": _value(event.generator_url or ""),
    }


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": _value(verdict.reasoning),
        "recommendations": [_value(text) for text in verdict.recommendations[:_MAX_ITEMS]],
    }


def _values(found: Mapping[str, Any]) -> dict[str, str]:
    return {_value(name): _value(value) for name, value in islice(found.items(), _MAX_ITEMS)}


def _value(value: object) -> str:
    return cut("" if value is None else str(value), _MAX_VALUE_LENGTH)


def _samples() -> list[Content]:
    """Return an alert that fires and was judged, and one that has ended and was not."""
    verdict = Verdict(severity=Severity.WARNING, confidence=0.9, reasoning="Why.", recommendations=("Look.", "Act."))
    fired = Publication(event=_sample(EventKind.FIRED), verdict=verdict)
    return [read(fired), read(Publication(event=_sample(EventKind.RESOLVED)))]


def _sample(kind: EventKind) -> AlertEvent:
    at = Instant(1_760_000_000_000_000)
    return AlertEvent(
        event_id="sample",
        cursor="",
        kind=kind,
        fingerprint=Fingerprint("00000000000000a1"),
        alert_name="HighLatency",
        starts_at=at,
        ends_at=None if kind.is_firing else at,
        labels_json=b'{"alertname":"HighLatency","namespace":"prod","severity":"warning","instance":"10.0.0.1:80"}',
        annotations_json=b'{"summary":"Latency is high","description":"Requests take 3 s"}',
        generator_url="https://prometheus.example.com/graph",
        occurred_at=at,
        received_at=at,
        sender="sample",
    )
