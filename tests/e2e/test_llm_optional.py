"""The LLM is optional: whatever it does, everybody is told in time, and it silences nobody who must not be silenced."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.inbox import Inbox
from tests.fakes.llm import FAILURES, INJECTIONS, answering, base_of, document, opinion
from tests.fakes.receiver import Receiver, Reply, Request, receiver
from tests.payloads import alert, webhook
from tests.processes import until
from tests.suites import Suite

_WAIT_S = 1.0
_CLASSIFY_S = 3.0
# What a verdict may take, and a slow machine.
_DEADLINE_S = _CLASSIFY_S + 2.0
_SETTINGS = {
    "ALERTHISTORY_CLASSIFIER_LLM_MODEL": "test/model",
    "ALERTHISTORY_CLASSIFIER_LLM_FORM": "tools",
    "ALERTHISTORY_CLASSIFIER_LLM_WAIT_S": str(_WAIT_S),
    "ALERTHISTORY_CLASSIFIER_LLM_TIMEOUT_S": "2",
    "ALERTHISTORY_CLASSIFIER_LLM_READ_TIMEOUT_S": "1.5",
    "ALERTHISTORY_INGEST_CLASSIFY_TIMEOUT_S": str(_CLASSIFY_S),
}


@asynccontextmanager
async def running(folder: Path, inbox: Inbox, **settings: str) -> AsyncIterator[tuple[Suite, Receiver]]:
    """Yield a suite that asks a model, and the model."""
    targets = inbox.write_targets(folder / "targets.yaml")
    async with receiver() as llm:
        own = {
            "ALERTHISTORY_CLASSIFIER_LLM_URL": base_of(llm),
            "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets),
            **_SETTINGS,
            **settings,
        }
        suite = Suite(folder, env=own)
        program = await asyncio.to_thread(suite.start)
        try:
            yield suite, llm
        finally:
            await asyncio.to_thread(program.stop)


async def tell(suite: Suite, inbox: Inbox, *alerts: Mapping[str, Any]) -> float:
    """Post *alerts*, and return how many seconds passed until all were delivered."""
    began = time.monotonic()
    await asyncio.to_thread(lambda: suite.http.post("/webhook", json=webhook(alerts)).raise_for_status())
    names = {each["fingerprint"] for each in alerts}
    await asyncio.to_thread(
        lambda: until(
            lambda: {each.fingerprint for each in inbox.delivered} >= names,
            within_s=60,
            saying=f"{len(names)} are delivered",
        )
    )
    return time.monotonic() - began


def verdict(inbox: Inbox, name: str) -> tuple[str, str]:
    """Return the severity with which an alert was delivered, and who judged: ``rules`` or ``model``."""
    (delivered,) = inbox.of(name)
    found = delivered.body["classification"]
    return found["severity"], "model" if found["reasoning"] == opinion()["reasoning"] else "rules"


@pytest.mark.timeout(400)
async def test_whatever_the_model_does_everybody_is_told_in_time(folder: Path, inbox: Inbox) -> None:
    # The last are those after which the model is left alone for a while, because it asks for that.
    failures = sorted(FAILURES, key=lambda failure: "429 with" in failure and "without" not in failure)
    asking = len(failures) - 3
    taken: dict[str, float] = {}
    # A good answer after every failure: otherwise the model would be left alone soon.
    async with running(folder, inbox, ALERTHISTORY_CLASSIFIER_LLM_BREAKER_FAILURES="1") as (suite, llm):
        for number, failure in enumerate(failures):
            llm.usual = answering(opinion())
            await tell(suite, inbox, alert(f"Good{number}"))
            llm.usual = _always(FAILURES[failure])
            taken[failure] = await tell(suite, inbox, alert(f"Bad{number}"))
    assert asking >= 20
    late = {failure: round(took_s, 1) for failure, took_s in taken.items() if took_s > _DEADLINE_S}
    assert not late, late
    verdicts = {failure: verdict(inbox, f"Bad{number}") for number, failure in enumerate(failures)}
    assert set(verdicts.values()) == {("warning", "rules")}, verdicts
    judged = {failure: verdict(inbox, f"Good{number}") for number, failure in enumerate(failures[: asking + 1])}
    assert not [failure for failure, found in judged.items() if found != ("info", "model")]


def _always(reply: Reply) -> Callable[[Request], Reply]:
    return lambda _: reply


async def test_without_limits_a_hanging_model_holds_everybody_up(folder: Path, inbox: Inbox) -> None:
    """The negative control."""
    limits = (
        "ALERTHISTORY_CLASSIFIER_LLM_WAIT_S",
        "ALERTHISTORY_CLASSIFIER_LLM_TIMEOUT_S",
        "ALERTHISTORY_CLASSIFIER_LLM_READ_TIMEOUT_S",
        "ALERTHISTORY_INGEST_CLASSIFY_TIMEOUT_S",
    )
    async with running(folder, inbox, **dict.fromkeys(limits, str(_DEADLINE_S + 1))) as (suite, llm):
        llm.usual = lambda _: FAILURES["hangs after the headers"]
        assert await tell(suite, inbox, alert("Held")) > _DEADLINE_S


async def test_orders_to_the_model_change_nothing_about_who_is_told(folder: Path, inbox: Inbox) -> None:
    hostile = [
        {**alert(f"Hostile{number}"), "annotations": {"summary": text}} for number, text in enumerate(INJECTIONS)
    ] + [
        {**each, "labels": {**each["labels"], "pod": text}}
        for number, text in enumerate(INJECTIONS)
        for each in [alert(f"Labelled{number}")]
    ]
    pages = [alert(f"Page{number}", severity="critical", namespace="prod") for number in range(3)]
    async with running(folder, inbox) as (suite, llm):
        llm.usual = answering(opinion("noise", confidence=1.0))  # A model that does as it is told.
        await tell(suite, inbox, *hostile, *pages)
        # The negative control: what gives no orders is noise to this model, and a filter keeps it from the target.
        await asyncio.to_thread(lambda: suite.http.post("/webhook", json=webhook([alert("Plain")])).raise_for_status())
        await tell(suite, inbox, alert("Marker", severity="critical", namespace="prod"))
    assert not inbox.of("Plain")
    assert {verdict(inbox, each["fingerprint"]) for each in hostile} == {("warning", "rules")}
    assert {inbox.of(each["fingerprint"])[0].body["classification"]["severity"] for each in pages} == {"warning"}


@pytest.mark.timeout(120)
async def test_a_model_that_is_not_there_is_missed_by_nobody(folder: Path, inbox: Inbox) -> None:
    async with running(folder, inbox, ALERTHISTORY_CLASSIFIER_LLM_URL="http://127.0.0.1:1") as (suite, _):
        took_s = await tell(suite, inbox, *(alert(f"Alone{number}") for number in range(100)))
    assert took_s < 2 * _DEADLINE_S
    assert {verdict(inbox, f"Alone{number}") for number in range(100)} == {("warning", "rules")}


async def test_the_key_is_written_nowhere(folder: Path, inbox: Inbox) -> None:
    key = "sk-canary-4f1c9d7e"
    refused = replace(document({"error": {"message": f"Incorrect API key provided: {key}"}}), status=401)
    settings = {"ALERTHISTORY_CLASSIFIER_LLM_API_KEY": key, "ALERTHISTORY_LOG_LEVEL": "debug"}
    async with running(folder, inbox, **settings) as (suite, llm):
        llm.usual = answering(opinion())
        await tell(suite, inbox, alert("Judged"))
        llm.usual = _always(refused)
        await tell(suite, inbox, alert("Refused"))
        shown = await asyncio.to_thread(
            lambda: [suite.run("ahctl", *words).stdout for words in (("llm",), ("status",), ("verdict", "Refused"))]
        )
        sent = {request.headers["authorization"] for request in llm.requests}
    assert sent == {f"Bearer {key}"}
    assert not [text for text in shown if key in text]
    written = await asyncio.to_thread(_files, folder)
    assert b"401" in written["suite.log"]  # The refusal is told, without what it says.
    assert not [name for name, content in written.items() if key.encode() in content]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
