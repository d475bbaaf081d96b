"""Where the services are: one address for all of them, or one each."""

from dataclasses import dataclass
from typing import Literal, Self

from alerthistory_common.addresses import split_address

Service = Literal["ingest", "history", "classifier", "publisher"]
SERVICES: tuple[Service, ...] = ("history", "ingest", "classifier", "publisher")

_GRPC_SCHEMES = ("unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The gRPC address of every service, such as ``127.0.0.1:7052`` or ``unix:/run/alerthistory.sock``."""

    ingest: str
    history: str
    classifier: str
    publisher: str

    @classmethod
    def at(cls, address: str) -> Self:
        """Return the addresses of services that all answer at *address*, as the all-in-one process does."""
        return cls(ingest=address, history=address, classifier=address, publisher=address)

    def of(self, service: Service) -> str:
        """Return the address of *service*."""
        address: str = getattr(self, service)
        return address


def check_address(address: str) -> str:
    """Return *address* when gRPC can make sense of it; raise ValueError that says what is wrong otherwise."""
    if address.startswith(("http:", "https:")):
        raise ValueError(f"{address!r} is an HTTP address; ahctl speaks gRPC: give host:port or unix:/path")
    if address.startswith("unix:"):
        if not address.removeprefix("unix:").strip("/"):
            raise ValueError("unix: needs the path of a socket, such as unix:data/alerthistory.sock")
    elif not address.startswith(_GRPC_SCHEMES):
        split_address(address)
    return address
