"""JSON that people can read and compare line by line."""

from __future__ import annotations

import json
import re
from typing import Any


def json_text(value: Any) -> str:
    """Indented JSON in which a list of bare numbers takes one line."""
    text = json.dumps(value, indent=1)
    return re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text) + "\n"
