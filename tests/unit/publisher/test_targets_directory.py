"""Mounted secrets: one version at a time, and a mistake costs only its own target's news."""

import os
import shutil
from pathlib import Path

import pytest

from alerthistory_publisher.adapters import targets_directory
from alerthistory_publisher.adapters.targets_directory import TargetsDirectory, read_secret
from alerthistory_publisher.domain.target_sets import Malformed
from alerthistory_publisher.domain.targets import InvalidTargetsError, Target

VALID = {"url": "https://x.example/1", "format": "webhook"}


def mount(place: Path, version: str, data: dict[str, str]) -> None:
    """Do as the kubelet does: write a folder, let ``..data`` point there at once, then delete the older folder."""
    place.mkdir(exist_ok=True)
    old = os.readlink(place / "..data") if (place / "..data").is_symlink() else None
    (place / f"..{version}").mkdir()
    for key, value in data.items():
        (place / f"..{version}" / key).write_text(value)
        if not (place / key).is_symlink():
            (place / key).symlink_to(f"..data/{key}")
    (place / "..data_tmp").symlink_to(f"..{version}")
    (place / "..data_tmp").rename(place / "..data")
    if old:
        shutil.rmtree(place / old)
    for each in place.iterdir():
        if each.is_symlink() and not each.exists():
            each.unlink()


async def load(path: Path) -> dict[str, Target | Malformed]:
    return dict((await TargetsDirectory(path, allow_http=False).load()).entries)


async def test_every_mounted_secret_is_a_target(tmp_path: Path) -> None:
    mount(tmp_path / "ops", "1", {**VALID, "token": "s3cret\n"})
    (tmp_path / "flat").mkdir()
    for key, value in VALID.items():
        (tmp_path / "flat" / key).write_text(value)
    (tmp_path / "flat" / ".hidden").write_text("s3cret")
    (tmp_path / "flat" / "sub").mkdir()
    (tmp_path / "..2026").mkdir()
    (tmp_path / "a-file").write_text("s3cret")
    found = await load(tmp_path)
    assert list(found) == ["flat", "ops"]
    ops = found["ops"]
    assert isinstance(ops, Target), ops
    assert (ops.name, ops.headers, ops.source) == ("ops", (("Authorization", "Token s3cret"),), "directory ops")
    assert isinstance(found["flat"], Target)


async def test_a_swapped_secret_is_read_anew(tmp_path: Path) -> None:
    mount(tmp_path / "ops", "1", {**VALID, "token": "old"})
    mount(tmp_path / "ops", "2", {"url": "https://x.example/2", "format": "slack"})
    found = (await load(tmp_path))["ops"]
    assert isinstance(found, Target), found
    assert (found.url, found.format, found.headers) == ("https://x.example/2", "slack", ())


def test_a_secret_swapped_while_it_is_read_is_of_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "ops"
    mount(place, "1", {"a": "1", "b": "1", "c": "1"})
    read = targets_directory._read_file
    swaps = iter(["2", "3"])

    def swap_then_read(path: Path) -> bytes:
        content = read(path)
        if version := next(swaps, ""):
            mount(place, version, {"a": version, "b": version})
        return content

    monkeypatch.setattr(targets_directory, "_read_file", swap_then_read)
    assert read_secret(place) == {"a": b"3", "b": b"3"}


def test_a_secret_that_keeps_changing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "ops"
    mount(place, "0", {"a": "0"})
    read = targets_directory._read_file
    versions = iter(range(1, 100))

    def read_then_swap(path: Path) -> bytes:
        content = read(path)
        mount(place, str(next(versions)), {"a": "x"})
        return content

    monkeypatch.setattr(targets_directory, "_read_file", read_then_swap)
    with pytest.raises(OSError, match="changes while it is read"):
        read_secret(place)


async def test_mistakes_are_told_beside_the_good_ones(tmp_path: Path) -> None:
    mount(tmp_path / "good", "1", VALID)
    mount(tmp_path / "wrong", "1", {**VALID, "tokn": "s3cret"})
    mount(tmp_path / "large", "1", {"title": "x" * ((1 << 20) + 1)})
    (tmp_path / "empty").mkdir()
    found = await load(tmp_path)
    assert isinstance(found["good"], Target)
    assert found["wrong"] == Malformed((f"{tmp_path}/wrong: unknown key 'tokn' (did you mean token?)",))
    assert found["large"] == Malformed((f"{tmp_path}/large: holds more than 1 MiB",))
    assert found["empty"] == Malformed((f"{tmp_path}/empty: holds no keys: remove it to remove its target",))


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTargetsError, match="nowhere: cannot be read: No such file or directory"):
        await load(tmp_path / "nowhere")
