"""The file of the spool, damaged, locked and on a full disk."""

import asyncio
import os
import random
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import UnavailableError
from alerthistory_ingest.adapters.spool import SqliteSpool
from alerthistory_ingest.domain.payload import Payload, PayloadFormat
from alerthistory_ingest.domain.spooled import Spooled

_MANY = 200
_MIB = 1024 * 1024


@asynccontextmanager
async def _spool(folder: Path, max_bytes: int = 64 * _MIB) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(folder, max_bytes=max_bytes, max_age_s=3600, clock=SystemClock())
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


def _payload(number: int, size: int = 1000) -> Spooled:
    body = f"payload {number} ".encode() + random.Random(number).randbytes(size)
    received = Instant(SystemClock().now().micros, number % 1000)
    payload = Payload(body=body, format=PayloadFormat.ALERTMANAGER, received_at=received, sender="a\0b", traceparent="")
    return Spooled(payload=payload, is_store_only=number % 2 == 0)


async def _fill(folder: Path) -> list[Spooled]:
    payloads = [_payload(number) for number in range(_MANY)]
    async with _spool(folder) as spool:
        for each in payloads:
            await spool.append([each])
    return payloads


async def _all(spool: SqliteSpool) -> list[bytes]:
    return [each.payload.body for each in await spool.oldest(max_count=10_000, max_bytes=1 << 30)]


async def test_payloads_come_back_as_they_were(tmp_path: Path) -> None:
    payloads = await _fill(tmp_path)
    async with _spool(tmp_path) as spool:
        found = await spool.oldest(max_count=1000, max_bytes=_MIB)
        assert [(each.payload, each.is_store_only) for each in found] == [
            (each.payload, each.is_store_only) for each in payloads
        ]
        assert [each.spool_id for each in found] == list(range(1, _MANY + 1))
        assert spool.state.payloads == _MANY
        assert spool.state.size_bytes == sum(len(each.payload.body) for each in payloads)
        assert len(await spool.oldest(max_count=7, max_bytes=_MIB)) == 7
        assert len(await spool.oldest(max_count=7, max_bytes=1)) == 1


async def test_what_is_removed_is_gone_and_its_space_comes_back(tmp_path: Path) -> None:
    async with _spool(tmp_path) as spool:
        for number in range(20):
            await spool.append([_payload(number, 500_000)])
        await spool.remove(range(1, 20))
        assert (spool.state.payloads, len(await _all(spool))) == (1, 1)
    assert (tmp_path / "spool.sqlite3").stat().st_size < 2 * _MIB


async def test_a_payload_that_was_set_back_comes_after_the_others(tmp_path: Path) -> None:
    async with _spool(tmp_path) as spool:
        await spool.append([_payload(number) for number in range(3)])
        await spool.set_back(1)
        found = await spool.oldest(max_count=10, max_bytes=_MIB)
        assert [(each.spool_id, each.failures) for each in found] == [(2, 0), (3, 0), (1, 1)]


async def test_others_on_the_machine_cannot_read_it(tmp_path: Path) -> None:
    await _fill(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    async with _spool(tmp_path / "spool"):
        for file in (tmp_path / "spool").iterdir():
            assert file.stat().st_mode & 0o077 == 0


async def test_a_second_process_gets_it_when_the_first_has_let_go(tmp_path: Path) -> None:
    first = AsyncExitStack()
    await (await first.enter_async_context(_spool(tmp_path))).append([_payload(1)])
    async with first, _spool(tmp_path) as second:
        assert "another process has" in second.state.problem
        with pytest.raises(UnavailableError, match="another process has"):
            await second.append([_payload(2)])
        await first.aclose()
        await second.append([_payload(2)])
        assert second.state.problem == ""
        assert len(await _all(second)) == 2


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
async def test_a_torn_file_never_blocks_and_what_can_be_read_is_kept(tmp_path: Path, share: float) -> None:
    bodies = [each.payload.body for each in await _fill(tmp_path)]
    file = tmp_path / "spool.sqlite3"
    os.truncate(file, int(file.stat().st_size * share))
    async with _spool(tmp_path) as spool:
        found = await _all(spool)
        assert [each for each in bodies if each in set(found)] == found
        await spool.append([_payload(1000)])
        assert len(await _all(spool)) == len(found) + 1
        assert spool.state.problem == ""


async def test_flipped_bytes_never_block_and_no_changed_body_comes_back(tmp_path: Path) -> None:
    bodies = {each.payload.body for each in await _fill(tmp_path / "sound")}
    size = (tmp_path / "sound/spool.sqlite3").stat().st_size
    chance = random.Random(5)
    saved, changed = [], 0
    for turn in range(60):
        folder = tmp_path / str(turn)
        shutil.copytree(tmp_path / "sound", folder)
        with (folder / "spool.sqlite3").open("r+b") as file:
            for _ in range(1 + turn % 3):
                file.seek(chance.randrange(size))
                file.write(chance.randbytes(1 + turn % 20))
        async with _spool(folder) as spool:
            found = await _all(spool)
            changed += sum(body not in bodies for body in found)
            saved.append(len(found))
            await spool.append([_payload(1000)])
    assert changed == 0
    # Most damage costs little: SQLite finds the other rows.
    assert sorted(saved)[len(saved) // 2] >= _MANY * 0.9


@pytest.mark.parametrize("is_checked", [True, False])
async def test_only_its_checksum_tells_that_a_body_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_checked: bool
) -> None:
    if not is_checked:
        monkeypatch.setattr("alerthistory_ingest.adapters.spool._checksum", lambda _: 0)
    (payload, *_) = await _fill(tmp_path)
    content = (tmp_path / "spool.sqlite3").read_bytes()
    assert payload.payload.body in content
    (tmp_path / "spool.sqlite3").write_bytes(content.replace(payload.payload.body, b"?" * len(payload.payload.body)))
    async with _spool(tmp_path) as spool:
        found = await _all(spool)
        assert (len(found), spool.state.damaged) == ((_MANY - 1, 1) if is_checked else (_MANY, 0))


_ON_A_FULL_DISK = """
    import asyncio, resource, signal, sys
    from pathlib import Path
    from alerthistory_common.errors import UnavailableError
    from tests.integration.ingest.test_spool_file import _payload, _spool

    async def main():
        # A file that may not grow any further fails as one on a full disk does.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        acknowledged = 0
        async with _spool(Path(sys.argv[1])) as spool:
            try:
                for number in range(5000):
                    await spool.append([_payload(number)])
                    acknowledged += 1
            except UnavailableError as error:
                print(acknowledged, error)
            print(spool.state.payloads)
    asyncio.run(main())
"""


async def test_a_full_disk_refuses_and_keeps_all_that_was_acknowledged(tmp_path: Path) -> None:
    command = (sys.executable, "-c", textwrap.dedent(_ON_A_FULL_DISK), str(tmp_path))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    first, second = out.decode().strip().splitlines()[-2:]
    acknowledged = int(first.split()[0])
    assert "the spool takes nothing" in first
    assert acknowledged > 50
    assert int(second) == acknowledged
    async with _spool(tmp_path) as spool:
        assert await _all(spool) == [_body(number) for number in range(acknowledged)]


def _body(number: int) -> bytes:
    return _payload(number).payload.body
