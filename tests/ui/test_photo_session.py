"""What a session keeps of its pictures, and what it gives away."""

from __future__ import annotations

import csv
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from facetraits.faces.images import decode_image
from facetraits.tables import csv_columns
from facetraits.traits import TRAITS
from tests.builders import FakeAnalyzer, make_detection, make_face, make_result, photo_of_one, photo_without_faces, png
from ui.photo.export import to_csv, to_json
from ui.photo.sample_row import FOLDER, PORTRAITS, group_photo
from ui.photo.session import (
    PREVIEW_SIDE_PX,
    PREVIEWS_KEPT,
    Outcome,
    PhotoSession,
    Picture,
    annotated_download,
    face_crop,
)


def picture(key: str, data: bytes, reads: list[str] | None = None) -> Picture:
    def read() -> bytes:
        if reads is not None:
            reads.append(key)
        return data

    return Picture(key, f"{key}.png", read)


@pytest.fixture(scope="module")
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


def kept_bytes(session: PhotoSession) -> int:
    crops = sum(len(crop) for outcome in session._outcomes.values() for crop in outcome.crops)
    return crops + sum(map(len, session._previews.values()))


def test_memory_stays_small_however_many_pictures_there_are(analyzer: FakeAnalyzer) -> None:
    session = PhotoSession()
    portrait = png(photo_of_one())
    pictures = [picture(str(i), portrait) for i in range(PREVIEWS_KEPT + 12)]
    sizes = []
    for one in pictures:
        session.analyze(one, TRAITS, analyzer)
        sizes.append(kept_bytes(session))
    growth = np.diff(sizes)[PREVIEWS_KEPT:]
    assert growth.max() < 20_000, "one small crop per face is all that a further picture may add"


def test_a_report_can_be_made_while_the_page_shows_other_pictures() -> None:
    portrait, others = png(photo_of_one()), [picture(str(i), b"") for i in range(PREVIEWS_KEPT)]
    session = PhotoSession()

    def read() -> bytes:
        return portrait

    def shown_meanwhile(self: PhotoSession, one: Picture, preview: bytes) -> None:
        keep(self, one, preview)
        for other in others:
            keep(self, other, b"other")

    keep = PhotoSession._keep_preview
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhotoSession, "_keep_preview", shown_meanwhile)
        assert decode_image(session.preview(Picture("a", "a.png", read))).shape == (512, 512, 3)
    session.keep_only([])
    assert kept_bytes(session) == 0


def test_an_old_preview_is_made_again_from_the_upload(analyzer: FakeAnalyzer) -> None:
    session, reads = PhotoSession(), []
    pictures = [picture(str(i), png(photo_of_one()), reads) for i in range(PREVIEWS_KEPT + 1)]
    for one in pictures:
        session.analyze(one, TRAITS, analyzer)
    result = session.outcome(pictures[0], TRAITS).result
    assert result is not None
    reads.clear()
    assert decode_image(session.annotated_preview(pictures[0], result)).shape == (512, 512, 3)
    session.annotated_preview(pictures[0], result)
    session.annotated_preview(pictures[-1], result)
    assert reads == ["0"]


def test_the_preview_is_small_and_the_download_is_whole(analyzer: FakeAnalyzer) -> None:
    large = cv2.resize(photo_of_one(), (3000, 2000))
    session, one = PhotoSession(), picture("large", png(large))
    session.analyze(one, TRAITS, analyzer)
    result = session.outcome(one, TRAITS).result
    assert result is not None
    assert decode_image(session.annotated_preview(one, result)).shape == (960, PREVIEW_SIDE_PX, 3)
    assert decode_image(annotated_download(one, result)).shape == (2000, 3000, 3)


def test_forgotten_pictures_leave_nothing(analyzer: FakeAnalyzer) -> None:
    session = PhotoSession()
    gone, stays = picture("gone", png(photo_of_one())), picture("stays", png(photo_of_one()))
    for one in (gone, stays):
        session.analyze(one, TRAITS, analyzer)
    session.keep_only([stays])
    assert session.pending([gone, stays], TRAITS) == [gone]
    session.keep_only([])
    assert kept_bytes(session) == 0


def test_a_picture_too_large_for_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hungry(FakeAnalyzer):
        def __init__(self) -> None: ...

        def analyze(self, *_: object) -> None:  # type: ignore[override]
            raise MemoryError

    session, one = PhotoSession(), picture("huge", png(photo_of_one()))
    session.analyze(one, TRAITS, Hungry())
    assert session.outcome(one, TRAITS).error == (
        "This picture needs more memory than this machine has. Reduce its size and try again."
    )


def test_a_failed_picture_is_not_tried_again_for_other_traits(analyzer: FakeAnalyzer) -> None:
    session, one = PhotoSession(), picture("broken", b"no picture")
    session.analyze(one, ("age",), analyzer)
    assert session.pending([one], TRAITS) == []


@pytest.mark.parametrize(
    ("left", "top", "side"), [(10, 10, 30), (-40, -40, 90), (90, 60, 50), (-500, -500, 100), (40, 30, 1)]
)
def test_any_face_has_a_crop(left: float, top: float, side: float) -> None:
    image = np.full((80, 100, 3), 77, dtype=np.uint8)
    crop = decode_image(face_crop(image, make_detection(left, top, side)))
    assert max(crop.shape) <= 160
    assert np.abs(crop.astype(int) - 77).max() <= 2


def outcomes() -> list[tuple[str, Outcome]]:
    return [
        ("grüße.jpg", Outcome(frozenset(TRAITS), make_result(make_face(), make_face(("blurred",))), None)),
        ("empty.jpg", Outcome(frozenset(TRAITS), make_result(), None)),
        ("broken.jpg", Outcome(frozenset(TRAITS), None, "The file is broken.")),
    ]


def test_json_holds_all_pictures() -> None:
    records = json.loads(to_json(outcomes()))
    assert [(r["path"], len(r["faces"]), r["error"]) for r in records] == [
        ("grüße.jpg", 2, None),
        ("empty.jpg", 0, "no face found"),
        ("broken.jpg", 0, "The file is broken."),
    ]
    assert records[0]["faces"][1]["quality"] == ["blurred"]


def test_csv_has_a_row_per_face_and_opens_in_spreadsheets() -> None:
    data = to_csv(outcomes())
    assert data.startswith(b"\xef\xbb\xbf"), "spreadsheets take a table without this mark for another encoding"
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert tuple(rows[0]) == csv_columns()
    assert [row["path"] for row in rows] == ["grüße.jpg", "grüße.jpg", "empty.jpg", "broken.jpg"]
    assert rows[1]["quality"] == "blurred"


def test_hidden_traits_are_not_exported(analyzer: FakeAnalyzer) -> None:
    session, one = PhotoSession(), picture("one", png(photo_of_one()))
    session.analyze(one, TRAITS, analyzer)
    (record,) = json.loads(to_json([(one.name, session.outcome(one, ("gender",)))]))
    assert set(record["faces"][0]) == {"box_xyxy", "score", "landmarks", "quality", "gender"}


def test_nothing_found_has_no_crops(analyzer: FakeAnalyzer) -> None:
    session, one = PhotoSession(), picture("cup", png(photo_without_faces()))
    session.analyze(one, TRAITS, analyzer)
    assert session.outcome(one, TRAITS).crops == ()


def test_the_samples_come_with_their_licence() -> None:
    note = (FOLDER / "README.md").read_text(encoding="utf-8")
    pictures = sorted(FOLDER.glob("*.jpg"))
    assert pictures
    assert all(path.name in note for path in pictures)
    assert "public domain" in note
    assert "DeBruine, Lisa and Jones, Benedict (2017)" in note
    assert "doi:10.6084/m9.figshare.5047666" in note
    assert "CC BY 4.0" in note
    assert "made smaller" in note


def test_the_samples_are_few_bytes_and_without_notes_of_cameras() -> None:
    pictures = sorted(FOLDER.glob("*.jpg"))
    assert {*PORTRAITS, FOLDER / "portrait.jpg"} == set(pictures), "every stored picture is used"
    assert len(PORTRAITS) == 8
    assert sum(path.stat().st_size for path in pictures) < 900_000
    for path in PORTRAITS:
        with Image.open(path) as image:
            assert image.size == (900, 900)
            assert not image.getexif()


def test_the_picture_of_several_holds_every_portrait() -> None:
    group = decode_image(group_photo()).astype(float)
    assert len(group_photo()) < 300_000
    for number, path in enumerate(PORTRAITS):
        top, left = 8 + number // 4 * 408, 8 + number % 4 * 408
        small = cv2.resize(decode_image(path.read_bytes()), (400, 400), interpolation=cv2.INTER_AREA)
        assert np.abs(group[top : top + 400, left : left + 400] - small).mean() < 3, path.name
