"""Pages: bounds of sizes, and tokens that fit one question only."""

import pytest

from alerthistory_common.errors import InvalidArgumentError, PageTokenMismatchError
from alerthistory_common.paging import decode_token, encode_token, page_size


@pytest.mark.parametrize(("requested", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_page_size_stays_within_its_bounds(requested: int, given: int) -> None:
    assert page_size(requested, default=50) == given


def test_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        page_size(-1, default=50)
    assert caught.value.violations[0].field == "page_size"


def test_token_returns_its_cursor_for_the_same_question() -> None:
    token = encode_token((17, "x"), "alerts", {"name": "a"})
    assert decode_token(token, "alerts", {"name": "a"}) == (17, "x")


def test_no_token_means_the_first_page() -> None:
    assert decode_token("", "alerts") is None


def test_token_of_another_question_is_refused() -> None:
    with pytest.raises(PageTokenMismatchError):
        decode_token(encode_token((17,), "alerts", {"name": "a"}), "alerts", {"name": "b"})


@pytest.mark.parametrize("token", ["x", "!!!!", "W10", "bnVsbA", "WzFd", "W1tdLDFd", "é", "WyJhIix7fV0"])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(PageTokenMismatchError):
        decode_token(token, "alerts")


@pytest.mark.parametrize("cursor", [(), (2**63,), (1, -(2**63) - 1)])
def test_a_cursor_that_no_page_ended_with_is_refused(cursor: tuple[int, ...]) -> None:
    with pytest.raises(PageTokenMismatchError):
        decode_token(encode_token(cursor, "alerts"), "alerts")
