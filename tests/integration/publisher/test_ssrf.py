"""No target, name, redirect or proxy leads the publisher to an address that is neither public nor allowed.

127.0.0.2 stands for what is public: it is allowed where a test says so, and the canary listens elsewhere.
"""

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from alerthistory_common.telemetry import disabled
from alerthistory_publisher.adapters.connections import AddrInfo, Lookup, look_up
from alerthistory_publisher.adapters.http_sender import HttpSender, open_sender
from alerthistory_publisher.domain.destinations import Destinations, networks_of
from alerthistory_publisher.domain.outcomes import Answer, Outcome
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.settings import PublisherSettings
from tests.events import event
from tests.fakes.canary import Canary, open_canary
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, Publisher, eventually

PUBLIC = "127.0.0.2"
CANARY = "127.0.0.1"
EVERYTHING = "0.0.0.0/0,::/0"


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """Return what listens on loopback, by IPv4 and IPv6."""
    async with open_canary() as listening:
        yield listening


@pytest.fixture
async def web() -> AsyncIterator[Canary]:
    """Return what listens on the address that stands for a public one."""
    async with open_canary(PUBLIC) as listening:
        yield listening


@asynccontextmanager
async def sender(allowed: str = "", *, lookup: Lookup = look_up, allows_http: bool = True) -> AsyncIterator[HttpSender]:
    destinations = Destinations(networks_of(allowed))
    async with open_sender(disabled(), destinations, allows_http=allows_http, lookup=lookup) as running:
        yield running


async def send(by: HttpSender, url: str, *, timeout_s: float = 5.0) -> Answer:
    target = Target(name="ops", format="webhook", url=url, timeout_s=timeout_s)
    return await by.send(target, Parcel(url=url, headers={}, body=b"{}"))


def saying(*answers: str) -> Lookup:
    """Return a resolver that gives names *answers*, such as ``"10.0.0.1 ::1"``, one after another, again and again."""
    turns: Iterator[str] = itertools.cycle(answers)

    def lookup(_: str, port: int) -> list[AddrInfo]:
        return [
            (family, kind, protocol, name, where)
            for host in next(turns).split()
            for family, kind, protocol, name, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]

    return lookup


FORMS = [
    # What a URL holds, and whether the canary is reached by it when everything is allowed.
    ("127.0.0.1", True),
    ("good@127.0.0.1", True),
    ("good.example:x@127.0.0.1", True),
    ("good.example%40127.0.0.1", False),
    ("2130706433", False),
    ("0177.0.0.1", False),
    ("0x7f000001", True),
    ("0x7f.0.0.1", True),
    ("0X7F.1", True),
    ("127.1", False),
    ("127.0.0.1.", False),
    ("127。0。0。1", True),
    ("①②⑦.0.0.1", False),
    ("0.0.0.0", True),
    ("0", False),
    ("localhost", True),
    ("LOCALHOST", True),
    ("localhost.", False),  # Some systems know it.
    ("localhost..", False),
    ("ｌｏｃａｌｈｏｓｔ", False),
    ("[::1]", True),
    ("[0:0:0:0:0:0:0:1]", True),
    ("[::]", True),
    ("[::ffff:127.0.0.1]", True),
    ("[::ffff:7f00:1]", True),
    ("[::127.0.0.1]", False),
    ("[64:ff9b::7f00:1]", False),
    ("[64:ff9b::127.0.0.1]", False),
    ("[2002:7f00:1::]", False),
    ("[fe80::1%25lo]", False),
    ("[fd00:ec2::254]", False),
    ("169.254.169.254", False),
    ("100.100.100.200", False),
    ("metadata.google.internal", False),
    ("127.0.0.1\t", False),
    ("127.0.0.1\\@good.example", False),
    ("good.example\\@127.0.0.1", False),
]


@pytest.mark.parametrize("host", [host for host, _ in FORMS])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_way_to_write_an_address_leads_there(canary: Canary, scheme: str, host: str) -> None:
    async with sender() as by:
        answer = await send(by, f"{scheme}://{host}:{canary.port}/")
    assert answer.status == 0
    assert answer.outcome in {Outcome.TRANSIENT, Outcome.PERMANENT}
    assert canary.heard == []


@pytest.mark.parametrize("host", [host for host, is_reached in FORMS if is_reached])
async def test_the_canary_hears_what_is_allowed(canary: Canary, host: str) -> None:
    async with sender(EVERYTHING) as by:
        assert (await send(by, f"http://{host}:{canary.port}/")).status == 200
    assert len(canary.heard) == 1


@pytest.mark.parametrize("port", ["25#:443", "@127.0.0.1:", "?@good.example:", "#@good.example:"])
async def test_what_looks_like_another_host_is_judged_by_where_it_leads(canary: Canary, port: str) -> None:
    async with sender() as by:
        answer = await send(by, f"http://127.0.0.1:{canary.port}{port}{canary.port}/")
    assert (answer.status, canary.heard) == (0, [])


async def test_a_refusal_says_what_to_do() -> None:
    async with sender() as by:
        answer = await send(by, "http://10.0.0.7/s3cr3t-path?s3cr3t-query")
    assert answer == Answer(
        outcome=Outcome.TRANSIENT,
        text=f"10.0.0.7 is not a public address: allow its network by {PublisherSettings.variable('allowed_networks')}",
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("127.0.0.1 ::1", "127.0.0.1 is not a public address"),
        ("::1 127.0.0.1", "::1 is not a public address"),
        ("10.0.0.7", "10.0.0.7 is not a public address"),
        ("::ffff:10.0.0.7", "::ffff:10.0.0.7 is not a public address"),
    ],
)
async def test_a_name_that_means_no_public_address_is_refused(canary: Canary, answer: str, text: str) -> None:
    async with sender(lookup=saying(answer)) as by:
        refused = await send(by, f"http://good.example:{canary.port}/")
    assert (refused.outcome, canary.heard) == (Outcome.TRANSIENT, [])
    assert refused.text.startswith(text)


async def test_a_name_that_changes_its_meaning_leads_nowhere_else(canary: Canary) -> None:
    async with open_canary(PUBLIC) as web, sender(PUBLIC, lookup=saying(PUBLIC, CANARY)) as by:
        for n in range(10):  # Names below one that an attacker serves: each is looked up anew.
            await send(by, f"http://{n}.rebinding.example:{web.port}/")
            await send(by, f"http://{n}.rebinding.example:{canary.port}/")
        assert (len(web.heard), canary.heard) == (10, [])


async def test_of_several_addresses_only_public_ones_are_tried(canary: Canary) -> None:
    async with (
        open_canary(PUBLIC) as web,
        sender(PUBLIC, lookup=saying(f"{CANARY} {PUBLIC} ::1", f"::1 {PUBLIC} {CANARY}", f"{PUBLIC} {CANARY}")) as by,
    ):
        for n in range(6):
            assert (await send(by, f"http://{n}.mixed.example:{web.port}/")).status == 200
        for n in range(6):  # The public one does not listen here, and the next in the list would.
            assert (await send(by, f"http://{n}.mixed.example:{canary.port}/")).status == 0
    assert canary.heard == []


async def test_names_are_heard_when_their_meaning_is_allowed(canary: Canary) -> None:
    async with sender(f"{PUBLIC},{CANARY}", lookup=saying(f"{PUBLIC} {CANARY}")) as by:
        assert (await send(by, f"http://mixed.example:{canary.port}/")).status == 200
    assert len(canary.heard) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed_anywhere(canary: Canary, ops: Receiver, status: int) -> None:
    ops.script.append(Reply(status=status, headers={"Location": f"http://127.0.0.1:{canary.port}/"}))
    async with sender(EVERYTHING) as by:
        answer = await send(by, ops.url)
    assert (answer.status, canary.heard) == (status, [])


async def test_proxies_of_the_environment_are_not_used(
    canary: Canary, web: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    monkeypatch.setenv("NO_PROXY", "unrelated.example")
    async with sender(EVERYTHING) as by:
        assert (await send(by, f"http://{PUBLIC}:{web.port}/")).status == 200
        await send(by, f"https://{PUBLIC}:{web.port}/")
    assert (len(web.heard), canary.heard) == (2, [])


async def test_http_is_refused_and_says_what_to_do(canary: Canary) -> None:
    async with sender(EVERYTHING, allows_http=False) as by:
        answers = [await send(by, f"{scheme}://127.0.0.1:{canary.port}/") for scheme in ("http", "HTTP")]
        assert canary.heard == []
        await send(by, f"https://127.0.0.1:{canary.port}/")
    refused = Answer(
        outcome=Outcome.TRANSIENT,
        text=f"http:// is not allowed: use https://, or set {PublisherSettings.variable('allow_http')}=true",
    )
    assert answers == [refused, refused]
    assert [heard[:1] for heard in canary.heard] == [b"\x16"], "a TLS handshake"


@pytest.mark.parametrize("scheme", ["ws", "wss", "tcp", "ftp", "file", "http+unix", ""])
@pytest.mark.parametrize("allows_http", [True, False])
async def test_other_schemes_are_never_sent(canary: Canary, scheme: str, *, allows_http: bool) -> None:
    async with sender(EVERYTHING, allows_http=allows_http) as by:
        answer = await send(by, f"{scheme}://127.0.0.1:{canary.port}/")
    assert (answer.outcome, canary.heard) == (Outcome.PERMANENT, [])


async def test_user_and_password_of_a_url_are_sent_as_such(ops: Receiver) -> None:
    async with sender(EVERYTHING) as by:
        assert (await send(by, f"http://us%40er:pass@127.0.0.1:{ops.port}/")).status == 200
    assert ops.requests[0].headers["authorization"] == "Basic dXNAZXI6cGFzcw=="
    assert ops.requests[0].headers["host"] == f"127.0.0.1:{ops.port}"


async def test_cookies_are_not_kept(ops: Receiver) -> None:
    ops.script.append(Reply(headers={"Set-Cookie": "a=b; Path=/"}))
    async with sender(EVERYTHING, lookup=saying("127.0.0.1")) as by:
        for _ in range(2):
            await send(by, f"http://cookies.example:{ops.port}/")
    assert ["cookie" in request.headers for request in ops.requests] == [False, False]


class Stuck:
    """A resolver that gives no answer for names that begin with ``stuck`` until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[AddrInfo]:
        """Return the address that stands for a public one."""
        self.asked.append(host)
        if host.startswith("stuck"):
            self.gate.wait(30)
        return list(look_up(PUBLIC, port))


async def test_names_that_hang_delay_no_others_and_end_in_time(web: Canary) -> None:
    stuck = Stuck()
    try:
        async with sender(PUBLIC, lookup=stuck) as by:
            names = [f"http://stuck-{n}.example:{web.port}/" for n in range(40) for _ in range(3)]
            async with asyncio.TaskGroup() as tasks:
                waiting = [tasks.create_task(send(by, url, timeout_s=1.5)) for url in names]
                await asyncio.sleep(0)
                started = time.monotonic()
                assert (await send(by, f"http://fine.example:{web.port}/", timeout_s=1)).status == 200
                assert time.monotonic() - started < 1
                await asyncio.wait_for(asyncio.to_thread(int), 0.5)
            assert {task.result().text for task in waiting} == {"no answer within 1.5 s"}
            assert time.monotonic() - started < 5
            await send(by, names[0], timeout_s=0.1)
            assert len(stuck.asked) == 41, "a name that hangs takes one thread, however often it is sent to"
    finally:
        stuck.gate.set()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".example"])
async def test_what_is_no_name_is_an_answer(host: str) -> None:
    async with sender() as by:
        assert (await send(by, f"http://{host}/")).status == 0


async def test_a_refused_delivery_goes_on_when_the_settings_are_mended(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})

    async def refusal(publisher: Publisher) -> str:
        async def is_told() -> str:
            (found,) = await publisher.deliveries()
            return found.last_result

        return await eventually(is_told, saying="the delivery was refused")

    async with bench.publisher(backoff=timedelta(minutes=1), allowed_networks="") as publisher:
        await publisher.publish(event())
        assert (await refusal(publisher)).startswith("127.0.0.1 is not a public address")
    assert ops.requests == []
    bench.watch.ahead = timedelta(minutes=2)
    async with bench.publisher(allowed_networks="127.0.0.1") as publisher:
        await publisher.delivered()
    assert len(ops.requests) == 1
