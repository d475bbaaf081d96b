"""The order of alerts with equal starts, which the older service owed to its database's plans."""

from alerthistory.history.v1.history_service_pb2 import TIE_ORDER_NEWEST_FIRST, TIE_ORDER_OLDEST_FIRST, TieOrder


def tie_order(*, is_filtered: bool) -> TieOrder.ValueType:
    """Return the order: oldest first with a filter on name or status, else newest first."""
    return TIE_ORDER_OLDEST_FIRST if is_filtered else TIE_ORDER_NEWEST_FIRST
