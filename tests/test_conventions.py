"""What docs/conventions.md promises is what the code does."""

import json
import re

from facetraits.faces.alignment import CROPS
from facetraits.tables import picture_record
from facetraits.types import LANDMARK_NAMES
from tests.builders import ROOT, make_face, make_result

TEXT = (ROOT / "docs" / "conventions.md").read_text()
MOST_LINES = 400


def shape(value):
    """Keys all the way down; lists by their first element, leaves left out."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def test_the_example_has_the_keys_of_a_real_record():
    example = json.loads(re.search(r"```json\n(.*?)```", TEXT, re.DOTALL).group(1))
    record = picture_record("photo.jpg", make_result(make_face(quality=("turned away",))), None)
    assert shape(example) == shape(json.loads(json.dumps(record)))


def test_probabilities_of_the_example_sum_to_one():
    example = json.loads(re.search(r"```json\n(.*?)```", TEXT, re.DOTALL).group(1))
    for trait in ("gender", "ethnicity", "expression", "mood"):
        assert abs(sum(example["faces"][0][trait]["probabilities"].values()) - 1) < 0.005


def test_landmarks_and_crops_are_listed():
    for index, name in enumerate(LANDMARK_NAMES):
        assert f"| {index} | {name} |" in TEXT
    for name, spec in CROPS.items():
        assert f"| `{name}` | {spec.side_px} px |" in TEXT


def test_no_file_of_code_is_too_long_to_read_at_once():
    folders = ("benchmarks", "facetraits", "pages", "tests", "ui")
    files = [ROOT / "app.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    long = {str(path.relative_to(ROOT)) for path in files if len(path.read_text("utf-8").splitlines()) > MOST_LINES}
    assert long == set()
