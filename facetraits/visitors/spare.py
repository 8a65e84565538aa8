"""Reserved disk space for deleting visits when the disk is full.

SQLite needs space to log a deletion before the file shrinks. A file beside the database reserves it, and is removed
when the disk is full.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

SPARE_BYTES: Final = 1 << 20


def reserve_space(engine: Engine) -> None:
    """Reserve the space if there is enough and it is not reserved yet; SQLite only."""
    path = _reserve_file(engine)
    if path is None:
        return
    try:
        if path.exists() and path.stat().st_size == SPARE_BYTES:
            return
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(os.urandom(SPARE_BYTES))  # some file systems store zeros without using space
            os.fsync(stream.fileno())
    except OSError:
        release_space(engine)


def release_space(engine: Engine) -> bool:
    """Release the reserved space; False if there was none."""
    path = _reserve_file(engine)
    if path is not None:
        with suppress(OSError):
            path.unlink()
            return True
    return False


def _reserve_file(engine: Engine) -> Path | None:
    is_file = engine.dialect.name == "sqlite" and engine.url.database
    return Path(f"{engine.url.database}-spare") if is_file else None
