"""facetraits: every face in a picture, with apparent age, gender, ethnicity and facial expression."""

from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.faces.annotate import annotate
from facetraits.faces.images import ImageDecodeError, decode_image
from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AgePrediction, AnalysisResult, ClassPrediction, FaceDetection, FaceResult, FaceTraits

__all__ = [
    "TRAITS",
    "AgePrediction",
    "AnalysisResult",
    "ClassPrediction",
    "FaceAnalyzer",
    "FaceDetection",
    "FaceResult",
    "FaceTraits",
    "ImageDecodeError",
    "ModelIntegrityError",
    "TraitName",
    "annotate",
    "decode_image",
    "load_analyzer",
]
