"""Texts that PostgreSQL would refuse."""

from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.columns import escape, unescape

_odd = st.text(st.sampled_from("\0\x10@Px"))


@given(text=_odd | st.text())
def test_escaping_is_reversible_and_leaves_no_nul(text: str) -> None:
    assert "\0" not in escape(text)
    assert unescape(escape(text)) == text


@given(text=st.text(st.characters(exclude_characters="\0\x10")))
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert escape(text) == text
