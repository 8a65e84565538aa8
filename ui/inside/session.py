"""One visitor of the page "Inside the CNN": the picture, its faces, and what was computed of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CROPS, align_faces
from facetraits.inside.layers import NetworkLayers
from facetraits.registry import MemberEntry
from facetraits.traits import TRAITS
from facetraits.types import AnalysisResult, FaceResult
from ui.inside.words import OUTPUT_WORDS
from ui.photo.session import Outcome, PhotoSession, Picture

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer

_Result = TypeVar("_Result")
_KEPT: Final = 32  # the largest, all layers of one face, takes two megabytes


class Looked(NamedTuple):
    """A picture that was analysed.

    Attributes:
        picture: which.
        outcome: what was found, or why nothing could be.
        crops: name of the crop's geometry to (N, S, S, 3) RGB of the picture's N faces.
    """

    picture: Picture
    outcome: Outcome
    crops: Mapping[str, NDArray[np.uint8]]


@dataclass(slots=True, eq=False, repr=False)
class InsideSession:
    """Lives in ``st.session_state`` and nowhere else; a new picture makes it forget the one before."""

    _looked: Looked | None = None
    _results: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)

    def look(self, picture: Picture, analyzer: FaceAnalyzer) -> Looked:
        """Find and cut out the faces of a picture; at once where it is the one from before."""
        if self._looked is None or self._looked.picture.key != picture.key:
            self._results.clear()
            self._looked = _look(picture, analyzer)
        return self._looked

    def cached(self, key: Hashable, make: Callable[[], _Result]) -> _Result:
        """The result of ``make``, cached for this key and picture."""
        if key not in self._results:
            self._results[key] = make()
            while len(self._results) > _KEPT:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        result: _Result = self._results[key]
        return result

    def is_cached(self, key: Hashable) -> bool:
        """Whether the result is cached."""
        return key in self._results


class Subject(NamedTuple):
    """The face that the page is about.

    Attributes:
        session: keeps what is computed.
        analyzer: the whole ensemble.
        picture: key of the picture that the face is in.
        number: of the face in its picture, from 0.
        face: what the ensemble says.
        crops: name of the crop's geometry to (S, S, 3) RGB.
    """

    session: InsideSession
    analyzer: FaceAnalyzer
    picture: str
    number: int
    face: FaceResult
    crops: Mapping[str, NDArray[np.uint8]]

    def cached(self, key: tuple[Hashable, ...], make: Callable[[], _Result]) -> _Result:
        """As of the session, for this face."""
        return self.session.cached((self.number, *key), make)

    def is_cached(self, key: tuple[Hashable, ...]) -> bool:
        """As of the session, for this face."""
        return self.session.is_cached((self.number, *key))


class Network(NamedTuple):
    """The served network that the page is about."""

    entry: MemberEntry
    layers: NetworkLayers

    @property
    def name(self) -> str:
        """The member's."""
        return self.entry.name

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it answers of a person, the app's traits first."""
        return tuple(name for name in OUTPUT_WORDS if name in self.entry.outputs and name != "view")


def _look(picture: Picture, analyzer: FaceAnalyzer) -> Looked:
    crops: dict[str, NDArray[np.uint8]] = {}

    def cut(image: NDArray[np.uint8], result: AnalysisResult) -> None:
        detections = [face.detection for face in result.faces]
        crops.update({name: align_faces(image, detections, spec) for name, spec in CROPS.items() if detections})

    photos = PhotoSession()
    photos.analyze(picture, TRAITS, analyzer, cut)
    return Looked(picture, photos.outcome(picture, TRAITS), crops)
