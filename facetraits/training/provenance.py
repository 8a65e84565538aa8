"""Where a result comes from."""

from __future__ import annotations

import subprocess


def code_commit() -> str:
    """Hash of the checked-out commit; "" outside a git checkout."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
