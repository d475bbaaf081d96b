"""Where a tail begins."""

from alerthistory_client.tailing import Position


def test_a_cursor_goes_before_everything() -> None:
    assert Position.first(cursor="c", backlog=5, latest="z") == Position(cursor="c")


def test_now_is_after_the_latest_event() -> None:
    assert Position.first(cursor="", backlog=0, latest="z") == Position(cursor="z")


def test_a_backlog_is_left_to_the_server() -> None:
    assert Position.first(cursor="", backlog=5, latest="z") == Position(backlog=5)


def test_in_an_empty_store_everything_is_new() -> None:
    assert Position.first(cursor="", backlog=0, latest=None) == Position(backlog=1000)
