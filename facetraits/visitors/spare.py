"""Room on the disk that is kept for deleting: a full disk must not keep what its owner wants deleted.

SQLite writes down what a deletion changes before anything gets smaller. For that a file lies beside the log, which
holds nothing and is given up when the disk is full.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

SPARE_BYTES: Final = 1 << 20


def keep_spare(engine: Engine) -> None:
    """Put the room aside, where there is as much and it is not yet; of SQLite only."""
    path = _spare_of(engine)
    if path is None:
        return
    try:
        if path.exists() and path.stat().st_size == SPARE_BYTES:
            return
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(os.urandom(SPARE_BYTES))  # zeros take no room on some disks
            os.fsync(stream.fileno())
    except OSError:
        give_spare(engine)


def give_spare(engine: Engine) -> bool:
    """Give the room back to the disk; False where there was none."""
    path = _spare_of(engine)
    if path is not None:
        with suppress(OSError):
            path.unlink()
            return True
    return False


def _spare_of(engine: Engine) -> Path | None:
    return Path(f"{engine.url.database}-spare") if engine.dialect.name == "sqlite" else None
