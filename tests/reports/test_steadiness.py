"""How steady answers are: what is counted, and what is done to the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facetraits.registry import ModelIntegrityError, load_manifest, profile_files
from facetraits.reports.steadiness import SteadinessReport, check_steadiness, counted, load_steadiness
from facetraits.training.evaluation.steadying import VERSIONS
from facetraits.types import FaceDetection

YEARS = np.array([[30.0, 50.0], [32.0, 50.0], [28.0, 50.0], [30.0, 50.04]])
GENDERS = np.array([[0, 1], [0, 1], [1, 1], [1, 1]])


def report(**changes) -> SteadinessReport:
    deviation, shift, changes_, changed = counted(YEARS, {"gender": GENDERS})
    made = SteadinessReport(
        "accurate", "utkface", "test", {"a": "0"}, ("as it is", "x", "y", "z"), 2, deviation, shift, changes_, changed
    )
    return replace(made, **changes)


def test_counts_are_those_of_the_answers():
    made = report()
    assert made.age_shift == pytest.approx((0, 2, -2, 0.04))
    assert sum(made.age_deviation) == 2 and made.age_deviation[0] == 1 and made.age_deviation[14] == 1
    assert made.changes["gender"] == (1, 0, 1), "two of four versions of one face differ from the other two"
    assert made.changed["gender"] == (0, 0, 1, 1)
    assert made.share_changing("gender") == 0.5 and made.share_changing("gender", 2) == 0
    assert made.mean_shift("x") == 1 and made.share_changed("gender", "y") == 0.5


def test_the_median_is_that_of_the_faces():
    assert report(faces=5, age_deviation=(1, 0, 3, 1)).median_age_deviation == pytest.approx(0.25)


def test_a_report_survives_its_file(tmp_path):
    made = report()
    (tmp_path / "steadiness").mkdir()
    (tmp_path / "steadiness" / "a.json").write_text(made.to_json())
    (read,) = load_steadiness(tmp_path)
    assert read == made
    (tmp_path / "steadiness" / "b.json").write_text('{"versions": []}')
    with pytest.raises(ValueError, match="not a report of steadiness"):
        load_steadiness(tmp_path)
    with pytest.raises(ValueError, match="a sum for each version"):
        SteadinessReport.from_json(report(versions=("as it is",)).to_json())


def test_a_report_of_other_networks_is_refused():
    manifest = load_manifest()
    check_steadiness(report(weights_sha256=profile_files(manifest, "accurate")), manifest)
    with pytest.raises(ModelIntegrityError, match="other networks or settings"):
        check_steadiness(report(), manifest)


@pytest.mark.parametrize("name", VERSIONS)
def test_in_every_version_the_face_stays_where_its_points_are(name):
    # A picture whose colours tell where they are, so that the points can be found again in any version.
    y, x = np.mgrid[0:200, 0:200]
    picture = np.stack([x, y, np.full_like(x, 100)], axis=2).astype(np.uint8)
    points = np.array([[80, 80], [120, 80], [100, 105], [85, 125], [115, 125]], dtype=np.float32)
    face = FaceDetection(np.array([60, 50, 140, 150], np.float32), points, 0.9)
    before = picture.copy()
    changed, moved = VERSIONS[name](picture, face)
    assert np.array_equal(picture, before) and changed.dtype == np.uint8
    if name.startswith("crop"):
        assert np.array_equal(changed, picture)
        off = np.abs(moved.landmarks - points).max() / face.size_px
        assert 0.01 < off < 0.08
        return
    columns, rows = np.round(moved.landmarks).astype(int).T
    found = changed[rows, columns, :2].astype(float)
    if name in ("grey", "dark", "bright", "warm", "cool", "sharpened", "sharpened much"):
        assert np.array_equal(moved.landmarks, points) and changed.shape == picture.shape
    else:
        assert found == pytest.approx(points, abs=8)
