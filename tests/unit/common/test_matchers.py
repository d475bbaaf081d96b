"""Matchers mean what Alertmanager means by them, and are read as amtool writes them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.matchers import Matcher, MatchOp

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:.-]{0,10}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "name", "op", "value"),
    [
        ("severity=critical", "severity", MatchOp.EQUAL, "critical"),
        ('severity="critical"', "severity", MatchOp.EQUAL, "critical"),
        (' pod =~ "web-.*" ', "pod", MatchOp.REGEX, "web-.*"),
        ("team!=", "team", MatchOp.NOT_EQUAL, ""),
        ('team!~"a|b"', "team", MatchOp.NOT_REGEX, "a|b"),
        (r'path="a\"b\\c\nd\.e"', "path", MatchOp.EQUAL, 'a"b\\c\nd\\.e'),
        ("url=http://a/?b=c", "url", MatchOp.EQUAL, "http://a/?b=c"),
        ('dotted.name="x"', "dotted.name", MatchOp.EQUAL, "x"),
        ("pod=~a.*", "pod", MatchOp.REGEX, "a.*"),
    ],
)
def test_matcher_is_read_as_amtool_writes_it(text: str, name: str, op: MatchOp, value: str) -> None:
    assert Matcher.parse(text) == Matcher(name, op, value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("severity", "is no matcher"),
        ("", "is no matcher"),
        ("=x", "is no matcher"),
        ('a="b', "closing quote"),
        ('a="', "closing quote"),
        ('a="b"c"', "inside the value"),
        ('a=b"c', "inside the value"),
        ('a="b\\"', "inside the value"),
        ('a=~"("', "missing )"),
        ("a=~(?=b)", "is no regular expression"),
        (r"a=~(b)\1", "is no regular expression"),
        ("a=~" + "b" * 5000, "longer than 4096"),
        ("a=~((((b{1,99}){1,99}){1,99}){1,99})", "is no regular expression"),
    ],
)
def test_what_is_no_matcher_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace(")", r"\)")):
        Matcher.parse(text)


@pytest.mark.parametrize(
    ("matcher", "labels", "expected"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "bc"}, False),
        ("a=", {}, True),
        ("a=", {"a": "b"}, False),
        ("a!=b", {}, True),
        ("a!=", {}, False),
        ("a!=", {"a": "b"}, True),
        ("a=~b.*", {"a": "bc"}, True),
        ("a=~b", {"a": "abc"}, False),
        ("a=~b|c", {"a": "bx"}, False),
        ("a=~.*", {}, True),
        ("a=~.+", {}, False),
        ("a!~.+", {}, True),
        ("a!~b.*", {"a": "bc"}, False),
        ("a=", {"a": 5}, True),
        ("a=~.", {"a": "\ud800"}, True),
        ("a=~.", {"a": "é"}, True),
        ("a=~a.b", {"a": "a\nb"}, False),
        ("a=~a.b", {"a": "a\0b"}, True),
    ],
)
def test_matcher_has_alertmanagers_meaning(matcher: str, labels: dict[str, object], expected: bool) -> None:
    assert Matcher.parse(matcher).matches(labels) is expected


@given(name=_NAMES, op=st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL]), value=_TEXTS)
def test_what_is_written_is_read_again(name: str, op: MatchOp, value: str) -> None:
    matcher = Matcher(name, op, value)
    assert Matcher.parse(str(matcher)) == matcher


@given(text=st.text(max_size=40))
def test_what_is_read_is_written_as_the_same(text: str) -> None:
    try:
        matcher = Matcher.parse(text)
    except ValueError:
        return
    assert Matcher.parse(str(matcher)) == matcher


@given(
    op=st.sampled_from(MatchOp),
    value=st.sampled_from(["", "a", "a|b", "a.*"]),
    labels=st.dictionaries(st.just("x"), _TEXTS),
)
def test_an_operator_and_its_negation_part_all_labels(op: MatchOp, value: str, labels: dict[str, str]) -> None:
    opposite = {
        MatchOp.EQUAL: MatchOp.NOT_EQUAL,
        MatchOp.NOT_EQUAL: MatchOp.EQUAL,
        MatchOp.REGEX: MatchOp.NOT_REGEX,
        MatchOp.NOT_REGEX: MatchOp.REGEX,
    }
    assert Matcher("x", op, value).matches(labels) is not Matcher("x", opposite[op], value).matches(labels)


def test_no_expression_blows_up() -> None:
    began = time.process_time()
    assert not Matcher.parse("a=~(a*)*b").matches({"a": "a" * 5000})
    assert time.process_time() - began < 1
