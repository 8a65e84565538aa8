"""What every benchmark writes down beside its figures, and how it shows them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def this_machine() -> dict[str, Any]:
    """What the figures depend on, with the load of the last minute: call it before measuring."""
    return {
        "cpu_count": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def write_results(results: Mapping[str, Any], path: Path | None) -> None:
    """Write JSON; nothing where there is no path."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown with the rows' keys as its head."""
    head = list(rows[0])
    lines = [[name.replace("_", " ") for name in head], ["---"] * len(head)]
    lines += [["-" if row[name] is None else str(row[name]) for name in head] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
