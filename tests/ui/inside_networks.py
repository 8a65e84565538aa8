"""The networks and the face that tests of "Inside the CNN" look at."""

from __future__ import annotations

import numpy as np

from facetraits.inside.reading import read_network
from facetraits.registry import load_manifest
from tests.builders import (
    FIRST_NETWORK,
    MODELS,
    OTHER_NETWORK,
    photo_of_one,
)

MANIFEST = load_manifest(MODELS)
NETWORKS = {name: read_network(entry.path) for name, entry in MANIFEST.differentiable.items()}
TRAITS_NETWORK, EXPRESSION_NETWORK = NETWORKS[OTHER_NETWORK], NETWORKS[FIRST_NETWORK]
FACE = np.ascontiguousarray(photo_of_one()[80:192, 170:282])
