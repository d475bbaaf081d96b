"""The RPCs of the publisher: protobuf to domain and back, and no rules."""

from alerthistory_publisher.servicer.filters import FilterServicer
from alerthistory_publisher.servicer.publisher import PublisherServicer
from alerthistory_publisher.servicer.targets import TargetServicer

__all__ = ["FilterServicer", "PublisherServicer", "TargetServicer"]
