"""The reading rules of the legacy interface."""

from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.alerts import ZERO_TIME, Instant
from alerthistory_history.domain.legacy import first_moment_from, last_moment_to

_LAST = 253_402_300_799_999_999
_moments = st.integers(ZERO_TIME.micros, _LAST) | st.integers(ZERO_TIME.micros // 10**6, _LAST // 10**6).map(
    lambda second: second * 10**6
)
_near_texts = st.builds(
    lambda moment, cut, end: Instant(moment).iso_utc()[:cut] + end,
    _moments,
    st.integers(0, 32),
    st.sampled_from(["", "Z", "+", ".", "0", "9", " ", "\uffff", "é"]),
)


@given(moment=_moments, text=_near_texts | st.text())
def test_bounds_select_the_moments_that_the_texts_select(moment: int, text: str) -> None:
    shown = Instant(moment).iso_utc()

    assert (moment >= first_moment_from(text)) == (shown >= text)
    assert (moment <= last_moment_to(text)) == (shown <= text)


@given(one=_moments, other=_moments)
def test_texts_sort_as_their_moments_do(one: int, other: int) -> None:
    assert (one < other) == (Instant(one).iso_utc() < Instant(other).iso_utc())
