"""Many faces and many pictures on the Photo page: order, choice, comparison, table, report, videos."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from facetraits.types import FaceResult
from tests.builders import FakeAnalyzer, make_detection, make_result, make_traits, photo_of_many, photo_of_one, png
from tests.pages.test_photo_page import BROKEN, NONE, open_page, serve, text, upload
from tests.videos import write_video
from ui.photo.all_faces import face_rows
from ui.photo.crowd import ORDERS, crowd_charts, is_shown
from ui.photo.report import to_html
from ui.photo.session import PhotoSession, Picture
from ui.photo.video import people_columns, timeline_rows

ONE = png(photo_of_one())
CROWD = png(photo_of_many(15))


def face(years: float = 34, gender: str = "female", size: float = 50, **others: object) -> FaceResult:
    quality = others.pop("quality", ())
    return FaceResult(make_detection(side=size), quality, make_traits(years=years, gender=gender, **others))


def numbers(page: AppTest) -> list[int]:
    return [int(n) for piece in page.html for n in re.findall(r'data-face="(\d+)"', piece.body)]


@pytest.fixture
def analyzer(monkeypatch: pytest.MonkeyPatch) -> FakeAnalyzer:
    return serve(monkeypatch, FakeAnalyzer())


def test_of_a_crowd_a_few_cards_are_drawn_and_more_where_they_are_asked_for(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("crowd.png", CROWD))
    assert numbers(page) == list(range(1, 13))
    assert "15 faces: 15 female, median 34 years, mostly happy" in text(page)
    next(button for button in page.button if button.label == "Show 3 more").click().run()
    assert numbers(page) == list(range(1, 16))
    assert not [button for button in page.button if button.label.startswith("Show ")]


def test_a_crowd_is_ordered_without_new_numbers(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("crowd.png", CROWD))
    page.selectbox[0].set_value("largest first").run()
    assert sorted(numbers(page)) != numbers(page)
    assert set(numbers(page)) <= set(range(1, 16))


def test_faces_are_ordered_by_what_the_order_says() -> None:
    young, old, doubtful = face(20), face(70), face(40, confidence=0.4)
    for order, first in (("youngest first", young), ("oldest first", old), ("least sure first", doubtful)):
        assert min((old, doubtful, young), key=ORDERS[order]) is first


def test_faces_are_chosen_by_one_kind_of_each_trait_and_by_doubts() -> None:
    assert is_shown(face(gender="male"), ["male", "female"])
    assert not is_shown(face(gender="male", expression="sad"), ["male", "happy"])
    assert is_shown(face(gender="male", expression="sad"), ["male", "sad"])
    assert is_shown(face(quality=("blurred",)), ["with warnings"])
    assert not is_shown(face(), ["with warnings"])
    assert is_shown(face(confidence=0.4), ["unsure"])
    assert is_shown(face(), [])


def test_charts_count_every_face_once() -> None:
    faces = [face(5), face(34), face(39.9, gender="male"), face(99)]
    read = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", crowd_charts(faces)))
    assert "Apparent age, years 0 to 9 1 30 to 39 2 80 and over 1" in read
    assert "Apparent gender Female 3 Male 1" in read


def test_two_pictures_are_compared_side_by_side(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("crowd.png", CROWD), ("portrait.png", ONE))
    assert len(page.image) == 1
    page.selectbox("photo_compare").set_value(page.session_state["photo_uploads"][1].key).run()
    assert not page.exception
    assert [image.proto.imgs[0].alt.split(" with")[0] for image in page.image] == ["crowd.png", "portrait.png"]
    assert numbers(page) == [*range(1, 13), 1]
    assert "The first 12 of 15 faces." in [caption.value for caption in page.caption]
    assert len(analyzer.calls) == 2


def shown(page: AppTest) -> list[str]:
    """Names of the pictures that are looked at."""
    return [image.proto.imgs[0].alt.split(" with")[0] for image in page.image]


def test_the_compared_picture_stays_the_same_until_it_is_chosen_or_removed(analyzer: FakeAnalyzer) -> None:
    files = [("a.png", CROWD), ("b.png", ONE), ("c.png", NONE)]
    page = upload(open_page(), *files)
    keys = [one.key for one in page.session_state["photo_uploads"]]
    page.selectbox("photo_compare").set_value(keys[1]).run()
    page.pills("photo_chosen").set_value(keys[2]).run()
    assert shown(page) == ["c.png", "b.png"]
    page.pills("photo_chosen").set_value(keys[1]).run()
    assert not page.exception
    assert shown(page) == ["b.png"]
    page.selectbox("photo_compare").set_value(keys[2]).run()
    upload(page, *files[:2])
    assert len(shown(page)) == 1


def test_of_pictures_with_one_name_each_can_be_chosen_and_compared(analyzer: FakeAnalyzer) -> None:
    narrow = png(np.ascontiguousarray(photo_of_one()[:, :-12]))
    page = upload(open_page(), ("image.png", ONE), ("image.png", narrow), ("a_*b*_c.png", NONE))
    assert page.pills("photo_chosen").options == [
        "image.png, 1 face",
        "image.png, 1 face (2)",
        "a\\_\\*b\\*\\_c.png, no face",
    ]
    assert page.selectbox("photo_compare").options == ["image.png (2)", "a_*b*_c.png"]
    page.pills("photo_chosen").set_value(page.session_state["photo_uploads"][1].key).run()
    assert "1 face in 500 × 512 px" in text(page)
    assert page.selectbox("photo_compare").options == ["image.png", "a_*b*_c.png"]


def test_nothing_fails_without_any_trait(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("crowd.png", CROWD), ("portrait.png", ONE))
    page.pills("photo_traits").set_value([]).run()
    assert not page.exception
    page.selectbox("photo_compare").set_value(page.session_state["photo_uploads"][1].key).run()
    assert not page.exception
    assert numbers(page) == [*range(1, 13), 1]


def test_files_that_are_removed_or_replaced_are_not_kept_by_the_server(
    analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(
        MemoryUploadedFileManager, "remove_file", lambda self, session_id, file_id: deleted.append(file_id)
    )
    page = upload(open_page(), ("portrait.png", ONE))
    first = page.session_state["photo_uploads"][0].key
    page.switch_page("pages/6_About.py").run()
    page.switch_page("pages/1_Photo.py").run()
    assert deleted == []
    upload(page, ("another.png", ONE))
    assert deleted == [first]
    second = page.session_state["photo_uploads"][0].key
    page.switch_page("pages/6_About.py").run()
    page.switch_page("pages/1_Photo.py").run()
    next(button for button in page.button if button.label == "Remove").click().run()
    assert deleted == [first, second]
    assert "another.png" not in text(page)


def test_the_table_has_a_row_per_face_and_says_what_has_none(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE), ("broken.png", BROKEN))
    (table,) = [frame.value for frame in page.dataframe]
    assert list(table["Picture"]) == ["portrait.png", "broken.png"]
    assert table["Apparent age"][0] == 34
    assert table["Warnings"][1].endswith(".")


def test_unsure_answers_are_marked_in_the_table() -> None:
    session = PhotoSession()
    picture = Picture("a", "a.png", lambda: ONE)
    session.analyze(picture, ("gender",), FakeAnalyzer())
    outcome = session.outcome(picture, ("gender",))
    assert [row["Apparent gender"] for row in face_rows([(picture, outcome)])] == ["female"]


def test_the_small_networks_answer_where_they_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def get_analyzer(profile: str = "accurate") -> FakeAnalyzer:
        asked.append(profile)
        return FakeAnalyzer()

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", get_analyzer)
    page = upload(open_page(), ("portrait.png", ONE))
    page.segmented_control("photo_networks").set_value("Small").run()
    assert not page.exception
    assert asked[-1] == "fast"
    assert numbers(page) == [1]


def test_the_report_needs_nothing_but_itself() -> None:
    session = PhotoSession()
    pictures = [Picture("a", "<b>portrait</b>.png", lambda: ONE), Picture("b", "broken.png", lambda: BROKEN)]
    for picture in pictures:
        session.analyze(picture, ("age", "gender"), FakeAnalyzer())
    page = to_html(session, [(p, session.outcome(p, ("age", "gender"))) for p in pictures]).decode()
    assert "<b>portrait" not in page
    assert "&lt;b&gt;portrait" in page
    assert page.count('class="ft-card"') == 1
    assert set(re.findall(r"(?:src|href)=[\"'](\w+:)", page)) == {"data:"}
    assert "http" not in re.sub(r"data:[^\"']+", "", page)
    read = html.unescape(re.sub(r"<[^>]+>", " ", page))
    assert re.search(r"broken\.png\s+The PNG picture is broken", read)


def test_a_video_shows_its_people_and_their_time_line(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    data = write_video(tmp_path / "walk.mp4", [photo_of_one()] * 30, fps=10).read_bytes()
    page = open_page()
    page.file_uploader[0].set_value([("walk.mp4", data, "video/mp4")]).run()
    assert not page.exception
    assert "walk.mp4 1 person, numbered in order of appearance" in text(page)
    (table,) = [frame.value for frame in page.dataframe]
    assert list(table["Apparent age"]) == ["34 (28 to 40)"]
    assert [link.label for link in page.main.get("page_link")][-1] == "Count visitors in videos and cameras"
    calls = len(analyzer.calls)
    page.run()
    assert len(analyzer.calls) == calls, "a video is watched once"


def test_a_video_is_watched_once_also_where_a_sample_is_looked_at_meanwhile(
    analyzer: FakeAnalyzer, tmp_path: Path
) -> None:
    data = write_video(tmp_path / "walk.mp4", [photo_of_one()] * 3, fps=10).read_bytes()
    page = open_page()
    page.file_uploader[0].set_value([("walk.mp4", data, "video/mp4")]).run()
    page.segmented_control("photo_source").set_value("Sample").run()
    assert "walk.mp4" not in text(page)
    analyzer.calls.clear()
    page.segmented_control("photo_source").set_value("Upload").run()
    assert "walk.mp4 1 person" in text(page)
    assert analyzer.calls == []


def test_a_picture_whose_name_is_of_a_video_is_looked_at(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.mp4", ONE))
    assert "portrait.mp4 1 face in 512 × 512 px" in text(page)


def test_a_broken_video_gives_a_sentence(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.file_uploader[0].set_value([("walk.mp4", b"this was never a video", "video/mp4")]).run()
    assert not page.exception
    assert re.search(r"walk\.mp4 The file is not a video[^.]*\.", text(page))


def test_a_time_line_has_a_row_per_second_and_a_table_a_row_per_person() -> None:
    answers = make_traits().to_dict()
    records = [
        {"person": 1, "error": None, "first_s": 0.0, "last_s": 1.2, **answers}
        | {"timeline": [{"time_s": second, **answers} for second in (0, 1)]}
    ]
    assert [(row["person"], row["from_s"], row["expression"]) for row in timeline_rows(records)] == [
        ("Person 1", 0, "happy"),
        ("Person 1", 1, "happy"),
    ]
    assert people_columns(records)["Apparent gender"] == ["female"]
    assert make_result().faces == ()
