"""The page "Inside the CNN": every view, with the real networks and a stand-in for the process with Keras."""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
import pytest

from facetraits.inside.reading import read_network
from facetraits.inside.requests import YEARS
from facetraits.inside.worker import InsideError
from facetraits.registry import ModelIntegrityError
from tests.builders import FIRST_NETWORK, OTHER_NETWORK, photo_of_many, photo_of_one, photo_without_faces, png
from tests.pages.inside_page import (
    ARCHITECTURE,
    FOOL,
    HEAT,
    LAYERS,
    MANIFEST,
    PAGE,
    FakeWorker,
    choose,
    choose_network,
    figures,
    maps,
    open_page,
    raw,
    text,
    upload,
)


class NoTensorFlow(FakeWorker):
    def ask(self, request: str, /, **arguments: Any) -> Any:
        raise InsideError("This installation has no TensorFlow, which is needed to examine the networks.")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> FakeWorker:
    worker = FakeWorker()
    monkeypatch.setattr("ui.inside.cached.get_worker", lambda: worker)
    return worker


def test_the_sample_is_there_at_once_with_what_the_ensemble_says(worker: FakeWorker) -> None:
    page = open_page()
    assert page.title[0].value == "Inside the CNN"
    read = text(page)
    assert "Answers of the whole ensemble" in read
    assert "Facial expression Happy" in read
    first, *_ = MANIFEST.differentiable
    share = MANIFEST.profiles["accurate"].traits["age"].weights[first]
    assert f"This one contributes {share:.0%} of apparent age" in read


def test_the_layers_are_shown_from_the_first_to_the_last(worker: FakeWorker) -> None:
    page = open_page()
    read = text(page)
    order = ["First convolution", "Block 2, mixing", "Block 10, mixing", "Block 12, mixing"]
    places = [read.index(f" {name} ") for name in order]
    assert places == sorted(places)
    assert "one position sees up to 5 × 5 px of the face · 896 weights · 2.0 million multiply-adds" in read
    assert len(maps(page)) == 8 * 6
    assert raw(page).count('alt="Filter ') == 32
    assert figures(page)[:2] == ["What the network gets", "What its first filters see"]


def test_more_maps_and_other_layers_ask_nothing_anew(worker: FakeWorker) -> None:
    page = open_page()
    choose(page, "inside_count", 16)
    assert len(maps(page)) == 16 * 6
    choose(page, f"inside_stage_{FIRST_NETWORK}", "3 × 3")
    network = read_network(MANIFEST.members[FIRST_NETWORK].path)
    assert len(maps(page)) == 16 * sum(layer.shape[:2] == (3, 3) for layer in network.maps)
    assert worker.count("forward") == 1


def test_a_map_can_be_seen_large(worker: FakeWorker) -> None:
    page = open_page()
    page.button(key="map_block2_pointwise_1").click().run()
    assert not page.exception
    assert f"Map 1 of Block 2, mixing in {FIRST_NETWORK}: the second strongest of 128 on this face." in text(page)
    assert "The map itself" in figures(page)


def test_another_network_can_be_looked_into(worker: FakeWorker) -> None:
    page = open_page()
    page.selectbox(key="inside_network").set_value(OTHER_NETWORK).run()
    assert not page.exception
    assert "112 × 112 px" in text(page)
    assert worker.asked[-1][1]["member"] == OTHER_NETWORK


def test_the_copy_is_compared_with_the_served_network(worker: FakeWorker) -> None:
    read = text(open_page())
    assert "On this face, the 126 probabilities of the two differ by less than 0.0000001 at most" in read
    assert MANIFEST.members[FIRST_NETWORK].sha256[:12] in read


def test_a_copy_that_differs_is_not_called_the_same(worker: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = worker.ask

    def other(request: str, /, **arguments: Any) -> Any:
        answer = ask(request, **arguments)
        return answer._replace(outputs={name: values + 0.05 for name, values in answer.outputs.items()})

    monkeypatch.setattr(worker, "ask", other)
    assert "Not quite: on this face" in text(open_page())
    assert "differ by up to 5.0% in a probability" in text(open_page())


def test_age_shows_older_and_younger(worker: FakeWorker) -> None:
    page = open_page(HEAT)
    assert figures(page) == ["The crop", "What makes it older", "What makes it younger"]
    (heat,) = [arguments for request, arguments in worker.asked if request == "heat"]
    assert (heat["layer"], heat["targets"]) == ("block10_pointwise", YEARS)
    assert "What makes it older: most of all" in text(page)


def test_a_class_is_shown_beside_the_one_that_came_second(worker: FakeWorker) -> None:
    """Asked of a network that is not sure of the portrait's gender: one that is has nothing to show for the other."""
    page = open_page(HEAT)
    choose(page, f"inside_trait_{FIRST_NETWORK}", "gender")
    assert figures(page)[1:] == ["For female", "For male"]
    read = text(page)
    assert re.search(r"\d\d% by this network alone: the answer\.", read)
    assert re.search(r"\d+% by this network alone: came second\.", read)
    asked = worker.count("heat")
    choose(page, "inside_method", "layer-cam")
    assert worker.count("heat") == asked + 1, "both maps in one request"
    assert "LayerCAM weights every place" in read + text(page)
    choose(page, "inside_method", "grad-cam")
    assert worker.count("heat") == asked + 1, "what was seen before is kept"


def test_covering_the_face_asks_the_served_network_and_is_kept(worker: FakeWorker) -> None:
    page = open_page(HEAT)
    choose(page, f"inside_trait_{FIRST_NETWORK}", "gender")
    choose(page, "inside_patch", "Large")
    page.button(key="inside_cover").click().run()
    assert not page.exception
    assert figures(page)[3:] == ["Grad-CAM: for female", "Covered, less female"]
    verdict = re.search(r"Grad-CAM and covering .*? \(correlation -?0\.\d\d\)\.", text(page))
    assert verdict
    page.run()
    assert page.button(key="inside_cover").disabled
    assert verdict.group() in text(page)


def test_the_seven_expressions_can_be_asked_as_well(worker: FakeWorker) -> None:
    page = open_page(HEAT)
    choose(page, f"inside_trait_{FIRST_NETWORK}", "expression_fer2013")
    assert figures(page)[1] == "For happy"
    (heat,) = [arguments for request, arguments in worker.asked if arguments.get("output") == "expression_fer2013"]
    assert heat["targets"][0] == 3
    options = next(box for box in page.selectbox if box.label == "Evidence for …").options
    assert len(options) == 7 and not any("contempt" in option for option in options)


def test_choices_are_still_there_after_another_view(worker: FakeWorker) -> None:
    page = open_page()
    choose(page, "inside_count", 4)
    choose(page, f"inside_stage_{FIRST_NETWORK}", "3 × 3")
    choose(page, "view", HEAT)
    choose(page, f"inside_trait_{FIRST_NETWORK}", "gender")
    next(box for box in page.selectbox if box.label == "Evidence for …").set_value(0).run()
    choose(page, "inside_method", "layer-cam")
    choose(page, "inside_patch", "Large")
    page.select_slider(key=f"inside_heat_layer_{FIRST_NETWORK}").set_value("block4_pointwise").run()
    choose(page, "view", FOOL)
    choose(page, "inside_kinds", ["flip"])
    choose(page, "inside_spoiling", "noise")
    page.slider(key="inside_strength").set_value(0.5).run()
    choose(page, "view", HEAT)
    groups = {widget.key: widget.value for widget in page.get("button_group")}
    assert groups[f"inside_trait_{FIRST_NETWORK}"] == "gender"
    assert (groups["inside_method"], groups["inside_patch"]) == ("layer-cam", "Large")
    assert page.select_slider(key=f"inside_heat_layer_{FIRST_NETWORK}").value == "block4_pointwise"
    assert next(box for box in page.selectbox if box.label == "Evidence for …").value == 0
    choose(page, "view", LAYERS)
    groups = {widget.key: widget.value for widget in page.get("button_group")}
    assert (groups["inside_count"], groups[f"inside_stage_{FIRST_NETWORK}"]) == (4, "3 × 3")
    choose(page, "view", FOOL)
    groups = {widget.key: widget.value for widget in page.get("button_group")}
    assert (groups["inside_kinds"], groups["inside_spoiling"]) == (["flip"], "noise")
    assert page.slider(key="inside_strength").value == 0.5


def test_a_laboratory_that_is_not_ready_is_greeted_first(worker: FakeWorker) -> None:
    worker.ready = False
    open_page()
    assert [request for request, _ in worker.asked][:2] == ["hello", "forward"]


def test_variants_are_those_of_training_and_new_ones_can_be_drawn(worker: FakeWorker) -> None:
    page = open_page(FOOL)
    variants = figures(page)[:16]
    assert variants[0] == "As it is"
    assert "of 15" in text(page)
    before = re.findall(r'alt="(Variant \d+: .*?)"', raw(page))
    page.button(key="inside_again").click().run()
    after = re.findall(r'alt="(Variant \d+: .*?)"', raw(page))
    assert (len(before), len(after)) == (16, 16)
    assert before[0] == after[0] and before != after
    page.slider(key="inside_strength").set_value(0.0).run()
    choose(page, "inside_kinds", [])
    assert "15 of 15 say female, as for the original face" in text(page)
    assert worker.count("forward") == 1, "that of the first view: this one needs no Keras"


@pytest.mark.parametrize("kind", ["blur", "noise", "darkness", "resolution", "rotation"])
def test_it_says_where_the_answers_break(worker: FakeWorker, kind: str) -> None:
    page = choose(open_page(FOOL), "inside_spoiling", kind)
    assert len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart")) == 2
    read = text(page)
    assert re.search(r"(breaks first: at|Nothing breaks: all four)", read)
    assert "for at least three steps in a row" in read
    assert "from the start" not in read, "all four are sure of the face as it is"
    strip = [int(held) for held in re.findall(r"(\d) of 4 hold", read)]
    assert len(strip) == 8 and strip[0] == 4
    said = re.findall(r"(the answer becomes|the estimate leaves)([^:]*?)\. (?=[A-Z])", read)
    gone = sum("back" not in after.rsplit(" it is ", 1)[-1] for _, after in said)
    assert 4 - strip[-1] == gone, "as many are counted at last as are said to be gone"
    assert "4 of 4 hold" in text(page)


def test_the_architecture_of_every_network_can_be_seen_without_keras(worker: FakeWorker) -> None:
    page = open_page(ARCHITECTURE)
    assert "each position sees 70 px" in text(choose_network(page, FIRST_NETWORK))
    assert "Block 12" in text(page)
    buttons = {button.label for button in page.get("download_button")}
    assert buttons == {"Layers as CSV", "Comparison as CSV"}
    names = [option.split(" (")[0] for option in page.selectbox(key="inside_architecture").options]
    assert set(MANIFEST.originals) < set(names)
    assert {"age-upload-predictor", "emotion-deep-cnn"} < set(names)
    assert "smile-svc, is not listed: it is a support vector classifier" in text(page)
    read = text(choose_network(page, "emotion-deep-cnn"))
    assert "Convolution 6" in read and "Block 1" not in read
    assert worker.count("forward") == 1, "that of the first view: this one needs no Keras"


def test_without_tensorflow_two_views_say_so_and_two_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.inside.cached.get_worker", NoTensorFlow)
    page = open_page()
    assert "Looking inside is not possible This installation has no TensorFlow" in text(page)
    assert "What the network gets" in figures(page)
    assert raw(page).count('alt="Filter ') == 32, "filters come from the served file"
    choose(page, "view", HEAT)
    assert "Looking inside is not possible This installation has no TensorFlow" in text(page)
    choose(page, f"inside_trait_{FIRST_NETWORK}", "gender")
    choose(page, "inside_patch", "Large")
    page.button(key="inside_cover").click().run()
    assert not page.exception
    assert figures(page) == ["Covered, less female"], "covering asks the served network, which needs no Keras"
    assert "correlation" not in text(page)
    choose(page, "view", FOOL)
    assert "Looking inside is not possible" not in text(page)
    choose(page, "view", ARCHITECTURE)
    assert "Last convolution" in text(page)


def test_a_picture_without_a_face_is_told_and_the_architecture_still_shown(worker: FakeWorker) -> None:
    page = upload(open_page(), photo_without_faces())
    assert "No face found This picture seems to show no face" in text(page)
    assert maps(page) == []
    choose(page, "view", ARCHITECTURE)
    assert "Last convolution" in text(page)


def test_a_broken_file_is_a_sentence(worker: FakeWorker) -> None:
    page = choose(open_page(), "inside_source", "Upload")
    page.file_uploader[0].set_value(("a.png", b"\x89PNG\r\n\x1a\n nothing", "image/png")).run()
    assert not page.exception
    assert re.search(r"a\.png [A-Z][^.]+\.", text(page))


def test_a_file_that_breaks_off_is_looked_into_with_a_word(worker: FakeWorker) -> None:
    page = choose(open_page(), "inside_source", "Upload")
    whole = png(photo_of_one())
    page.file_uploader[0].set_value([("cut.png", whole[: len(whole) * 9 // 10], "image/png")]).run()
    assert not page.exception
    assert "The file is incomplete" in text(page)
    assert "Answers of the whole ensemble" in text(page)


def test_one_of_several_faces_can_be_chosen(worker: FakeWorker) -> None:
    page = upload(open_page(), photo_of_many(3))
    first = worker.asked[-1][1]["crop"]
    page.button(key="inside_face_2").click().run()
    assert not page.exception
    third = worker.asked[-1][1]["crop"]
    assert not np.array_equal(first, third)
    assert worker.count("forward") == 3  # the sample, and two faces
    page.button(key="inside_face_0").click().run()
    assert worker.count("forward") == 3


def test_an_upload_survives_another_page(worker: FakeWorker) -> None:
    page = upload(open_page(), photo_of_one())
    page.switch_page("pages/6_About.py").run()
    page.switch_page(PAGE).run()
    assert not page.exception
    assert "Still here from before: 1 picture." in [caption.value for caption in page.caption]
    assert "inside_session" in page.session_state
    page.button(key="inside_remove").click().run()
    assert "No face yet" in text(page)
    assert "inside_session" not in page.session_state and "inside_upload" not in page.session_state


def test_a_file_that_is_taken_away_is_forgotten(worker: FakeWorker) -> None:
    page = upload(open_page(), photo_of_many(2))
    page.button(key="inside_face_1").click().run()
    assert page.session_state["inside_face"] == 1
    page.file_uploader[0].clear().run()
    assert "No face yet" in text(page)
    assert [key for key in ("inside_session", "inside_face", "inside_face_of") if key in page.session_state] == []


def test_a_snapshot_is_looked_into(worker: FakeWorker) -> None:
    page = choose(open_page(), "inside_source", "Camera")
    assert "No face yet" in text(page)
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(photo_of_one(), cv2.COLOR_RGB2BGR))[1].tobytes()
    page.camera_input[0].set_value(("snapshot.jpg", jpeg, "image/jpeg")).run()
    assert not page.exception
    assert len(maps(page)) == 48
    page.camera_input[0].set_value(None).run()
    assert "No face yet" in text(page)
    assert "inside_session" not in page.session_state


def test_visitors_share_no_picture(worker: FakeWorker) -> None:
    mine, theirs = upload(open_page(), photo_of_many(2)), open_page()
    assert [b.label for b in mine.button if b.label.startswith("Face ")] == ["Face 1", "Face 2"]
    assert [b.label for b in theirs.button if b.label.startswith("Face ")] == []


def test_faulty_models_are_reported_in_words(monkeypatch: pytest.MonkeyPatch, worker: FakeWorker) -> None:
    def fail(profile: str = "accurate") -> None:
        raise ModelIntegrityError("The model file a.tflite was changed.")

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", fail)
    assert "The networks cannot be loaded The model file a.tflite was changed." in text(open_page())
