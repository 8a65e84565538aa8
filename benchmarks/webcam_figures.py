"""Frame rates, delays and how well boxes fit, from what the browser has shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.webcam_server import FACETRAITS, PASSTHROUGH, App, BenchmarkError
from tests.camera import MOVING_SPEED, PLAYBACK_FPS, Scene, read_counter
from tests.drawn_boxes import best_overlap, drawn_boxes

LEAST_IOU = 0.6


def video_figures(watched: dict[str, Any], scene: Scene) -> dict[str, Any]:
    """Rates and delays from what ``_WATCH`` saw in less time than the scene takes.

    A frame's delay is the time from its presentation as the camera's picture to its presentation as what came back, in
    the same browser. ``shown_fps`` counts different pictures.
    """
    sent, shown = first_times(watched["camera"]), first_times(watched["shown"])
    delays = [shown[number] - sent[number] for number in shown if number in sent]
    if len(delays) < 2:
        raise BenchmarkError("the pictures that come back are not those of the camera")
    first, last = (end(sent.items(), key=lambda item: item[1]) for end in (min, max))
    times = sorted(shown.values())
    return {
        "camera_fps": round((last[0] - first[0]) % scene.frames / (last[1] - first[1]) * 1000, 2),
        "shown_fps": round((len(times) - 1) / (times[-1] - times[0]) * 1000, 2),
        "delay_ms_median": round(float(np.median(delays)), 1),
        "delay_ms_p95": round(float(np.percentile(delays, 95)), 1),
        "gap_ms_p95": round(float(np.percentile(np.diff(times), 95)), 1),
        "frames": len(times),
        "unread_counters": sum(number < 0 for _, number in watched["shown"]),
        "size_wh": watched["size"],
    }


def first_times(seen: Sequence[Sequence[float]]) -> dict[int, float]:
    """Number of a frame to the ms at which it was first seen."""
    times: dict[int, float] = {}
    for time_ms, number in seen:
        if number >= 0:
            times.setdefault(int(number), time_ms)
    return times


def box_figures(pictures: Sequence[str], scene: Scene) -> dict[str, Any]:
    """How well the drawn boxes fit the face in base64 PNGs of shown frames of a scene with one face.

    A picture without a box counts as a miss. One whose counter cannot be read is left out, and counted.
    """
    overlaps: list[float] = []
    for encoded in pictures:
        data = np.frombuffer(base64.b64decode(encoded), dtype=np.uint8)
        picture = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])
        number = read_counter(picture)
        if number is not None:
            (true_box,) = scene.boxes(number) * (picture.shape[1] / scene.size_wh[0])
            overlaps.append(best_overlap(true_box, drawn_boxes(picture)))
    if not overlaps:
        raise BenchmarkError("no picture with a readable counter came back")
    return {
        "pictures": len(overlaps),
        "on_face_share": round(float(np.mean([overlap >= LEAST_IOU for overlap in overlaps])), 4),
        "iou_median": round(median(overlaps), 3),
        "iou_p5": round(float(np.percentile(overlaps, 5)), 3),
        "without_box": sum(overlap == 0 for overlap in overlaps),
        "unread_counters": len(pictures) - len(overlaps),
    }


def summary_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds by scene: facetraits beside pass-through."""

    def values(app: App, scene: str, key: str) -> list[float]:
        return [row[key] for row in rows if row["app"] == app.name and row["scene"] == scene]

    summary: dict[str, Any] = {}
    for scene in ("one face", "five faces"):
        ours, theirs = (
            {key: median(values(app, scene, key)) for key in ("shown_fps", "delay_ms_median", "delay_ms_p95")}
            for app in (FACETRAITS, PASSTHROUGH)
        )
        summary[scene] = {
            "shown_fps_share_of_passthrough": round(ours["shown_fps"] / theirs["shown_fps"], 3),
            "added_delay_ms_median": round(ours["delay_ms_median"] - theirs["delay_ms_median"], 1),
            "added_delay_ms_p95": round(ours["delay_ms_p95"] - theirs["delay_ms_p95"], 1),
            "analyses_per_second": median(values(FACETRAITS, scene, "analyses_per_second")),
            "first_result_s": median(values(FACETRAITS, scene, "first_result_s")),
        }
    boxes = [row["boxes"] for row in rows if "boxes" in row]
    pictures = sum(row["pictures"] for row in boxes)
    on_face = sum(row["on_face_share"] * row["pictures"] for row in boxes)
    speeds = [fps / PLAYBACK_FPS * MOVING_SPEED for fps in values(FACETRAITS, "one face", "camera_fps")]
    summary["one face"] |= {
        "boxes_on_face_share": round(on_face / pictures, 3),
        "boxes_pictures": pictures,
        "face_widths_per_second": round(median(speeds), 2),
    }
    return summary
