"""Our tracker beside ByteTrack (Zhang et al. 2022), on the same detections.

``python -m benchmarks.tracking [--videos FOLDER] [--out FILE]`` needs the package ``trackers`` (2.6.1) beside ours.
Where every face is, is known of the drawn scenes, those of ``tests/camera.py`` and others by chance; of the videos only
the number of people.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.reporting import table, this_machine, write_results
from benchmarks.tracking_scenes import scenes_by_chance
from facetraits import AnalysisResult, load_analyzer
from facetraits.video.sources import EVERY_S
from facetraits.video.tracking import FaceTracker, best_pairs
from tests.builders import ROOT
from tests.camera import SCENES, Scene

_KEEP_S: Final = 6.0  # who is out of view for longer is somebody new, for both trackers
_SAME_PLACE: Final = 0.3  # overlap of a shown box with a true one
_SHORT_S: Final = 0.8  # who is in view for less is not counted in the videos
# The people in the clips of the Intel IoT Developer Kit (CC BY 4.0).
_PEOPLE: Final = {
    "face-demographics-walking-and-pause.gif": 3,
    "face-demographics-walking.gif": 2,
    "head-pose-face-detection-female-and-male.gif": 2,
}


class Shown(NamedTuple):
    """The faces of one frame: (N, 4) boxes, and the number of each."""

    boxes: NDArray[np.float32]
    numbers: Sequence[int]


class Look(NamedTuple):
    """An analysed frame: its picture, when it was taken, what was found in it, and where the faces truly are."""

    image: NDArray[np.uint8]
    time_s: float
    result: AnalysisResult
    truth: NDArray[np.float32] | None = None


def ours(looks: Iterable[Look]) -> tuple[list[Shown], dict[int, int]]:
    """What is shown frame by frame, and for numbers that were taken back the one that they belong to."""
    tracker, shown, owner = FaceTracker(_KEEP_S), [], {}
    for look in looks:
        faces = tracker.update(look.result, look.time_s, look.image)
        owner |= {number: face.track_id for face in faces for number in face.formerly}
        boxes = np.array([f.face.detection.box_xyxy for f in faces], dtype=np.float32).reshape(-1, 4)
        shown.append(Shown(boxes, [f.track_id for f in faces]))
    return shown, owner


def byte_track(looks: Iterable[Look]) -> tuple[list[Shown], dict[int, int]]:
    """The same by ByteTrack, with the time for which it keeps who is lost set to ours."""
    import supervision as sv
    from trackers import ByteTrackTracker

    rate = 1 / EVERY_S
    tracker = ByteTrackTracker(lost_track_buffer=round(_KEEP_S * 30), frame_rate=rate)
    shown = []
    for look in looks:
        found = [face.detection for face in look.result.faces]
        boxes = np.array([d.box_xyxy for d in found], dtype=np.float32).reshape(-1, 4)
        scores = np.array([d.score for d in found], dtype=np.float32)
        tracked = tracker.update(sv.Detections(boxes, confidence=scores, class_id=np.zeros(len(found), dtype=int)))
        known = tracked.tracker_id >= 0
        shown.append(Shown(tracked.xyxy[known].astype(np.float32), [int(n) for n in tracked.tracker_id[known]]))
    return shown, {}


TRACKERS: Final[dict[str, Callable[[Iterable[Look]], tuple[list[Shown], dict[int, int]]]]] = {
    "facetraits": ours,
    "ByteTrack": byte_track,
}


def overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) intersection over union."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    union: NDArray[np.float32] = shared / (areas - shared)
    return union


def judge_scene(looks: Sequence[Look], shown: Sequence[Shown], owner: dict[int, int]) -> dict[str, int]:
    """Identity switches, numbers given, and views of a face that no number had.

    A shown box belongs to one person only, so that who is in front does not pass for who is behind.
    """
    last: dict[int, int] = {}
    switches = misses = 0
    numbers = set()
    for look, frame in zip(looks, shown, strict=True):
        assert look.truth is not None
        overlaps = np.array([overlap(box, frame.boxes) for box in look.truth])
        overlaps = overlaps.reshape(len(look.truth), len(frame.numbers))
        found = best_pairs(np.where(overlaps >= _SAME_PLACE, overlaps, -np.inf))
        misses += np.isfinite(look.truth).all(axis=1).sum() - len(found)
        for person, shown_as in found:
            number = frame.numbers[shown_as]
            while number in owner:
                number = owner[number]
            numbers.add(number)
            switches += person in last and last[person] != number
            last[person] = number
    return {"identity_switches": switches, "numbers": len(numbers), "views_without_number": int(misses)}


def looks_of_scene(scene: Scene, analyze: Callable[..., AnalysisResult]) -> Iterator[Look]:
    """A scene ten times a second; who is mostly hidden or outside is not asked for."""
    for i in range(int(scene.seconds / EVERY_S)):
        number = min(round(i * EVERY_S * scene.fps), scene.frames - 1)
        image = scene.frame(number)
        visible = scene.visible(number) > 0.6
        truth = np.where(visible[:, None], scene.boxes(number), np.nan).astype(np.float32)
        yield Look(image, i * EVERY_S, analyze(image), truth)


def looks_of_video(path: Path, analyze: Callable[..., AnalysisResult]) -> Iterator[Look]:
    """A video ten times a second."""
    due_s = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time + 1e-3 >= due_s:
                due_s = frame.time + EVERY_S
                image = frame.to_ndarray(format="rgb24")
                yield Look(image, float(frame.time), analyze(image))


def counted(shown: Sequence[Shown], owner: dict[int, int]) -> dict[str, int]:
    """How many numbers were in view for a while, and how many at all."""
    seen: dict[int, int] = defaultdict(int)
    for frame in shown:
        for number in frame.numbers:
            while number in owner:
                number = owner[number]
            seen[number] += 1
    return {"counted": sum(views * EVERY_S >= _SHORT_S for views in seen.values()), "numbers": len(seen)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=Path, help="folder of the clips")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "tracking.json")
    arguments = parser.parse_args()
    analyzer = load_analyzer(profile="fast")
    machine = this_machine()
    scenes = [*((name, make((640, 480))) for name, make in SCENES.items()), *scenes_by_chance()]
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for kind, scene in scenes:
        looks = list(looks_of_scene(scene, analyzer.analyze))
        for tracker, run in TRACKERS.items():
            sums[kind, tracker].update({"scenes": 1, "people": len(scene.people), **judge_scene(looks, *run(looks))})
    rows: list[dict[str, Any]] = [
        {"scene": kind, "tracker": tracker, **found} for (kind, tracker), found in sums.items()
    ]
    clips: list[dict[str, Any]] = []
    for name, people in _PEOPLE.items() if arguments.videos else ():
        looks = list(looks_of_video(arguments.videos / name, analyzer.analyze))
        clips += [
            {"clip": name, "people": people, "tracker": tracker, **counted(*run(looks))}
            for tracker, run in TRACKERS.items()
        ]
    results = {**machine, "trackers": version("trackers"), "scenes": rows, "clips": clips}
    write_results(results, arguments.out)
    print(table(rows))
    if clips:
        print("\n" + table(clips))


if __name__ == "__main__":
    main()
