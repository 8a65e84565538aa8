"""What the margin of the crop is worth: the same short training on several crop geometries, judged on validation.

`python -m benchmarks.crop_margin DATA` prints one row per geometry and data set (about two minutes each on two cores).
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np

from facetraits.faces import alignment
from facetraits.training import train as training
from facetraits.training.recipes import RECIPES

MODELS = Path(__file__).parent.parent / "models"
GEOMETRIES = (  # margin, shift_y: the middle between eyes and mouth stays near 53% of the height
    (0.65, 0.19),
    (0.8, 0.147),
    (1.0, 0.11),
)
SAMPLES, EPOCHS = 5000, 3


def outside_share(spec: alignment.CropSpec, detections: np.ndarray, width: int) -> float:
    """Median share of a crop's pixels that lie outside its square picture of ``width`` px."""
    grid = np.stack(np.meshgrid(*[np.arange(0, spec.side_px, 4)] * 2), axis=-1).reshape(-1, 2)
    shares = []
    for row in detections[~np.isnan(detections[:, 0])][:1000]:
        inverse = alignment.similarity(spec.landmarks_px(), row[5:].reshape(5, 2))
        points = grid @ inverse[:, :2].T + inverse[:, 2]
        shares.append(np.mean(((points < 0) | (points > width - 1)).any(axis=1)))
    return float(np.median(shares))


def main(data: Path) -> None:
    full = training.load_samples
    for base in ("traits-lite0-112", "expression-lite0-80"):
        recipe = dataclasses.replace(RECIPES[base], epochs=EPOCHS, input_px=56, crop="trial")

        def subset(recipe, split, data, network):  # type: ignore[no-untyped-def]
            samples = full(recipe, split, data, network)
            rows = np.random.default_rng(0).permutation(len(samples))[: SAMPLES if split == "train" else None]
            pick = lambda values: {head: v[rows] for head, v in values.items()}  # noqa: E731
            return type(samples)(samples.crops[rows], pick(samples.targets), pick(samples.weights))

        training.load_samples = subset  # type: ignore[assignment]
        stored = np.load(training.RUNS.parent / "data" / f"{recipe.datasets[0]}-faces.npz")["detections"]
        for margin, shift_y in GEOMETRIES:
            spec = alignment.CropSpec("trial", 112, margin, shift_y)
            alignment.CROPS["trial"] = spec  # type: ignore[index]
            with tempfile.TemporaryDirectory() as runs:
                run = training.train(recipe, data, MODELS, Path(runs))
                best = min(training._history(run / "history.csv"), key=lambda row: float(row["val_loss"]))
            outside = outside_share(spec, stored, 200 if "utkface" in recipe.datasets else 48)
            figures = {k: round(float(v), 4) for k, v in best.items() if k.startswith("val_")}
            print(f"{base} margin {margin} shift_y {shift_y} outside {outside:.3f}: {figures}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
