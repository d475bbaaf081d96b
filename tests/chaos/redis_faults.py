"""Redis fails in every way while alerts are posted and the mode is read and switched, and nobody is to notice.

``python -m tests.chaos.redis_faults [SECONDS [FORM]]`` lets each fault last that long; FORM is ``allinone`` or
``services``. Its last line is
``faults=… acknowledged=… stored=… delivered=… lost=… p50_ms_healthy=… p50_ms_worst=…``; the figures are those of
webhooks. Redis is a real one, behind a proxy.
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.client_history import Outcome
from tests.e2e.kill_rounds import compare
from tests.fakes.inbox import Inbox, open_inbox
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.payloads import alert, webhook
from tests.processes import Program, script, short_folder, until
from tests.redis_server import RedisServer, running_redis
from tests.suites import Suite

_SENDERS = 2
_ALERTS_PER_WEBHOOK = 3
_PAUSE_S = 0.02
_MODES = ("transparent", "enriched", "transparent_with_recommendations")
_SERVICES = ("classifier", "history", "publisher")
_TICK_S = 0.1
_NOTICED_LIMIT_S = 10.0
_HEALTHY = "healthy"
MOST_ADDED_MS = 100.0


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to Redis: *again* every tenth of a second. *down* are the services whose metric must tell."""

    name: str
    begin: Callable[[], None] = _nothing
    again: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing
    down: tuple[str, ...] = ()


def _faults(server: RedisServer, proxy: FaultProxy) -> list[Fault]:
    return [
        Fault(name="stopped", begin=server.suspend, end=server.resume, down=_SERVICES),
        Fault(name="killed", begin=server.kill, end=server.start, down=_SERVICES),
        Fault(name="flushed", again=server.flush),
        # Only the classifier writes all the time.
        Fault(name="full", begin=server.fill, end=server.make_room, down=("classifier",)),
        Fault(name="reset", again=proxy.reset),
        Fault(name="hanging", begin=proxy.hang, end=proxy.heal, down=_SERVICES),
        Fault(name="refusing", begin=proxy.refuse, end=proxy.heal, down=_SERVICES),
    ]


@dataclass
class RedisOutcome(Outcome):
    """What became of the alerts, and what clients noticed; ``felt`` are the faults that hit who needs Redis."""

    faults: list[str] = field(default_factory=list)
    felt: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    not_tailed_once: set[str] = field(default_factory=set)
    delays: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def lost(self) -> set[str]:
        """Every acknowledged alert with which something is wrong."""
        return super().lost | self.not_tailed_once

    def p50_ms(self, call: str, phase: str) -> float:
        """Return the median of how long *call* took in *phase*."""
        return 1000 * median(self.delays[call][phase])

    def worst_p50_ms(self, call: str) -> float:
        """Return the largest of the medians of how long *call* took while there was a fault."""
        return max(self.p50_ms(call, phase) for phase in self.faults)

    def healthy_p50_ms(self, call: str) -> float:
        """Return the median of how long *call* took before, between and after the faults."""
        return 1000 * median(
            delay for phase, delays in self.delays[call].items() if phase not in self.faults for delay in delays
        )

    @property
    def added_ms(self) -> float:
        """By how much a fault slowed down the median of posting or reading at most."""
        return max(self.worst_p50_ms(call) - self.healthy_p50_ms(call) for call in ("webhook", "mode", "history"))

    def __str__(self) -> str:
        stored = len(self.acknowledged - self.not_stored_once - self.not_fired_once)
        return (
            f"faults={len(self.faults)} acknowledged={len(self.acknowledged)} stored={stored} "
            f"delivered={len(self.acknowledged - self.not_delivered)} lost={len(self.lost)} "
            f"p50_ms_healthy={self.healthy_p50_ms('webhook'):.1f} p50_ms_worst={self.worst_p50_ms('webhook'):.1f}"
        )


class _Users:
    """Clients who post, read and switch all the while, each in a thread, and note in which phase what took how long."""

    def __init__(self, suite: Suite, outcome: RedisOutcome) -> None:
        self.phase = _HEALTHY
        self.latest = ""
        self.mode = ""
        self._url = suite.url
        self._outcome = outcome
        self._must_stop = threading.Event()
        works = [*(self._sender(f"s{number}") for number in range(_SENDERS)), self._reader(), self._switcher()]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Use the suite all the while."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._must_stop.set()
            for thread in self._threads:
                thread.join()

    def _repeat(self, work: Iterator[None]) -> None:
        while not self._must_stop.is_set():
            next(work)
            time.sleep(_PAUSE_S)

    def _sender(self, prefix: str) -> Iterator[None]:
        with self._client() as client:
            for number in itertools.count():
                names = [f"{prefix}-{number}-{index}" for index in range(_ALERTS_PER_WEBHOOK)]
                if self._ask(client, "webhook", "POST", "/webhook", webhook(alert(name) for name in names)) is not None:
                    self._outcome.acknowledged.update(names)
                    self.latest = names[-1]
                yield

    def _reader(self) -> Iterator[None]:
        with self._client() as client:
            while True:
                self._ask(client, "mode", "GET", "/enrichment/mode")
                self._ask(client, "history", "GET", "/history?limit=10")
                yield

    def _switcher(self) -> Iterator[None]:
        with self._client() as client:
            for mode in itertools.cycle(_MODES):
                if self._ask(client, "switch", "POST", "/enrichment/mode", {"mode": mode}) is not None:
                    self.mode = mode
                for _ in range(20):
                    self._expect_mode(client)
                    yield

    def _expect_mode(self, client: httpx.Client) -> None:
        found = self._ask(client, "mode", "GET", "/enrichment/mode")
        if found is not None and found["mode"] != self.mode:
            self._outcome.errors.append(f"{self.phase}: the mode is {found['mode']} and was set to {self.mode}")

    def _ask(
        self, client: httpx.Client, call: str, method: str, path: str, body: object = None
    ) -> dict[str, object] | None:
        """Return the answer; note how long it took, or what went wrong."""
        phase, began = self.phase, time.perf_counter()
        try:
            answer = client.request(method, path, json=body).raise_for_status()
        except httpx.HTTPError as error:
            self._outcome.errors.append(f"{phase}: {method} {path}: {type(error).__name__} {error}")
            return None
        delays = self._outcome.delays.setdefault(call, {}).setdefault(phase, [])
        delays.append(time.perf_counter() - began)
        content: dict[str, object] = answer.json()
        return content

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, timeout=5, trust_env=False, verify=False)


class _Needy:
    """A client that cannot do without Redis, on one connection: the control that shows what a fault does to others."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._redis = self._connect()

    def is_well(self) -> bool:
        """Whether what was written is there, and can be written again."""
        try:
            return self._redis.get("needed") == b"1" and bool(self._redis.set("needed", "1"))
        except redis.RedisError:
            return False

    def recover(self) -> None:
        """Connect and write anew."""
        self.close()
        self._redis = self._connect()
        self._redis.set("needed", "1")

    def close(self) -> None:
        """End the connection."""
        self._redis.close()

    def _connect(self) -> redis.Redis:
        once = Retry(NoBackoff(), 0)
        return redis.Redis(port=self._port, single_connection_client=True, socket_timeout=0.5, retry=once)


class _Tail:
    """``ahctl tail``, from the first event on."""

    def __init__(self, suite: Suite) -> None:
        self._log = suite.folder / "tail.log"
        words = ("tail", "--json", "--cursor", "0-0")
        self._program = Program(script("ahctl"), *words, env=suite.environment("ahctl"), log=self._log)

    def fired(self) -> list[str]:
        """Return the fingerprints of what fired, in the order in which they came."""
        events = [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("}\n")]
        return [event["fingerprint"] for event in events if event["kind"] == "fired"]

    def close(self) -> None:
        """End it."""
        self._program.kill()


def run_faults(*, seconds: float, form: str = "allinone", report: bool = False) -> RedisOutcome:
    """Return what became of alerts and users while Redis had one fault after another, each for *seconds*."""
    outcome = RedisOutcome()
    with (
        short_folder() as folder,
        open_inbox() as inbox,
        running_redis(folder / "redis") as server,
        fault_proxy(server.socket) as proxy,
    ):
        suite = _suite(folder, form, inbox, proxy)
        with suite.running():
            run = _Run(suite, inbox, _Needy(proxy.port), _Tail(suite), outcome)
            try:
                run.through(_faults(server, proxy), seconds, report=report)
                compare(suite, inbox, outcome)
            finally:
                run.close()
    return outcome


def _suite(folder: Path, form: str, inbox: Inbox, proxy: FaultProxy) -> Suite:
    env = {
        "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(inbox.write_targets(folder / "targets.yaml")),
        "ALERTHISTORY_REDIS_URL": f"redis://127.0.0.1:{proxy.port}",
    }
    return Suite(folder, form=form, env=env)


class _Run:
    """One suite, its users, and what they saw."""

    def __init__(self, suite: Suite, inbox: Inbox, needy: _Needy, tail: _Tail, outcome: RedisOutcome) -> None:
        self._suite = suite
        self._inbox = inbox
        self._needy = needy
        self._tail = tail
        self._outcome = outcome
        self._users = _Users(suite, outcome)

    def through(self, faults: list[Fault], seconds: float, *, report: bool) -> None:
        """Let all happen, and wait until the tail has all that was acknowledged."""
        with self._users.running():
            until(self._all_up, saying="all have found Redis")
            time.sleep(seconds)
            for number, fault in enumerate(faults, 1):
                self._suffer(fault, seconds)
                if report:
                    sys.stderr.write(f"\r{number}/{len(faults)} {fault.name}, {len(self._outcome.errors)} errors ")
        self._expect_mode_in_redis()
        until(lambda: self._outcome.acknowledged <= set(self._tail.fired()), saying="the tail has all")
        fired = self._tail.fired()
        self._outcome.not_tailed_once = {each for each in self._outcome.acknowledged if fired.count(each) != 1}

    def close(self) -> None:
        """End what was begun."""
        self._tail.close()
        self._needy.close()

    def _suffer(self, fault: Fault, seconds: float) -> None:
        self._needy.recover()
        self._outcome.faults.append(fault.name)
        self._users.phase = fault.name
        fault.begin()
        try:
            self._go_on(fault, seconds)
        finally:
            fault.end()
        self._users.phase = f"after {fault.name}"
        until(self._all_up, within_s=_NOTICED_LIMIT_S, saying=f"all have found Redis, no longer {fault.name}")

    def _go_on(self, fault: Fault, seconds: float) -> None:
        """Let the fault last, and see that all goes on meanwhile, not only afterwards."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fault.again()
            time.sleep(_TICK_S)
        if not self._needy.is_well():
            self._outcome.felt.append(fault.name)
        latest = self._users.latest
        until(lambda: self._inbox.of(latest), saying=f"what was posted is delivered while Redis is {fault.name}")
        until(lambda: latest in self._tail.fired(), saying=f"the tail goes on while Redis is {fault.name}")
        saying = f"the metrics of {fault.down} tell that Redis is {fault.name}"
        until(lambda: not any(map(self._up, fault.down)), within_s=_NOTICED_LIMIT_S, saying=saying)

    def _all_up(self) -> bool:
        return all(self._up(service) == 1 for service in _SERVICES)

    def _up(self, service: str) -> float:
        process = "gateway" if self._suite.form == "allinone" else service
        address = self._suite.env[f"ALERTHISTORY_{process.upper()}_METRICS_LISTEN"]
        text = self._suite.http.get(f"http://{address}/metrics").text
        (line,) = (each for each in text.splitlines() if each.startswith(f"alerthistory_{service}_redis_up "))
        return float(line.rpartition(" ")[2])

    def _expect_mode_in_redis(self) -> None:
        wanted = {"mode": self._users.mode, "source": "redis"}
        until(
            lambda: self._suite.http.get("/enrichment/mode").json() == wanted, saying=f"the mode in Redis is {wanted}"
        )


def main() -> None:
    """Run every fault; exit 1 when anything was lost, anybody noticed, or a fault was none to those who need Redis."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    outcome = run_faults(seconds=seconds, form=(*sys.argv[2:], "allinone")[0], report=True)
    sys.stderr.write("\n" + "".join(f"{error}\n" for error in outcome.errors[:20]))
    for call in outcome.delays:
        medians = {phase: round(outcome.p50_ms(call, phase), 1) for phase in outcome.faults}
        medians = {_HEALTHY: round(outcome.healthy_p50_ms(call), 1), **medians}
        sys.stdout.write(f"{call}: p50 in ms {medians}\n")
    sys.stdout.write(f"{outcome}\n")
    is_noticed = outcome.errors or outcome.added_ms > MOST_ADDED_MS
    sys.exit(1 if outcome.lost or is_noticed or outcome.felt != outcome.faults else 0)


if __name__ == "__main__":
    main()
