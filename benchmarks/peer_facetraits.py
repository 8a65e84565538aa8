"""facetraits in the loop that times it beside other packages: ``peer_facetraits.py MODELS PROFILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peer_loop import serve
from facetraits import decode_image, load_analyzer


def main(models: str, profile: str) -> None:
    analyzer = load_analyzer(Path(models), profile)
    serve(lambda path: decode_image(Path(path).read_bytes()), lambda image: len(analyzer.analyze(image).faces))


if __name__ == "__main__":
    main(*sys.argv[1:])
