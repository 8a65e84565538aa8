import gzip
import io
import tarfile

import cv2
import numpy as np
import pytest

from facetraits.training.data.datasets import (
    AllAgeFacesItem,
    DatasetError,
    RafDbItem,
    UtkFaceItem,
    parse_all_age_faces_name,
    parse_utkface_name,
    read_all_age_faces,
    read_fer2013,
    read_raf_db,
    read_utkface,
)
from facetraits.training.data.splits import (
    ALL_AGE_FACES_SPLIT,
    LEFT_OUT,
    RAF_DB_SPLIT,
    all_age_faces_splits,
    fer2013_duplicated,
    fer2013_train_mask,
    ferplus_majority,
    ferplus_targets,
    near_duplicate_groups,
    raf_db_splits,
    read_split,
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
    splits = read_split(names, file)
    assert (splits[0::2] == splits[1::2]).all()
    assert np.mean(splits == "train") == pytest.approx(0.7, abs=0.03)
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.03)
    assert read_split(np.array(["1_0_0_1.jpg.chip.jpg"]), file).tolist() == [""]


def test_the_stored_split_keeps_groups_together_and_follows_the_rule():
    import csv

    from facetraits.training.data.splits import UTKFACE_SPLIT

    with UTKFACE_SPLIT.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 20_000
    assert all(row["split"] == split_of_group(row["group"] or row["picture"]) for row in rows)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("00000A02.jpg", (2, 1)),
        ("07380A64.jpg", (64, 1)),
        ("07381A02.jpg", (2, 0)),
        ("13321A80.jpg", (80, 0)),
        ("0738A02.jpg", None),
        ("07381A02.png", None),
        ("readme.txt", None),
    ],
)
def test_all_age_faces_names(name, labels):
    assert parse_all_age_faces_name(name) == labels


def test_all_age_faces_are_read_with_the_half_that_is_held_back(tmp_path):
    (tmp_path / "original images").mkdir()
    (tmp_path / "image sets").mkdir()
    (tmp_path / "image sets" / "val.txt").write_text("07381A33.jpg 1\n")
    for name in ("00001A05.jpg", "07381A33.jpg", "notes.jpg"):
        (tmp_path / "original images" / name).write_bytes(b"jpeg")
    assert list(read_all_age_faces(tmp_path)) == [
        AllAgeFacesItem("00001A05.jpg", b"jpeg", 5, 1, False),
        AllAgeFacesItem("07381A33.jpg", b"jpeg", 33, 0, True),
        "notes.jpg",
    ]
    with pytest.raises(DatasetError, match="All-Age-Faces cannot be read"):
        list(read_all_age_faces(tmp_path / "missing"))


def test_raf_db_is_read_with_its_labels(tmp_path):
    for half, label in (("train", 1), ("test", 7)):
        (tmp_path / "aligned" / half / f"{half}_images").mkdir(parents=True)
        (tmp_path / "aligned" / half / f"{half}_images" / f"{half}_1.jpg").write_bytes(b"jpeg")
        (tmp_path / f"{half}_labels.csv").write_text(f"image,label\n{half}_1.jpg,{label}\n")
    surprise, neutral = 0, 6
    assert list(read_raf_db(tmp_path)) == [
        RafDbItem("train_1.jpg", b"jpeg", surprise, "train"),
        RafDbItem("test_1.jpg", b"jpeg", neutral, "test"),
    ]
    (tmp_path / "test_labels.csv").write_text("image,label\ntest_1.jpg,8\n")
    with pytest.raises(DatasetError, match="label 8 of test_1"):
        list(read_raf_db(tmp_path))


def test_what_is_held_back_is_held_back_as_a_group_and_unlike_what_others_train_on():
    names = np.array([f"{i:05d}A20.jpg" for i in range(6000)])
    held_back = np.arange(6000) >= 2000
    groups = np.arange(6000) // 2 * 2
    groups[2001] = groups[1999] = 1998  # a group across both halves
    elsewhere = np.full(6000, "", dtype="<U10")
    elsewhere[3000:3100], elsewhere[:10] = "train", "test"
    splits = all_age_faces_splits(names, held_back, groups, elsewhere)
    counts = {name: int((splits == name).sum()) for name in ("train", "validation", "test", LEFT_OUT)}
    assert counts["test"] == 2000 and counts["validation"] == 700 and counts[LEFT_OUT] == 10
    assert set(splits[:2000]) == {"train", LEFT_OUT}
    assert set(splits[3000:3100]) == {"train"} and splits[2001] == "train"
    assert all(len(set(splits[groups == group])) == 1 for group in np.unique(groups))


def test_raf_db_keeps_its_test_half_and_trains_on_nothing_like_it():
    names = np.array([f"train_{i:05d}_aligned.jpg" for i in range(3000)])
    halves = np.where(np.arange(3000) < 2000, "train", "test")
    groups = np.arange(3000)
    groups[2500] = 7  # a test picture nearly the same as a training picture
    elsewhere = np.full(3000, "", dtype="<U10")
    elsewhere[8] = "test"
    splits = raf_db_splits(names, halves, groups, elsewhere)
    assert (splits[2000:] == "test").all() and splits[7] == LEFT_OUT and splits[8] in (LEFT_OUT, "validation")
    assert 0.07 < (splits[:2000] == "validation").mean() < 0.13


def test_the_stored_splits_are_as_large_as_they_should_be():
    for path, wanted in (
        (ALL_AGE_FACES_SPLIT, {"train": 10622, "validation": 700, "test": 2000}),
        (RAF_DB_SPLIT, {"train": 10977, "validation": 1219, "test": 3068, LEFT_OUT: 75}),
    ):
        rows = [line.split(",")[2] for line in path.read_text().splitlines()[1:]]
        assert {name: rows.count(name) for name in set(rows)} == wanted
