"""Publishers die at every step while providers err, and the providers must come to know the truth nevertheless.

``python -m tests.chaos.providers [ROUNDS] [SEED]``. Alerts fire, are resolved and fire again; providers answer late,
with 5xx, or break the connection before or after they took an event; publishers are killed at each named step and at
random moments. In the end every delivery is made or a dead letter, every message has come at least once, and what is
open at PagerDuty and Rootly is what fires, opened as often as it fired. One round on SQLite with one publisher, one on
PostgreSQL with two, in turn. The last line is ``rounds=… crashes=… events=… deliveries=… dead=… duplicates=…
problems=…``.
"""

import random
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import URL

from alerthistory.publisher.v1 import delivery_pb2
from alerthistory_common.alerts import AlertEvent
from alerthistory_common.crash_points import CRASH_POINTS
from tests.chaos.provider_check import History, Run, duplicates, history_of, problems_of
from tests.databases import new_database, postgres_server
from tests.fakes import pagerduty, rootly, slack
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import Faults, ProviderServer, serving
from tests.fakes.rootly import Rootly
from tests.fakes.slack import Slack
from tests.processes import Program, short_folder, until
from tests.publisher_processes import PublisherProcess, publishers

STEPS: Sequence[str] = [each for each in CRASH_POINTS if each.startswith("publisher.")]
FAULTS = Faults(delay_s=0.2, errors=0.1, resets_before=0.05, resets_after=0.05, late=0.01)
_WRITERS = 6
_PAUSE_S = 0.02
_TIMEOUT_S = 2.0
_CRASH_LIMIT_S = 60.0
_DRAIN_LIMIT_S = 180.0
# The target that refuses everything makes dead letters.
_REFUSING = "gone"


@dataclass(kw_only=True)
class ProvidersOutcome:
    """What rounds saw."""

    rounds: int = 0
    crashes: int = 0
    events: int = 0
    deliveries: int = 0
    dead: int = 0
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, run: Run, *, crashes: int) -> None:
        """Add what came of one round."""
        deliveries = list(run.deliveries)
        self.rounds += 1
        self.crashes += crashes
        self.events += len(run.history.all)
        self.deliveries += len(deliveries)
        self.dead += sum(each.state == delivery_pb2.DELIVERY_STATE_DEAD for each in deliveries)
        self.duplicates += duplicates(run)
        self.problems += problems_of(run)

    def __str__(self) -> str:
        return (
            f"rounds={self.rounds} crashes={self.crashes} events={self.events} deliveries={self.deliveries} "
            f"dead={self.dead} duplicates={self.duplicates} problems={len(self.problems)}"
        )


class Providers:
    """The fakes that targets are told to, by the names of the targets."""

    def __init__(self, stack: ExitStack, *, faults: Faults) -> None:
        def served(fake: Any, number: int) -> ProviderServer:
            own = {**_fields(faults), "seed": faults.seed + number}
            return stack.enter_context(serving(fake, faults=Faults(**own)))

        def channel() -> Slack:
            return Slack(per_second=10_000, burst=10_000)

        self.pagerduty = served(PagerDuty(limit=1_000_000), 1)
        self.rootly = served(Rootly(limit=1_000_000), 2)
        self.chat = served(channel(), 6)
        self.by_target = {
            "pagerduty": self.pagerduty,
            "slack": served(channel(), 3),
            "rootly": served(Rootly(limit=1_000_000), 4),
            _REFUSING: served(channel(), 5),
            "rootly-api": self.rootly,
            "slack-thread": self.chat,
        }
        self.targets = list(map(self._target, self.by_target))

    def heal(self) -> None:
        """Let nothing be wrong any more."""
        for server in self.by_target.values():
            server.befall(Faults())

    def _target(self, name: str) -> dict[str, Any]:
        url = self.by_target[name].url
        bearer = {"Authorization": f"Bearer {rootly.TOKEN}"}
        own: Mapping[str, Mapping[str, Any]] = {
            "pagerduty": {"format": "pagerduty", "url": url + pagerduty.PATH, "routing_key": pagerduty.ROUTING_KEY},
            "slack": {"format": "slack", "url": url + slack.WEBHOOK},
            "rootly": {"format": "rootly", "url": url + rootly.INCIDENTS, "headers": bearer},
            _REFUSING: {"format": "slack", "url": url + slack.ARCHIVED},
            "rootly-api": {"format": "rootly-api", "url": url + rootly.ALERTS, "headers": bearer},
            "slack-thread": {
                "format": "slack",
                "url": url + slack.POST_MESSAGE,
                "channel": slack.CHANNEL,
                "headers": {"Authorization": f"Bearer {slack.TOKEN}"},
            },
        }
        return {"name": name, "timeout_s": _TIMEOUT_S, **own[name]}


def run_round(
    *,
    seed: int,
    alerts: int = 60,
    database: URL | None = None,
    count: int = 1,
    steps: Sequence[str] = STEPS,
    kills: int = 3,
    faults: Faults = FAULTS,
    variant: str = "",
) -> Run:
    """Return what came of *alerts*, told by *count* publishers that die at *steps* and *kills* times besides.

    Raises AssertionError when a step is not reached, or what is left is not delivered in time.
    """
    history = history_of(alerts, seed=seed)
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        providers = Providers(stack, faults=Faults(**{**_fields(faults), "seed": seed}))
        replicas = stack.enter_context(
            publishers(folder, providers.targets, count=count, database=database, variant=variant)
        )
        return _round(history, providers, replicas, folder, dice=random.Random(seed), steps=steps, kills=kills)


def _round(
    history: History,
    providers: Providers,
    replicas: Sequence[PublisherProcess],
    folder: Path,
    *,
    dice: random.Random,
    steps: Sequence[str],
    kills: int,
) -> Run:
    script = Script(list(history.events.values()), replicas)
    writers = [Writer(script, number) for number in range(_WRITERS)]
    try:
        for writer in writers:
            writer.start()
        lives = [*steps, *[""] * kills]
        dice.shuffle(lives)
        _live(lives, replicas, script, dice)
        script.share, script.through = 1.0, replicas
        for replica in replicas:
            replica.kill()
            replica.start()
        for writer in writers:
            writer.join(_DRAIN_LIMIT_S)
        providers.heal()
        until(lambda: not replicas[0].pending(), within_s=_DRAIN_LIMIT_S, saying="all is delivered or dead")
    except AssertionError as error:
        logs = "".join(log.read_text()[-3000:] for log in folder.glob("publisher-*.log"))
        raise AssertionError(f"{error}\n{logs}") from error
    finally:
        script.is_over.set()
        for writer in writers:
            writer.join()
    return Run(
        history=history,
        deliveries=replicas[0].deliveries(),
        accepted={name: server.accepted for name, server in providers.by_target.items()},
        pagerduty=providers.pagerduty.model(),
        chat=providers.chat.model() if "slack-thread" in providers.by_target else None,
        rootly=providers.rootly.model() if "rootly-api" in providers.by_target else None,
        refusing=frozenset({_REFUSING}),
    )


def _live(lives: Sequence[str], replicas: Sequence[PublisherProcess], script: "Script", dice: random.Random) -> None:
    """Let one publisher after another, in turn, end at a step, or at a random moment; the others go on."""
    for replica in replicas[1:]:
        replica.start()
    for number, step in enumerate(lives):
        replica = replicas[number % len(replicas)]
        replica.kill()
        # Another would take all away from the one that is to reach its step.
        script.through = [replica] if step else replicas
        script.share = (number + 1) / (len(lives) + 1)
        program = replica.launch(crash_at=step)
        if step:
            _wait_for_end(program, step)
        else:
            replica.wait_until_ready()
            time.sleep(dice.uniform(0.2, 1.5))
            replica.kill()
        if len(replicas) > 1:
            replica.start()


def _wait_for_end(program: Program, step: str) -> None:
    until(lambda: program.process.poll() is not None, within_s=_CRASH_LIMIT_S, saying=f"{step} is reached")


class Script:
    """What writers publish, and through whom: the changes of alerts, as yet only a *share* of all, until it is over."""

    def __init__(self, alerts: Sequence[Sequence[AlertEvent]], through: Sequence[PublisherProcess]) -> None:
        self.alerts = alerts
        self.through = through
        self.share = 0.0
        self.is_over = threading.Event()


class Writer(threading.Thread):
    """Publishes the changes of some alerts, those of each in their order, and each again until it is acknowledged."""

    def __init__(self, script: Script, number: int) -> None:
        super().__init__()
        self._script = script
        self._left = [list(changes) for changes in script.alerts[number::_WRITERS]]
        self._all = sum(map(len, self._left))
        self._dice = random.Random(number)

    def run(self) -> None:
        """Publish until all is, the changes of different alerts mixed."""
        done = 0
        while self._left and not self._script.is_over.is_set():
            if done < self._all * self._script.share:
                done += self._publish(self._dice.choice(self._left))
            self._script.is_over.wait(_PAUSE_S)

    def _publish(self, changes: list[AlertEvent]) -> int:
        with suppress(grpc.RpcError):
            self._dice.choice(self._script.through).publish(changes[:1], timeout_s=5)
            changes.pop(0)
            self._left = [each for each in self._left if each]
            return 1
        return 0


def _fields(faults: Faults) -> dict[str, Any]:
    return {name: getattr(faults, name) for name in Faults.__dataclass_fields__}


def main() -> None:
    """Run rounds; exit 1 when a promise was broken."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**31)
    outcome = ProvidersOutcome()
    with postgres_server() as server:
        for number in range(rounds):
            with ExitStack() as stack:
                is_shared = bool(number % 2)
                database = stack.enter_context(new_database(server)) if is_shared else None
                run = run_round(seed=seed + number, alerts=120, database=database, count=2 if is_shared else 1)
                outcome.add(run, crashes=len(STEPS) + 3)
            sys.stderr.write(f"seed {seed + number} {outcome}\n")
    for problem in outcome.problems[:20]:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{outcome}\n")
    sys.exit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
