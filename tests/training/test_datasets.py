import gzip
import io
import tarfile

import cv2
import numpy as np
import pytest

from facetraits.training.datasets import (
    DatasetError,
    UtkFaceItem,
    parse_utkface_name,
    read_fer2013,
    read_utkface,
)
from facetraits.training.splits import (
    fer2013_duplicated,
    fer2013_train_mask,
    ferplus_majority,
    ferplus_targets,
    near_duplicate_groups,
    read_utkface_split,
    split_of_group,
    write_utkface_split,
)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("100_0_0_20170112213500903.jpg.chip.jpg", (100, 0, 0)),
        ("1_1_4_20161219154556757.jpg.chip.jpg", (1, 1, 4)),
        ("39_1_20170116174525125.jpg.chip.jpg", None),  # no ethnicity
        ("24_0_1_20170116220224657 .jpg.chip.jpg", None),
        ("300_0_0_20170112213500903.jpg.chip.jpg", None),
        ("20_2_0_20170112213500903.jpg.chip.jpg", None),
        ("readme.txt", None),
    ],
)
def test_utkface_names(name, labels):
    assert parse_utkface_name(name) == labels


def test_utkface_is_read_from_its_tar_and_from_a_folder(tmp_path):
    jpeg = cv2.imencode(".jpg", np.full((20, 20, 3), 90, np.uint8))[1].tobytes()
    names = ["26_1_2_20170116174525125.jpg.chip.jpg", "61_1_20170109142408075.jpg.chip.jpg"]
    with tarfile.open(tmp_path / "UTKFace.tar", "w") as tar:
        for name in names:
            member = tarfile.TarInfo(f"UTKFace/{name}")
            member.size = len(jpeg)
            tar.addfile(member, io.BytesIO(jpeg))
    folder = tmp_path / "UTKFace"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(jpeg)
    expected = [UtkFaceItem(names[0], jpeg, 26, 1, 2), names[1]]
    assert list(read_utkface(tmp_path / "UTKFace.tar")) == expected
    assert list(read_utkface(folder)) == expected
    with pytest.raises(DatasetError, match=r"missing\.tar"):
        list(read_utkface(tmp_path / "missing.tar"))


def fer_files(folder, rows):
    """Write both tables; each row is (grey level, label, usage, ten votes, image name)."""
    with gzip.open(folder / "fer2013.csv.gz", "wt") as file:
        file.write("emotion,pixels,Usage\n")
        for level, label, usage, _, _ in rows:
            file.write(f"{label},{' '.join([str(level)] * 2304)},{usage}\n")
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    lines = [f"{usage},{name},{','.join(map(str, votes))}\n" for _, _, usage, votes, name in rows]
    (folder / "fer2013new.csv").write_text(header + "".join(lines))
    return read_fer2013(folder / "fer2013.csv.gz", folder / "fer2013new.csv")


HAPPY = (1, 8, 0, 0, 0, 0, 0, 0, 1, 0)
TIE = (5, 5, 0, 0, 0, 0, 0, 0, 0, 0)
UNKNOWN = (2, 0, 0, 0, 0, 0, 0, 0, 8, 0)


def test_fer2013_votes_and_held_back_pictures(tmp_path):
    fer = fer_files(
        tmp_path,
        [
            (10, 3, "Training", HAPPY, "a.png"),
            (20, 3, "Training", TIE, "b.png"),  # the same picture as the test row
            (30, 3, "Training", UNKNOWN, ""),  # restored
            (40, 3, "PublicTest", UNKNOWN, "d.png"),
            (20, 3, "PrivateTest", HAPPY, "e.png"),
        ],
    )
    assert fer.pixels.shape == (5, 48, 48)
    assert fer.splits.tolist() == ["train", "train", "train", "validation", "test"]
    assert fer2013_train_mask(fer).tolist() == [True, False, False, False, False]
    assert fer2013_duplicated(fer).tolist() == [False, True, False, False, True]
    assert ferplus_majority(fer).tolist() == [1, -1, -1, -1, 1]
    targets, usable = ferplus_targets(fer)
    assert usable.tolist() == [True, True, False, False, True]
    assert targets[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]  # the single vote for neutral is a slip
    assert targets[1, :2].tolist() == [0.5, 0.5]


def test_fer2013_tables_of_unequal_length_are_refused(tmp_path):
    fer_files(tmp_path, [(10, 3, "Training", HAPPY, "a.png")])
    with (tmp_path / "fer2013new.csv").open("a") as file:
        file.write("Training,b.png," + ",".join(map(str, HAPPY)) + "\n")
    with pytest.raises(DatasetError, match="1 rows"):
        read_fer2013(tmp_path / "fer2013.csv.gz", tmp_path / "fer2013new.csv")


def test_near_duplicates_are_grouped_through_chains():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (4, 32, 32)).astype(float)
    pictures = [base[0], base[1], base[0] * 0.8 + 12, base[2], base[1] + rng.normal(0, 8, (32, 32)), base[3]]
    grey = np.clip(np.stack(pictures), 0, 255).astype(np.uint8)
    assert near_duplicate_groups(grey).tolist() == [0, 1, 0, 3, 1, 5]


def test_a_group_stays_on_one_side_and_the_shares_are_right(tmp_path):
    names = np.array([f"30_0_0_{i:017d}.jpg.chip.jpg" for i in range(4000)])
    groups = np.arange(4000) // 2 * 2
    file = tmp_path / "split.csv"
    write_utkface_split(names, groups, file)
    splits = read_utkface_split(names, file)
    assert (splits[0::2] == splits[1::2]).all()
    assert np.mean(splits == "train") == pytest.approx(0.7, abs=0.03)
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.03)
    assert read_utkface_split(np.array(["1_0_0_1.jpg.chip.jpg"]), file).tolist() == [""]


def test_the_stored_split_keeps_groups_together_and_follows_the_rule():
    import csv

    from facetraits.training.splits import UTKFACE_SPLIT

    with UTKFACE_SPLIT.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 20_000
    assert all(row["split"] == split_of_group(row["group"] or row["picture"]) for row in rows)
