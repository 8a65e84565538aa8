"""What the tests of video share."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def portraits():
    """(100, 25, 25) uint8 of as many people."""
    return (skimage.data.lfw_subset()[:100] * 255).astype(np.uint8)
