"""On a full disk what the owner wants deleted is deleted: a small disk in memory is filled to the last byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from facetraits.visitors.spare import SPARE_BYTES
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import Settings
from tests.visitors.conftest import NOON, visit

VISITS = [visit(i / 60, source="secretname") for i in range(3000)]
DELETIONS: dict[str, tuple[Callable[[VisitStore], int], int]] = {
    "all": (VisitStore.delete_all, 3000),
    "old ones": (lambda store: store.expire(NOON + timedelta(days=1, seconds=1000)), 1000),
    "some": (lambda store: store.delete([v.id for v in VISITS[:2000]]), 2000),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 6 MB."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", tmp_path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"only root can mount a disk ({done.stderr.strip()})")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill(disk: Path) -> None:
    with (disk / "film.mp4").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    assert os.statvfs(disk).f_bavail == 0


@pytest.mark.parametrize("how", DELETIONS)
@pytest.mark.parametrize("opened", ["before", "after"])
def test_visits_are_deleted_on_a_full_disk(disk: Path, how: str, opened: str) -> None:
    url = f"sqlite:///{disk}/visitors.db"
    delete, expected = DELETIONS[how]
    store = open_store(url)
    store.save_settings(Settings(retention_days=1))
    store.add(VISITS)
    store.pack_days()  # emptying the row of a day takes room, too
    if opened == "after":
        store.close()
    fill(disk)
    if opened == "after":
        store = open_store(url)

    with closing(store):
        with pytest.raises(StoreError, match="the disk is full"):
            store.add([visit(i / 60) for i in range(5000)])
        assert delete(store) == expected
        assert (disk / "visitors.db-wal").stat().st_size == 0, "what was deleted is not beside the log either"
        assert sum(store.count().values()) == len(store.frame()) == 3000 - expected


def test_room_is_put_aside_again(disk: Path) -> None:
    spare = disk / "visitors.db-spare"
    with closing(open_store(f"sqlite:///{disk}/visitors.db")) as store:
        store.add(VISITS)
        fill(disk)
        store.delete_all()
        assert not spare.exists() or spare.stat().st_size == SPARE_BYTES
        (disk / "film.mp4").unlink()
        store.delete_all()
        assert spare.stat().st_size == SPARE_BYTES


def test_a_disk_without_any_room_is_a_sentence(disk: Path) -> None:
    url = f"sqlite:///{disk}/visitors.db"
    with closing(open_store(url)) as store:
        store.add(VISITS)
    (disk / "visitors.db-spare").unlink()
    fill(disk)
    with pytest.raises(StoreError, match="cannot be written: the disk is full"):
        open_store(url)
