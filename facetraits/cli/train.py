"""`python -m facetraits train | release | evaluate | datasets | splits`: the commands that need data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from facetraits.errors import EXIT_DONE, UserError
from facetraits.registry import DEFAULT_MODELS_DIR
from facetraits.settings import data_folder


def add_training(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; their heavy imports happen when they run."""
    train = commands.add_parser("train", help="train networks; a stopped run goes on where it was")
    train.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="recipes of facetraits/training/recipes.py (default: all that are served)",
    )
    train.add_argument("--references", action="store_true", help="without names: the reference systems' models instead")
    train.set_defaults(run=_train)
    release = commands.add_parser("release", help="export trained networks, fit the ensemble, write the manifest")
    release.add_argument("--references", action="store_true", help="the reference systems' models instead")
    release.set_defaults(run=_release)
    evaluate = commands.add_parser("evaluate", help="judge the served files on a held-back split and write reports")
    evaluate.add_argument("names", nargs="*", metavar="NAME", help="profiles, networks, references (default: all)")
    evaluate.add_argument("--split", choices=("validation", "test"), default="test")
    evaluate.set_defaults(run=_evaluate)
    datasets = commands.add_parser("datasets", help="count the data sets' classes before and after cleaning")
    datasets.set_defaults(run=_datasets)
    splits = commands.add_parser("splits", help="divide All-Age-Faces and RAF-DB anew, near-duplicates together")
    splits.set_defaults(run=_splits)
    for parser in (train, release, evaluate, datasets, splits):
        parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the data sets")


def _guarded(work: Callable[[], None]) -> int:
    try:
        work()
    except FileNotFoundError as error:
        raise UserError(str(error)) from error
    except ImportError as error:
        raise UserError(f"{error.name} is missing; install requirements-train.txt") from error
    return EXIT_DONE


def _train(arguments: argparse.Namespace) -> int:
    def work() -> None:
        from facetraits.training.networks.served_weights import served_file
        from facetraits.training.recipes import RECIPES, with_ancestors
        from facetraits.training.reference_recipes import REFERENCES, SMILE_SVC
        from facetraits.training.train import RUNS, train

        detector = DEFAULT_MODELS_DIR / "centerface" / "network.onnx"
        recipes = {**RECIPES, **REFERENCES}
        known = [*recipes, SMILE_SVC]
        if unknown := sorted(set(arguments.names) - set(known)):
            raise UserError(f"unknown recipe {unknown[0]!r}; there are {', '.join(known)}")
        served = [name for name in RECIPES if served_file(name, DEFAULT_MODELS_DIR).exists()]
        wanted = arguments.names or ([*REFERENCES, SMILE_SVC] if arguments.references else RECIPES)
        for name in with_ancestors(wanted, served):
            if name == SMILE_SVC:
                from facetraits.training.smile import train_smile

                run = train_smile(arguments.data, detector, RUNS)
            else:
                run = train(recipes[name], arguments.data, DEFAULT_MODELS_DIR)
            print(f"{name}: finished, see {run}")

    return _guarded(work)


def _release(arguments: argparse.Namespace) -> int:
    def work() -> None:
        from facetraits.training.release import release, release_references

        (release_references if arguments.references else release)(arguments.data, DEFAULT_MODELS_DIR)

    return _guarded(work)


def _evaluate(arguments: argparse.Namespace) -> int:
    def work() -> None:
        from facetraits.training.evaluation.evaluate import evaluate

        for path in evaluate(arguments.data, DEFAULT_MODELS_DIR, arguments.split, arguments.names):
            print(path)

    return _guarded(work)


def _datasets(arguments: argparse.Namespace) -> int:
    def work() -> None:
        from facetraits.training.data.summarize import summarize

        print(summarize(arguments.data, DEFAULT_MODELS_DIR))

    return _guarded(work)


def _splits(arguments: argparse.Namespace) -> int:
    def work() -> None:
        from facetraits.training.data.divide import divide

        print(divide(arguments.data, DEFAULT_MODELS_DIR / "centerface" / "network.onnx"))

    return _guarded(work)
