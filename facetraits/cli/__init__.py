"""The command line: ``python -m facetraits COMMAND``. Each command has a module of its own.

Exit codes:
    0: everything was done. A picture without a face is a result, not a failure.
    1: done, but some pictures or videos could not be read; their rows say why.
    2: nothing to do or no way to do it: wrong usage, a path that is not there, no pictures, an output that cannot be
       written, a camera or a database that cannot be used.
    3: the models are missing or damaged.
    130: stopped by Ctrl-C; what was finished before has been written.
    141: whoever read the output has closed it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from facetraits.cli.analyze import add_analyze
from facetraits.cli.report import add_report
from facetraits.cli.train import add_training
from facetraits.cli.watch import add_watch
from facetraits.errors import EXIT_INTERRUPTED, EXIT_READER_GONE, UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: arguments without the program's name; those of the process where None.

    Raises:
        SystemExit: the arguments do not parse (code 2), or help was asked for (code 0).
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        return code
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped; what was finished before has been written", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_READER_GONE


def _fail(message: str, code: int) -> int:
    print(f"facetraits: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facetraits", description="Apparent age, gender, ethnicity and facial expression of faces in pictures."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_analyze(commands)
    add_watch(commands)
    add_report(commands)
    if _can_train():
        add_training(commands)
    return parser


def _can_train() -> bool:
    """False in an installation that only serves: it does not have the package."""
    try:
        return find_spec("facetraits.training") is not None
    except ModuleNotFoundError:
        return False
