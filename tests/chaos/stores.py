"""What PostgreSQL and an inbox know about acknowledged alerts."""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import psycopg
from sqlalchemy import URL

from tests.client_history import STATUS_OF, Found, Outcome
from tests.fakes.inbox import Inbox

_STANDSTILL_LIMIT_S = 100  # Two leases, one after the other, on a machine that is busy.


def what_became_of(url: URL, inbox: Inbox, outcome: Outcome) -> None:
    """Judge by the store at *url*, and by what was delivered, and note in *outcome* with what something is wrong."""
    with _connected(url) as connection:
        dead = connection.execute("SELECT fingerprint, kind FROM publisher.deliveries WHERE state = 'dead'").fetchall()
        outcome.judge(
            Found(
                stored=_counts(connection, "SELECT fingerprint, count(*) FROM history.occurrences GROUP BY 1"),
                fired=_events(connection, "fired"),
                resolved=_events(connection, "resolved"),
                delivered=inbox.delivered,
                dead=[(fingerprint, STATUS_OF[kind]) for fingerprint, kind in dead],
            )
        )


def _events(connection: psycopg.Connection, kind: str) -> dict[str, int]:
    return _counts(
        connection,
        "SELECT a.fingerprint, count(*) FROM history.events e JOIN history.alerts a USING (fp_hash)"
        f" WHERE e.kind = '{kind}' GROUP BY 1",  # Our own words.
    )


def wait_until_all_is_done(url: URL, acknowledged: AbstractSet[str]) -> None:
    """Wait until nothing is left to store, judge or deliver, or until as much as before is: that is then lost."""
    with _connected(url) as connection:
        _wait_while_it_shrinks(lambda: _left(connection, acknowledged))


def _left(connection: psycopg.Connection, acknowledged: AbstractSet[str]) -> int:
    waiting = _counts(
        connection,
        "SELECT 'work', count(*) FROM history.work"
        " UNION ALL SELECT 'deliveries', count(*) FROM publisher.deliveries WHERE state = 'pending'",
    )
    stored = _counts(connection, "SELECT fingerprint, count(*) FROM history.occurrences GROUP BY 1")
    # Storing an alert makes work, and work makes deliveries: each must leave less to do than before.
    return 10 * len(acknowledged - stored.keys()) + 2 * waiting["work"] + waiting["deliveries"]


def _wait_while_it_shrinks(left: Callable[[], int]) -> None:
    before, since = left(), time.monotonic()
    while before and time.monotonic() - since < _STANDSTILL_LIMIT_S:
        time.sleep(0.2)
        if (now := left()) < before:
            before, since = now, time.monotonic()


def _connected(url: URL) -> psycopg.Connection:
    libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(libpq, autocommit=True)


def _counts(connection: psycopg.Connection, query: str) -> dict[str, int]:
    return dict(connection.execute(query).fetchall())
