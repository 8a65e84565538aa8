"""The package fer (facial expression) in the loop that times it; runs in its own environment."""

from __future__ import annotations

import cv2
from fer.fer import FER
from peer_loop import serve

recogniser = FER()
serve(cv2.imread, lambda image: len(recogniser.detect_emotions(image)))
