"""Records as JSON for scripts."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerthistory_client.jsons import dumps, parsed
from alerthistory_client.records import Refusal
from alerthistory_common.alerts import Instant
from alerthistory_common.errors import NotFoundError


@given(st.text())
def test_texts_survive_and_are_plain_ascii(text: str) -> None:
    written = dumps({"text": text})
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written) == {"text": text}


def test_records_times_and_errors_have_keys() -> None:
    value = {"r": Refusal(index=1, message="m"), "t": Instant(0), "a": timedelta(seconds=2), "e": NotFoundError("no")}
    assert json.loads(dumps(value)) == {
        "r": {"index": 1, "message": "m"},
        "t": "1970-01-01T00:00:00+00:00",
        "a": 2.0,
        "e": {"error": {"reason": "NOT_FOUND", "message": "no"}},
    }


def test_content_that_json_does_not_know_becomes_text() -> None:
    assert parsed(b'{"a":NaN}') == {"a": "NaN"}
    assert parsed(b"\xff{") == "\\xff{"
    assert parsed(b"1" * 5000) == "1" * 5000
