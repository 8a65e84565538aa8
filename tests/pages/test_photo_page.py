"""The Photo page, driven as a visitor would: real uploads, a real detector, fixed answers for the traits."""

from __future__ import annotations

import html
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceResult
from tests.builders import (
    ROOT,
    FakeAnalyzer,
    make_result,
    make_traits,
    photo_of_many,
    photo_of_one,
    photo_without_faces,
    png,
)
from ui.photo.sample_row import group_photo

BROKEN = b"\x89PNG\r\n\x1a\n and then nothing"


ONE = png(photo_of_one())
MANY = png(photo_of_many(5))
NONE = png(photo_without_faces())
SAMPLES = (*(f"Sample {number}" for number in range(1, 9)), "All eight")


class ChangedAnalyzer(FakeAnalyzer):
    """Finds the same faces, and answers what ``answer`` makes of each."""

    def __init__(self, **answer: object) -> None:
        super().__init__()
        self._answer = answer

    def analyze(
        self,
        image: NDArray[np.uint8],
        traits: Collection[TraitName] = TRAITS,
        progress: Callable[[float], None] | None = None,
    ) -> AnalysisResult:
        found = super().analyze(image, traits)
        answer = {"quality": (), **self._answer}
        quality = answer.pop("quality")
        faces = [FaceResult(f.detection, quality, make_traits(**answer, traits=traits)) for f in found.faces]
        return make_result(*faces, size_wh=found.size_wh)


def serve(monkeypatch: pytest.MonkeyPatch, analyzer: FakeAnalyzer) -> FakeAnalyzer:
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": analyzer)
    return analyzer


@pytest.fixture(scope="module")
def detector() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def analyzer(monkeypatch: pytest.MonkeyPatch, detector: FakeAnalyzer) -> FakeAnalyzer:
    detector.calls.clear()
    return serve(monkeypatch, detector)


def open_page() -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    return page.switch_page("pages/1_Photo.py").run()


def upload(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value([(name, data, "image/png") for name, data in files]).run()
    assert not page.exception
    return page


def text(page: AppTest) -> str:
    """What a visitor can read in the page's HTML pieces, without styles."""
    pieces = (re.sub(r"<style>.*?</style>", "", piece.body, flags=re.DOTALL) for piece in page.html)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(pieces))))


def cards(page: AppTest) -> int:
    return sum(piece.body.count('<li class="ft-card"') for piece in page.html)


def test_a_portrait_gets_a_card_with_every_answer(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE))
    assert cards(page) == 1
    read = text(page)
    assert "portrait.png 1 face in 512 × 512 px" in read
    assert "Apparent age 34 years 28 to 40 (80% interval)" in read
    assert "Apparent gender Female Female 90%" in read
    assert "Ethnicity White White 90%" in read
    assert "Facial expression Happy Mood: positive Happy 90%" in read
    assert "Unsure" not in read
    assert page.image[0].proto.imgs[0].alt == "portrait.png with 1 numbered face. 1: 34 years, female, white, happy."


def test_a_group_gets_a_card_per_face(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("group.png", MANY))
    assert cards(page) == 5
    assert "5 faces in 1280 × 594 px" in text(page)


def test_a_broken_file_does_not_stop_the_others(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("broken.png", BROKEN), ("group.png", MANY), ("cup.png", NONE))
    assert len(analyzer.calls) == 2
    read = text(page)
    assert read.count("broken.png") == 1
    assert re.search(r"broken\.png [A-Z][^.]+\.", read), "a whole sentence says why"
    assert page.pills("photo_chosen").options == ["group.png, 5 faces", "cup.png, no face"]
    assert cards(page) == 5
    page.pills("photo_chosen").set_value(page.session_state["photo_uploads"][2].key).run()
    assert "No face found" in text(page)
    assert len(analyzer.calls) == 2, "looking at another picture computes nothing"


def test_a_file_that_breaks_off_is_shown_with_a_word(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("cut.png", ONE[: len(ONE) * 9 // 10]))
    assert cards(page) == 1
    assert "The file is incomplete" in text(page)
    assert "The file is incomplete" not in text(upload(open_page(), ("whole.png", ONE)))


def test_only_broken_files_leave_their_reasons(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("a.png", BROKEN), ("b.png", b""))
    assert analyzer.calls == []
    assert text(page).count("a.png") == text(page).count("b.png") == 1
    assert not page.image


def test_a_fault_of_ours_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, analyzer: FakeAnalyzer) -> None:
    def analyze(
        image: NDArray[np.uint8], traits: Collection[TraitName], progress: Callable[[float], None] | None
    ) -> AnalysisResult:
        if image.shape[0] == 512:
            raise RuntimeError("something unforeseen")
        return FakeAnalyzer.analyze(analyzer, image, traits)

    monkeypatch.setattr(analyzer, "analyze", analyze)
    page = upload(open_page(), ("odd.png", ONE), ("group.png", MANY))
    assert "odd.png This picture could not be analysed because of a bug in this program." in text(page)
    assert cards(page) == 5


def test_no_face_is_said_in_words_with_advice(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("cup.png", NONE))
    assert cards(page) == 0
    assert "No face found" in text(page)
    assert "Both eyes should be visible" in text(page)
    assert page.image, "the picture is still shown"


def test_a_hidden_trait_is_not_computed(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.pills("photo_traits").set_value(["age", "expression"]).run()
    upload(page, ("portrait.png", ONE))
    assert analyzer.calls == [("age", "expression")]
    assert "Apparent gender" not in text(page)
    assert "Ethnicity" not in text(page)


def test_traits_are_recomputed_only_when_needed(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE))
    page.pills("photo_traits").set_value(["age"]).run()
    assert "Facial expression" not in text(page)
    page.pills("photo_traits").set_value(["age", "gender"]).run()
    assert "Apparent gender" in text(page)
    assert analyzer.calls == [tuple(TRAITS)], "everything asked for was known already"


def test_a_trait_that_was_hidden_before_is_computed_once_it_is_asked_for(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.pills("photo_traits").set_value(["age"]).run()
    upload(page, ("portrait.png", ONE))
    page.pills("photo_traits").set_value(["age", "gender"]).run()
    assert analyzer.calls == [("age",), ("age", "gender")]
    assert "Apparent gender Female" in text(page)


def test_without_any_trait_faces_are_still_found(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.pills("photo_traits").set_value([]).run()
    upload(page, ("group.png", MANY))
    assert analyzer.calls == [()]
    assert cards(page) == 5


def test_an_unsure_answer_says_so_and_shows_the_runners_up(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, ChangedAnalyzer(confidence=0.4))
    read = text(upload(open_page(), ("portrait.png", ONE)))
    assert "Ethnicity Unsure White or black? White 40% Black 15% Asian 15%" in read
    assert "Facial expression Unsure Happy or neutral?" in read
    assert "34 years, male, white (unsure), happy (unsure)" in read


def test_quality_warnings_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, ChangedAnalyzer(quality=("too dark", "blurred")))
    read = text(upload(open_page(), ("portrait.png", ONE)))
    assert "2 warnings" in read
    assert "Too dark. Turn the face to a window or lamp" in read
    assert "Blurred. Use a sharper picture" in read


def test_each_picture_is_analysed_once(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("a.png", ONE), ("b.png", MANY))
    page.run()
    assert len(analyzer.calls) == 2


def test_results_survive_a_look_at_another_page_and_can_be_removed(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE))
    page.switch_page("pages/6_About.py").run()
    page.switch_page("pages/1_Photo.py").run()
    assert cards(page) == 1
    assert len(analyzer.calls) == 1
    assert "Chosen before: 1 file." in [caption.value for caption in page.caption]
    next(button for button in page.button if button.label == "Remove").click().run()
    assert cards(page) == 0


def test_a_look_at_a_sample_does_not_cost_the_uploads_their_results(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE))
    page.segmented_control("photo_source").set_value("Sample").run()
    page.segmented_control("photo_source").set_value("Upload").run()
    assert "portrait.png" in text(page)
    assert len(analyzer.calls) == 2, "once for the upload, once for the sample"


def test_a_picture_with_too_many_pixels_is_refused_in_words(analyzer: FakeAnalyzer) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    read = text(upload(open_page(), ("bomb.png", bomb)))
    assert analyzer.calls == []
    assert re.search(r"bomb\.png [A-Z][^.]*too large[^.]*\.", read), read


def test_taking_a_file_away_takes_its_results_away(analyzer: FakeAnalyzer) -> None:
    page = upload(open_page(), ("portrait.png", ONE))
    page.file_uploader[0].set_value(None).run()
    assert cards(page) == 0
    assert "portrait.png" not in text(page)


def test_a_snapshot_is_analysed(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.segmented_control("photo_source").set_value("Camera").run()
    assert analyzer.calls == []
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(photo_of_one(), cv2.COLOR_RGB2BGR))[1].tobytes()
    page.camera_input[0].set_value(("snapshot.jpg", jpeg, "image/jpeg")).run()
    assert not page.exception
    assert cards(page) == 1


def test_the_samples_show_every_face(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.segmented_control("photo_source").set_value("Sample").run()
    assert tuple(page.pills("photo_sample").options) == SAMPLES
    seen = {}
    for name in SAMPLES:
        page.pills("photo_sample").set_value(name).run()
        assert not page.exception
        assert f" {name} " in text(page)
        seen[name] = cards(page)
    assert seen == dict.fromkeys(SAMPLES[:-1], 1) | {"All eight": 8}


def test_the_first_sample_is_there_at_once(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.segmented_control("photo_source").set_value("Sample").run()
    assert "Sample 1 1 face in 900 × 900 px" in text(page)
    assert len(analyzer.calls) == 1


def test_the_samples_name_their_authors_and_licence(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    assert not any("London" in caption.value for caption in page.caption)
    page.segmented_control("photo_source").set_value("Sample").run()
    (credit,) = [caption.value for caption in page.caption if "London" in caption.value]
    for part in ("Lisa DeBruine", "Benedict Jones", "10.6084/m9.figshare.5047666", "CC BY 4.0", "made smaller"):
        assert part in credit


def test_every_sample_has_a_picture_of_its_own_to_press(analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.segmented_control("photo_source").set_value("Sample").run()
    styles = " ".join(piece.body for piece in page.html)
    pictures = re.findall(r":nth-child\((\d)\) \{ background-image: url\(\"data:image/jpeg;base64,([^\"]+)\"\)", styles)
    assert [int(number) for number, _ in pictures] == list(range(1, 10))
    assert len({data for _, data in pictures}) == 9


def test_visitors_do_not_see_each_other(analyzer: FakeAnalyzer) -> None:
    first, second = open_page(), open_page()
    upload(first, ("mine.png", ONE))
    second.run()
    assert cards(first) == 1
    assert cards(second) == 0
    upload(second, ("yours.png", NONE))
    first.run()
    assert "mine.png" in text(first)
    assert "yours.png" not in text(first)
    assert "mine.png" not in text(second)


def test_a_file_name_is_never_taken_for_markup(analyzer: FakeAnalyzer) -> None:
    name = "<img src=x onerror=alert(1)>![x](http://x.example/y.png).png"
    page = upload(open_page(), (name, ONE), (name, BROKEN))
    raw = " ".join(piece.body for piece in page.html)
    assert "<img src=x" not in raw
    assert text(page).count(name) == 2
    assert not any(name in markdown.value for markdown in page.markdown)


def test_faulty_models_are_reported_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(profile: str = "accurate") -> None:
        raise ModelIntegrityError("The model file a.tflite was changed.")

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", fail)
    page = open_page()
    assert not page.exception
    assert "The networks cannot be loaded The model file a.tflite was changed." in text(page)


def test_nothing_is_written_to_disk(
    analyzer: FakeAnalyzer, written_files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    group_photo.cache_clear()
    page = upload(open_page(), ("portrait.png", ONE), ("broken.png", BROKEN), ("group.png", MANY))
    assert cards(page) == 1
    page.segmented_control("photo_source").set_value("Sample").run()
    page.pills("photo_sample").set_value("All eight").run()
    assert cards(page) == 8
    assert [path for path in written_files if not path.startswith("/dev/")] == []
    assert list(tmp_path.iterdir()) == []
