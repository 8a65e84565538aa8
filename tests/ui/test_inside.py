"""Logic of the page "Inside the CNN": words, pictures, kept results, where answers break."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.ensemble import Ensemble
from facetraits.faces.alignment import CROPS
from facetraits.inside.architecture import reference_architectures, served_architectures
from facetraits.inside.probing import SPOILINGS
from facetraits.inside.reading import read_network
from facetraits.registry import load_manifest
from facetraits.types import ClassPrediction
from tests.builders import (
    FIRST_NETWORK,
    MODELS,
    OTHER_NETWORK,
    ROOT,
    FakeAnalyzer,
    make_traits,
    photo_of_many,
    photo_of_one,
    photo_without_faces,
)
from ui.inside import cached
from ui.inside.architecture import blocks, comparison_table, cost_rows, diagram, layer_table, seen_px, summary
from ui.inside.cover import Covered, correlation, cover, log_odds, verdict
from ui.inside.fool import (
    STEPS,
    Course,
    Spoiled,
    class_course,
    held_at,
    lasting,
    spoil,
    spoiled_words,
    steadiness,
    variants,
    varied,
    years_course,
)
from ui.inside.heat import default_layer
from ui.inside.layers import as_seen, overview, sees_grey, stages
from ui.inside.pictures import (
    blended,
    brightest,
    coloured,
    filter_pictures,
    heat_by_part,
    over_face,
    parts_of_face,
    stretched,
    with_square,
)
from ui.inside.question import FER2013_CLASSES, Question
from ui.inside.session import InsideSession, Network, Subject
from ui.inside.words import (
    agreement_words,
    amount_words,
    block_of,
    depth_words,
    kind_words,
    layer_words,
    sure,
)
from ui.kit.components import listed
from ui.photo.session import Picture

MANIFEST = load_manifest(MODELS)
NETWORKS = {name: read_network(entry.path) for name, entry in MANIFEST.differentiable.items()}
TRAITS_NETWORK, EXPRESSION_NETWORK = NETWORKS[OTHER_NETWORK], NETWORKS[FIRST_NETWORK]
FACE = np.ascontiguousarray(photo_of_one()[80:192, 170:282])


def png(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


# ---------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("name", "block", "words"),
    [
        ("stem", "stem", "First convolution"),
        ("block3_expand", "block3", "Block 3, widening"),
        ("block12_add", "block12", "Block 12, shortcut added"),
        ("age", "age", "Answer: apparent age"),
        ("age_softmax", "age", "Probabilities: apparent age"),
        ("convolution 2", "convolution 2", "Convolution 2"),
        ("scale", "scale", "Scaling of the pixels"),
        ("scale 2", "scale 2", "Batch normalisation 2"),
        ("dense_2_softmax", "dense 2", "Probabilities"),
        ("expression_fer2013", "expression_fer2013", "Answer: expression in seven classes"),
    ],
)
def test_layers_have_names_for_people(name: str, block: str, words: str) -> None:
    assert (block_of(name), layer_words(name)) == (block, words)


def test_every_layer_says_what_it_does() -> None:
    by_name = TRAITS_NETWORK.by_name
    assert kind_words(by_name["stem"]) == "3 × 3 convolution, every second position, ReLU6"
    assert kind_words(by_name["block4_depthwise"]) == "3 × 3 depthwise convolution, ReLU6"
    assert kind_words(by_name["block1_pointwise"]) == "1 × 1 convolution, ReLU6"
    assert kind_words(by_name["age"]) == "dense"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (896, "896"), (70_651_872, "70.7 million"), (1.24e9, "1.2 billion")]
)
def test_amounts_are_short(number: float, words: str) -> None:
    assert amount_words(number) == words


def test_depth_is_early_middle_and_late() -> None:
    first = [depth_words(layer.receptive_px, 112).split()[0] for layer in overview(TRAITS_NETWORK)]
    assert first == ["Early", "Early", "Early", "Middle", "Late", "Late"]


def test_small_words() -> None:
    assert [sure(0.001), sure(0.5), sure(0.999)] == ["< 1%", "50%", "> 99%"]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]
    assert [agreement_words(r) for r in (0.9, 0.5, 0.0, -0.5)] == [
        "agree well",
        "agree in part",
        "hardly agree",
        "contradict each other",
    ]


# ------------------------------------------------------------------------------------------------------------- pictures


def test_colours_keep_their_order_in_grey() -> None:
    for colours in ("viridis", "inferno"):
        ramp = coloured(np.linspace(0, 1, 32)[None], colours)
        grey = cv2.cvtColor(ramp, cv2.COLOR_RGB2GRAY)[0].astype(int)
        assert (np.diff(grey) >= 0).all() and grey[-1] - grey[0] > 180


def test_stretching_reaches_from_nothing_to_all_and_survives_sameness() -> None:
    values = stretched(np.array([[-2.0, 0.0], [1.0, 2.0]]))
    assert (values.min(), values.max()) == (0, 1)
    assert (stretched(np.full((3, 3), 7.0)) == 0).all()


def test_without_heat_the_face_alone_is_seen_and_heat_changes_its_own_place() -> None:
    none = over_face(FACE, np.zeros((6, 6)))
    assert (none[..., 0] == none[..., 1]).all(), "the face is grey there"
    spot = np.zeros((6, 6), np.float32)
    spot[1, 1] = 1
    changed = (over_face(FACE, spot).astype(int) != none).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() / 448 - 0.25) < 0.06
    assert abs(columns.mean() / 448 - 0.25) < 0.06
    assert not changed[300:].any()


def test_a_map_without_opacity_leaves_the_grey_face() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert (blended(FACE, values, 0.0) == over_face(FACE, np.zeros((4, 4)))).all()
    full = blended(FACE, values, 1.0)
    assert full[-1, -1].tolist() == coloured(np.ones((1, 1)), "viridis")[0, 0].tolist()


def test_the_square_stays_in_the_picture_and_lies_where_it_should() -> None:
    plain = np.full((100, 100, 3), 90, np.uint8)
    changed = (with_square(plain, (0.3, 0.6), 0.2) != plain).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 60) < 1.5 and abs(columns.mean() - 30) < 1.5
    assert not changed[60, 30], "its middle is open"
    whole = (with_square(plain, (0.95, 0.5), 2.0) != plain).any(axis=2)
    assert whole[:4].any() and whole[-4:].any()
    assert (plain == 90).all()


def test_the_brightest_position_is_found() -> None:
    values = np.zeros((4, 8))
    values[3, 2] = 1
    assert brightest(values) == (3, 2)


def test_filters_show_their_true_colours() -> None:
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1, 0, 0], kernel[0, 0, 2, 0] = 0.2, -0.1  # for red in the middle, half against blue in a corner
    kernel[2, 2, :, 1] = 0.1, 0.2, 0.3
    red, _ = filter_pictures(kernel, grey=False)
    assert red[1, 1].tolist() == [255, 128, 128]
    assert red[0, 0].tolist() == [128, 128, 64]
    _, grey = filter_pictures(kernel, grey=True)
    assert grey[2, 2].tolist() == [255, 255, 255] and grey[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("spec", CROPS.values(), ids=CROPS)
def test_parts_of_a_face_cover_the_crop_once(spec) -> None:
    parts = parts_of_face(spec)
    assert (sum(where.astype(int) for where in parts.values()) == 1).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = spec.landmarks_px().round().astype(int)
    for point, part in (
        (left_eye, "eyes and brows"),
        (right_eye, "eyes and brows"),
        (nose, "nose and cheeks"),
        (left_mouth, "mouth and chin"),
        (right_mouth, "mouth and chin"),
    ):
        assert parts[part][point[1], point[0]], part


def test_heat_on_the_mouth_is_called_so() -> None:
    spec = CROPS["face-v1"]
    heat = parts_of_face(spec)["mouth and chin"].astype(np.float32)
    (name, share, of_crop), *others = heat_by_part(heat, spec)
    assert name == "mouth and chin" and share > 0.99 and 0.1 < of_crop < 0.4
    assert sum(part[1] for part in others) < 0.01
    assert heat_by_part(np.zeros((6, 6)), spec) == []


# --------------------------------------------------------------------------------------------------------------- layers


def test_stages_have_ever_fewer_positions() -> None:
    sides = [[layer.shape[0] for layer in stage] for stage in stages(TRAITS_NETWORK)]
    assert [set(stage) for stage in sides] == [{56}, {28}, {14}, {7}, {4}]
    assert sum(map(len, sides)) == len(TRAITS_NETWORK.maps)


def test_what_the_network_sees_is_the_picture_again() -> None:
    scale = TRAITS_NETWORK.by_name["scale"].weights
    values = FACE.astype(np.float32) * scale["factor"] + scale["offset"]
    assert (as_seen(TRAITS_NETWORK, values) == FACE).all()
    grey = read_network(MANIFEST.members["expression-lite0-112-forehead"].path)
    assert sees_grey(grey) and not sees_grey(TRAITS_NETWORK)


def test_the_layer_for_heat_is_the_last_one_that_is_sharp_enough() -> None:
    for network in NETWORKS.values():
        names = [layer.name for layer in network.maps]
        chosen = network.by_name[default_layer(network)]
        later = [network.by_name[name] for name in names[names.index(chosen.name) + 1 :]]
        assert chosen.name == ("block10_pointwise" if min(network.by_name["stem"].shape[:2]) < 56 else names[-1])
        assert min(chosen.shape[:2]) >= 4 and all(min(layer.shape[:2]) < 4 for layer in later)


# ----------------------------------------------------------------------------------------------------------------- heat


def test_the_rival_is_the_second_or_the_first() -> None:
    question = Question("gender", ("a", "b", "c"), np.array([0.1, 0.7, 0.2]), 1)
    assert question.rival == 2
    assert question._replace(target=2).rival == 1
    assert question._replace(target=0).rival == 1


def test_covering_watches_the_class_or_the_years() -> None:
    outputs = {"gender": np.array([[0.25, 0.75]], np.float32), "age": np.array([[0.2, 0.6, 0.2]], np.float32)}
    assert Question("gender", ("a", "b"), outputs["gender"][0], 1).value(outputs) == pytest.approx([0.75])
    assert Question("age", ("0", "1", "2"), outputs["age"][0], "years").value(outputs) == pytest.approx([1.0])


def test_correlation_of_the_same_the_opposite_and_nothing() -> None:
    drop = np.zeros((112, 112), np.float32)
    drop[40:60, 40:60] = 1
    assert correlation(drop, drop) == pytest.approx(1)
    assert correlation(drop, -drop) == pytest.approx(-1)
    assert correlation(drop, np.ones((6, 6))) is None
    assert correlation(np.zeros((112, 112)), np.eye(6)) is None


def test_heat_is_compared_with_what_covering_costs() -> None:
    drop = np.zeros((112, 112), np.float32)
    drop[:56] = 1
    heat = np.array([[1, 1], [0, 0]], np.float32)
    gender = Question("gender", ("a", "b"), np.array([0.1, 0.9]), 1)
    found = Covered(drop, 0.4, 0.9)
    assert verdict(gender, found, (heat, 1 - heat), "Grad-CAM").startswith("Grad-CAM and covering agree well (corr")
    assert "contradict each other" in verdict(gender, found, (1 - heat, heat), "Grad-CAM")
    assert verdict(gender, found._replace(lowest=0.995), (heat, heat), "LayerCAM").endswith("a little less sure.")
    even = verdict(gender, found, (np.zeros((2, 2)), heat), "Grad-CAM")
    assert even == "Grad-CAM and covering cannot be compared: one of the two maps is the same everywhere."
    assert verdict(gender, found, None, "Grad-CAM") == "", "without Keras there is nothing to compare with"
    age = Question("age", ("0", "1"), np.array([0.5, 0.5]), "years")
    assert "agree well" in verdict(age, found, (heat, 1 - heat), "Grad-CAM")


def test_what_covering_finds_is_of_covered_faces_only() -> None:
    """Here all that covering does is to help: the face as it is has the lowest probability."""

    def predict(crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        best = [0.1 if (crop == FACE).all() else 0.3 for crop in crops]
        return {"gender": np.array([[value, 1 - value] for value in best], np.float32)}

    *_, (done, found) = cover(FACE, Question("gender", ("a", "b"), np.array([0.1, 0.9]), 0), predict, 40)
    assert done == 1
    assert (found.lowest, found.highest) == (pytest.approx(0.3), pytest.approx(0.3))
    assert found.drop.max() < 0


def test_the_surest_answers_still_have_differences() -> None:
    values = log_odds(np.array([0.5, 0.999, 0.9999, 1.0], np.float32))
    assert values[0] == 0 and (np.diff(values) > 1).all() and np.isfinite(values).all()


def test_the_two_heat_maps_are_of_one_request() -> None:
    question = Question("gender", ("a", "b"), np.array([0.1, 0.9]), 0)
    assert question.targets == (0, 1)
    assert question._replace(target="years").targets == "years"


def test_the_seven_classes_are_those_of_the_models() -> None:
    raw = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
    assert list(FER2013_CLASSES) == raw["classes"]["expression_fer2013"]
    entry = MANIFEST.members[FIRST_NETWORK]
    assert set(Network(entry, EXPRESSION_NETWORK).outputs) > {"expression", "expression_fer2013"}


def test_places_are_said() -> None:
    question = Question("expression", ("a", "b", "c", "d"), np.array([0.4, 0.3, 0.2, 0.1]), 0)
    assert question.titles() == ("For a", "For b")
    assert question.texts()[1] == "30% by this network alone: came second."
    assert question._replace(target=3).texts() == (
        "10% by this network alone: came 4th.",
        "40% by this network alone: the answer.",
    )


# ------------------------------------------------------------------------------------------------------- trying to fool


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A face with the real ensemble; as JPEG, without which the portrait's gender stands at one half."""

    class Analyzer(FakeAnalyzer):
        ensemble = Ensemble(MANIFEST, MANIFEST.profiles["accurate"])

    session = InsideSession()
    looked = session.look(Picture("one", "one", lambda: jpeg(photo_of_one())), Analyzer())
    face = looked.outcome.result.faces[0]
    return Subject(session, Analyzer(), "one", 0, face, {name: crops[0] for name, crops in looked.crops.items()})


def test_all_geometries_are_varied_alike(subject: Subject) -> None:
    """Else one network would see the face mirrored and the other one not."""
    crop = subject.crops["face-v1"]
    same = subject._replace(crops=dict.fromkeys(subject.crops, crop))
    first, *others = varied(same.crops, ("flip", "rotate", "light", "noise", "jpeg", "erase"), 2.0, 15, seed=3).values()
    assert all((first == other).all() for other in others)
    assert (first[0] == crop).all()
    assert len({picture.tobytes() for picture in first}) == 16


def test_geometries_of_other_sides_are_mirrored_and_covered_alike(subject: Subject) -> None:
    ramp = np.repeat(np.linspace(40, 200, 128)[None, :, None], 128, axis=0).repeat(3, axis=2).astype(np.uint8)
    crops = {"face-v1": cv2.resize(ramp, (112, 112)), "face-wide-v1": ramp}
    small, large = varied(crops, ("flip", "noise", "jpeg", "erase"), 2.0, 30, seed=3).values()  # type: ignore[arg-type]
    shrunk = [cv2.resize(picture, (112, 112), interpolation=cv2.INTER_AREA) for picture in large]
    assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(small, shrunk, strict=True)) < 15


def test_without_variation_every_variant_answers_the_same(subject: Subject) -> None:
    found = variants(subject, (), 1.0, 15, 0, "face-v1")
    tiles = {tile.label: tile.value for tile in steadiness(subject.face.traits, found.answers)}
    assert tiles["Apparent gender"] == tiles["Facial expression"] == "15 of 15"
    years = tiles["Apparent age"].split()
    assert years[0] == years[2]


@pytest.mark.parametrize("kind", SPOILINGS)
def test_a_spoiled_face_starts_as_it_is(subject: Subject, kind) -> None:
    found = spoil(subject, kind, "face-v1")
    assert (found.crops[0] == subject.crops["face-v1"]).all()
    assert len(found.amounts) == len(found.crops) == STEPS
    for course in found.courses.values():
        assert len(course.values) == STEPS
        assert course.broke is None or course.broke > 0


UNSURE_BELOW = 0.5


A, B, UNSURE, UNSURE_B, HARDLY = (0.9, 0.1), (0.2, 0.8), (0.4, 0.3), (0.3, 0.4), (0.52, 0.48)


@pytest.mark.parametrize(
    ("rows", "broke", "turns", "how"),
    [
        ([A, A, (0.6, 0.4)], None, (), ""),
        ([A, UNSURE, B], 1, (), "the answer becomes unsure"),
        ([A, B, A, A, B, B, A], None, (), ""),
        ([A, UNSURE, A, A, B], 4, (), "the answer becomes b"),
        ([A, A, B, B, B, A, B, A, B], 2, (5, 8), "the answer becomes b"),
        ([A, UNSURE_B, UNSURE_B, A, UNSURE_B], 4, (), "the answer becomes b (unsure)"),
        ([UNSURE, UNSURE, UNSURE_B], 2, (), "the answer becomes b (unsure)"),
        # Of the sample at its first step: three thousandths below the threshold, and above it again.
        ([HARDLY, (0.49, 0.48), (0.55, 0.45), A, A], None, (), ""),
    ],
)
def test_an_answer_breaks_where_it_stays_away(rows, broke, turns, how) -> None:
    prediction = ClassPrediction(("a", "b"), np.array([0.9, 0.1]), UNSURE_BELOW)
    course = class_course("gender", prediction, np.array(rows, np.float32))
    assert (course.broke, course.turns, course.how) == (broke, turns, how)
    assert course.values.tolist() == pytest.approx([row[0] for row in rows])


@pytest.mark.parametrize(
    ("first", "start"),
    [(A, ""), (HARDLY, "was hardly sure from the start (52%)"), (UNSURE, "was unsure from the start (40%)")],
)
def test_how_sure_it_was_at_first_is_said(first, start) -> None:
    prediction = ClassPrediction(("a", "b"), np.array([0.9, 0.1]), UNSURE_BELOW)
    assert class_course("gender", prediction, np.array([first, A, A], np.float32)).start == start


def test_only_stretches_last() -> None:
    gone = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1], bool)
    assert lasting(gone).tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 2
    assert not lasting(np.zeros(5, bool)).any() and lasting(np.ones(2, bool)).all()


def ages(*years: int) -> NDArray[np.float32]:
    return np.eye(101, dtype=np.float32)[list(years)]


def test_an_age_breaks_where_it_leaves_its_interval_and_never_from_outside() -> None:
    face = make_traits(years=30.0)
    low, high = face.age.interval
    inside, outside = 30, int(high) + 5
    left = years_course(face, ages(inside, outside, inside, outside, outside, outside))
    assert (left.broke, left.judged, left.start) == (3, True, "")
    assert left.how == f"the estimate leaves the interval of {low:.0f} to {high:.0f} years ({outside}.0)"
    never = years_course(face, ages(outside, outside, inside, outside))
    assert (never.broke, never.judged) == (None, False)
    assert "outside of its own interval from the start" in never.start


def course(trait, broke: int | None, how: str = "the answer becomes unsure", end: int = STEPS) -> Course:
    steps = np.arange(STEPS)
    gone = np.zeros(STEPS, bool) if broke is None else (steps >= broke) & (steps < end)
    return Course(trait, "x", np.ones(STEPS), gone, how)


def test_what_gives_way_first_is_said_first() -> None:
    amounts = np.linspace(0, 12, STEPS)
    found = Spoiled(
        "blur",
        amounts,
        np.empty(0),
        {"age": course("age", None), "gender": course("gender", 9), "expression": course("expression", 4)},
    )
    assert spoiled_words(found) == (
        "Facial expression gives way first: at 1.5 px the answer becomes unsure. "
        "Apparent gender: at 3.5 px the answer becomes unsure. Apparent age holds to the end."
    )
    assert [held_at(found, place) for place in (0, 4, 9)] == [(3, 3), (2, 3), (1, 3)]
    courses = {trait: course(trait, None) for trait in ("age", "gender", "ethnicity", "expression")}
    held = found._replace(courses=courses)
    assert spoiled_words(held) == "Nothing breaks: all four answers hold up to 12 px."
    unsure = courses["gender"]._replace(start="was hardly sure from the start (75%)")
    assert spoiled_words(held._replace(courses={**courses, "gender": unsure})) == (
        "Nothing breaks: all four answers hold up to 12 px. Apparent gender was hardly sure from the start (75%)."
    )


def test_an_answer_that_comes_back_is_said_to_and_counted_again() -> None:
    found = Spoiled(
        "blur",
        np.linspace(0, 12, STEPS),
        np.empty(0),
        {"age": course("age", None), "gender": course("gender", 4, end=8)},
    )
    assert spoiled_words(found) == (
        "Apparent gender gives way first: at 1.5 px the answer becomes unsure, at 3.1 px it is back. "
        "Apparent age holds to the end."
    )
    assert [held_at(found, place)[0] for place in (3, 4, 7, 8)] == [2, 1, 1, 2]


def test_an_age_that_cannot_be_judged_is_not_counted() -> None:
    strange = course("age", None)._replace(start="lay outside of its own interval", judged=False)
    found = Spoiled("blur", np.linspace(0, 12, STEPS), np.empty(0), {"age": strange, "gender": course("gender", None)})
    assert held_at(found, 0) == (1, 1)
    said = spoiled_words(found)
    assert said == "Nothing breaks: apparent gender holds up to 12 px. Apparent age lay outside of its own interval."


# -------------------------------------------------------------------------------------------------------------- session


def test_results_are_kept_for_a_picture_and_forgotten_with_it() -> None:
    session, analyzer, made = InsideSession(), FakeAnalyzer(), []
    one = Picture("one", "one", lambda: png(photo_of_one()))
    many = Picture("many", "many", lambda: png(photo_of_many(2)))
    session.look(one, analyzer)
    for _ in range(2):
        session.look(one, analyzer)
        assert session.kept(("a",), lambda: made.append(1) or len(made)) == 1
    assert len(analyzer.calls) == 1
    crops = session.look(many, analyzer).crops
    assert {name: stack.shape for name, stack in crops.items()} == {
        name: (2, spec.side_px, spec.side_px, 3) for name, spec in CROPS.items()
    }
    assert not session.has(("a",))


def test_the_session_stays_small() -> None:
    session = InsideSession()
    for i in range(200):
        session.kept(i, lambda i=i: i)
    assert sum(session.has(i) for i in range(200)) < 60
    assert session.has(199) and not session.has(0)


def test_a_picture_without_faces_or_sense_is_an_outcome() -> None:
    session, analyzer = InsideSession(), FakeAnalyzer()
    cup = session.look(Picture("cup", "cup", lambda: png(photo_without_faces())), analyzer)
    assert cup.outcome.error is None and cup.outcome.result.faces == () and cup.crops == {}
    broken = session.look(Picture("x", "x", lambda: b"x"), analyzer)
    assert broken.outcome.error.endswith(".")


def test_the_page_brings_no_keras_into_the_app() -> None:
    modules = ", ".join(f"ui.inside.{path.stem}" for path in sorted((ROOT / "ui" / "inside").glob("[a-z]*.py")))
    code = f"import sys, {modules}; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert modules.count("ui.") >= 10
    assert done.stdout.strip() == "False"


def test_the_process_with_keras_is_one_and_waits_for_its_first_question() -> None:
    assert cached.get_worker() is cached.get_worker()
    assert not cached.get_worker().ready


# --------------------------------------------------------------------------------------------------------- architecture

SERVED, REFERENCES = served_architectures(MANIFEST), reference_architectures(MODELS)
EVERY = pytest.mark.parametrize("network", (*SERVED, *REFERENCES), ids=lambda network: network.name)


@EVERY
def test_blocks_hold_all_weights_and_all_work(network) -> None:
    shown = blocks(network)
    assert sum(block.parameters for block in shown) == network.parameters
    assert sum(block.multiply_adds for block in shown) == network.multiply_adds
    assert shown[0].words == "Input"
    drawn = diagram(network)
    assert drawn.count("<li>") == len(shown)
    assert drawn.count("ft-net-head") == 1


@EVERY
def test_the_table_has_every_layer(network) -> None:
    table = layer_table(network)
    assert [row[1] for row in table.rows] == [row.name for row in network.rows]
    assert sum(row[5] for row in table.rows) == network.parameters
    csv = table.to_csv().decode("utf-8-sig").splitlines()
    assert len(csv) == len(network.rows) + 1
    assert csv[0].startswith("Layer,Name in the file,What it does")


def test_the_networks_see_what_they_are_called_after() -> None:
    assert [seen_px(network) for network in SERVED if network.name == OTHER_NETWORK] == [112]
    assert {seen_px(network) for network in REFERENCES if network.name.endswith("upload-predictor")} == {48}


def test_shortcuts_are_found() -> None:
    traits = next(network for network in SERVED if network.name == "traits-wide-lite0-160")
    assert [b.words for b in blocks(traits) if b.shortcut] == [f"Block {i}" for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)]
    assert summary(traits)[0] == ("Input", "160 × 160 px", "what its first filters get")


def test_unfolded_batch_normalisation_is_called_so() -> None:
    deep = next(network for network in REFERENCES if network.name == "emotion-deep-cnn")
    words = {row[1]: (row[0], row[2]) for row in layer_table(deep).rows}
    assert words["scale 1"] == (
        "Batch normalisation 1",
        "batch normalisation: a learned factor and offset for each map",
    )


def test_fixed_arithmetic_counts_neither_as_weights_nor_as_work() -> None:
    every = [row for network in (*SERVED, *REFERENCES) for row in network.rows]
    fixed = [row for row in every if row.name in ("scale", "grey", "other")]
    assert len(fixed) > 10
    assert {(row.parameters, row.multiply_adds) for row in fixed} == {(0, 0)}
    assert all(row.multiply_adds for row in every if row.parameters)


def test_all_networks_are_compared() -> None:
    table, rows = comparison_table(SERVED, REFERENCES), cost_rows(SERVED, REFERENCES)
    assert [row[0] for row in table.rows] == [row["name"] for row in rows]
    assert {row[0] for row in table.rows if row[1] == "served"} == set(MANIFEST.originals)
    work = [row["multiply_adds"] for row in rows]
    assert work == sorted(work, reverse=True)
