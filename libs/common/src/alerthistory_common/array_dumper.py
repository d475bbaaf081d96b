"""Teaches connections of psycopg to send arrays that are encoded already. Apart, so that SQLite needs no psycopg."""

from psycopg import AsyncConnection, Connection, adapt, pq

from alerthistory_common.arrays import EncodedArray


class _Dumper(adapt.Dumper):
    """Sends an array as it is."""

    format = pq.Format.BINARY

    def dump(self, obj: EncodedArray) -> EncodedArray:
        return obj


def teach(connection: Connection | AsyncConnection) -> None:
    """Let *connection* send values of EncodedArray."""
    connection.adapters.register_dumper(EncodedArray, _Dumper)
