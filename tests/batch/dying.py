"""What an actor does in tests: as always, but some pictures end its process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from facetraits.batch.cluster import Analyze

if TYPE_CHECKING:
    import pyarrow


class EndsAtPoison(Analyze):
    """The process ends at a path with "poison" in it, as it would where a decoder crashes."""

    def __call__(self, block: pyarrow.Table) -> pyarrow.Table:
        if any(b"poison" in path for path in block["path"].to_pylist()):
            os._exit(1)
        return super().__call__(block)
