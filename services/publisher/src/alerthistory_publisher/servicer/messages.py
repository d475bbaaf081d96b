"""What the servicers of the publisher share."""

from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory_common import alert_codec
from alerthistory_common.alerts import Instant

Context = grpc.aio.ServicerContext[Any, Any]


def optional_timestamp(moment: Instant | None) -> Timestamp | None:
    """Return *moment* as protobuf knows it, None for None."""
    return None if moment is None else alert_codec.timestamp(moment)
