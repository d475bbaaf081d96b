"""The forms in which a model can be asked for an answer of a given shape, and how the answer is found in what it says.

OpenAI-compatible proxies differ in what they understand: a schema for the whole answer, a tool, the older function
call, or only words.
"""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from alerthistory_classifier.domain.opinion import UnusableAnswerError
from alerthistory_classifier.domain.question import SYSTEM, Question
from alerthistory_common.alerts import Severity

SCHEMA_VERSION = "1"
"""To be raised when the schema changes: answers of another shape are not shared."""

_NAME = "classify_alert"
_PURPOSE = "Say how serious the alert is."
_FIELDS: Mapping[str, Any] = {
    "severity": {"type": "string", "enum": [each.value for each in Severity]},
    "confidence": {"type": "number"},
    "category": {"type": "string"},
    "reasoning": {"type": "string"},
    "recommendations": {"type": "array", "items": {"type": "string"}},
}
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": _FIELDS,
    # Strict mode wants every property here, and no others allowed.
    "required": list(_FIELDS),
    "additionalProperties": False,
}
_IN_WORDS = (
    "\nAnswer with one JSON object and nothing else, with the keys severity, confidence, category, reasoning and "
    "recommendations (a list of texts)."
)
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|$)", re.DOTALL)
_NO_CALL = "No function call in LLM response"


class Form(StrEnum):
    """A form of asking; the first that works is kept."""

    JSON_SCHEMA = "json_schema"
    TOOLS = "tools"
    FUNCTIONS = "functions"
    TEXT = "text"


def request(form: Form, question: Question, *, model: str, temperature: float, max_tokens: int) -> dict[str, Any]:
    """Return the body of a request that puts *question* to *model* in this form."""
    system = SYSTEM + (_IN_WORDS if form is Form.TEXT else "")
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"<alert>\n{question.alert}\n</alert>"},
        ],
        **_shape(form),
        "temperature": temperature,
        "max_tokens": max_tokens,
    }


def _shape(form: Form) -> dict[str, Any]:
    function = {"name": _NAME, "description": _PURPOSE, "parameters": _SCHEMA}
    match form:
        case Form.JSON_SCHEMA:
            schema = {"name": _NAME, "strict": True, "schema": _SCHEMA}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case Form.TOOLS:
            choice = {"type": "function", "function": {"name": _NAME}}
            return {"tools": [{"type": "function", "function": function}], "tool_choice": choice}
        case Form.FUNCTIONS:
            return {"functions": [function], "function_call": {"name": _NAME}}
        case Form.TEXT:
            return {}


def answer(form: Form, content: Mapping[str, Any]) -> str:
    """Return the JSON text in a completion; raise UnusableAnswerError when there is none.

    A model may answer in another form than it was asked in: a call is taken wherever it stands.
    """
    choice = _first_choice(content)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UnusableAnswerError("the choice has no message", repr("message"))
    called = _called(message)
    if called is not None:
        return called
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise UnusableAnswerError("the model refuses to answer", _NO_CALL)
    try:
        return _embedded(_said(message.get("content")))
    except UnusableAnswerError as error:
        if choice.get("finish_reason") == "length":
            raise UnusableAnswerError("the answer was cut off: it took too many tokens", _NO_CALL) from error
        if form in {Form.FUNCTIONS, Form.TOOLS}:
            raise UnusableAnswerError("the model called no function", _NO_CALL) from error
        raise


def _first_choice(content: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = content.get("choices")
    if not isinstance(choices, list):
        raise UnusableAnswerError("there are no choices", repr("choices"))
    if not choices:
        raise UnusableAnswerError("the list of choices is empty", "list index out of range")
    first: object = choices[0]
    if not isinstance(first, dict):
        raise UnusableAnswerError("the choice is no object")
    return first


def _called(message: Mapping[str, Any]) -> str | None:
    """Return the arguments of the function that was called, None when none was."""
    calls = message.get("tool_calls")
    first = calls[0] if isinstance(calls, list) and calls else None
    function = first.get("function") if isinstance(first, dict) else message.get("function_call")
    if not isinstance(function, dict) or "arguments" not in function:
        return None
    arguments = function["arguments"]
    # Ollama gives an object where OpenAI gives its text.
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _said(content: Any) -> str:
    """Return the words of a message: a text, or a list of parts that hold texts."""
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _embedded(text: str) -> str:
    """Return the JSON object in *text*, behind thoughts, words and code fences."""
    spoken = _THOUGHTS.sub("", text)
    decoder = json.JSONDecoder()
    start = spoken.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(spoken, start)
        except (ValueError, RecursionError):
            start = spoken.find("{", start + 1)
            continue
        if isinstance(found, dict) and "severity" in found:
            return spoken[start:end]
        start = spoken.find("{", end)
    raise UnusableAnswerError("there is no JSON object in the answer")
