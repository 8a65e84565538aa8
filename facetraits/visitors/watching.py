"""Looking at the frames of one source: analysis and tracking, when it is the source's turn."""

from __future__ import annotations

import time

from facetraits.traits import TRAITS, TraitName
from facetraits.video.live import Analyzer
from facetraits.video.sources import Frame
from facetraits.video.tracking import FaceTracker
from facetraits.visitors.source import Source
from facetraits.visitors.visit import Settings


class Watch:
    """Analyses the frames of one source; belongs to its worker.

    Tracks are kept while the connection is lost.
    """

    def __init__(self, source: Source, analyzer: Analyzer) -> None:
        self._source = source
        self._analyzer = analyzer
        self._tracker = FaceTracker(source.settings.away_s)

    def look(self, frame: Frame) -> float:
        """Analyse one frame.

        Returns:
            How long to rest before the next one of a camera, in seconds.
        """
        if not self._source.turn.take():
            return 0.0
        try:
            return self._look(frame)
        finally:
            self._source.turn.give()

    def _look(self, frame: Frame) -> float:
        started = time.monotonic()
        settings = self._source.settings
        try:
            result = self._analyzer.analyze(frame.image, stored_traits(settings))
            self._tracker.keep_s = settings.away_s
            tracked = self._tracker.update(result, frame.time_s, frame.image)
        except Exception:
            return self._source.analysis_failed()
        self._source.add_faces(tracked, frame.time_s, result.size_wh)
        if self._source.kind == "camera":
            self._source.tally.answered(time.monotonic() - frame.time_s)
        self._source.offer_still(frame.image, result)
        return self._source.pace.rest_after(time.monotonic() - started)


def stored_traits(settings: Settings) -> tuple[TraitName, ...]:
    """What has to be estimated for a visit."""
    return tuple(trait for trait in TRAITS if trait != "ethnicity" or settings.ethnicity)
