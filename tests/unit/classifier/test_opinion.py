"""What a model says is read strictly, and found wherever it stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_classifier.domain import forms
from alerthistory_classifier.domain.forms import Form
from alerthistory_classifier.domain.opinion import UnusableAnswerError, Usage, read_opinion
from alerthistory_common.alerts import Severity
from tests.fakes.llm import opinion


def _read(**overrides: Any) -> Any:
    return read_opinion(json.dumps(opinion(**overrides)), Usage())


@pytest.mark.parametrize(
    ("said", "confidence"), [(0.5, 0.5), (1, 1.0), ("0.25", 0.25), (1.7, 1.0), (-3, 0.0), ("1e-1", 0.1)]
)
def test_a_confidence_is_a_number_within_bounds(said: object, confidence: float) -> None:
    assert _read(confidence=said).confidence == confidence


@pytest.mark.parametrize("word", ["CRITICAL", " critical ", "Critical"])
def test_a_severity_is_known_in_any_case(word: str) -> None:
    assert _read(severity=word).severity is Severity.CRITICAL


def test_texts_are_cleaned_and_bounded() -> None:
    found = _read(reasoning="  a\u202eb\0 \n", recommendations=[f"step {n}\u200b" for n in range(9)] + [7], tags="x")
    assert found.reasoning == "ab"
    assert found.recommendations == ("step 0", "step 1", "step 2", "step 3", "step 4")
    assert found.tags == ()
    assert len(_read(reasoning="x" * 10_000).reasoning) == 2000
    assert _read(reasoning=" ").reasoning == "No reasoning provided"


@pytest.mark.parametrize(
    ("content", "legacy_text"),
    [
        ("{not json", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (json.dumps(opinion("blocker")), "'blocker' is not a valid AlertSeverity"),
        (json.dumps({"confidence": 1, "reasoning": ""}), "'severity'"),
    ],
)
def test_the_older_services_words_for_nonsense_are_known(content: str, legacy_text: str) -> None:
    with pytest.raises(UnusableAnswerError) as raised:
        read_opinion(content, Usage())
    assert raised.value.legacy_text == legacy_text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_whatever_json_a_model_says_is_read_or_refused(said: Any) -> None:
    for content in (said, {"severity": "noise", "confidence": said, "reasoning": said, "recommendations": said}):
        try:
            found = read_opinion(json.dumps(content), Usage())
        except UnusableAnswerError:
            continue
        assert 0 <= found.confidence <= 1


def _choice(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


TEXT = json.dumps(opinion())


@pytest.mark.parametrize(
    "content",
    [
        _choice(content=TEXT),
        _choice(content=f"```json\n{TEXT}\n```"),
        _choice(content=f'<think>Perhaps {{"severity": "noise"}}?</think>Here you are: {TEXT} I hope it helps.'),
        _choice(content=f'As {{they}} say: {{"a": 1}} and {TEXT}'),
        _choice(content=[{"type": "text", "text": TEXT[:20]}, {"type": "text", "text": TEXT[20:]}]),
        _choice(content=None, function_call={"name": "classify_alert", "arguments": TEXT}),
        _choice(tool_calls=[{"function": {"name": "classify_alert", "arguments": opinion()}}]),
    ],
)
def test_an_answer_is_found_wherever_it_stands(content: dict[str, Any]) -> None:
    for form in Form:
        assert json.loads(forms.answer(form, content)) == opinion()


@pytest.mark.parametrize(
    ("content", "legacy_text"),
    [
        (_choice(content="I would rather talk."), "No function call in LLM response"),
        ({"choices": []}, "list index out of range"),
        ({}, "'choices'"),
        ({"choices": [3]}, None),
        ({"choices": [{"message": None}]}, None),
        (_choice(refusal="no"), None),
        (_choice(content={"severity": "noise"}), None),
        (_choice(tool_calls=[{"function": None}]), None),
    ],
)
def test_where_there_is_no_answer_none_is_invented(content: dict[str, Any], legacy_text: str | None) -> None:
    with pytest.raises(UnusableAnswerError) as raised:
        forms.answer(Form.FUNCTIONS, content)
    assert legacy_text is None or raised.value.legacy_text == legacy_text
