"""`python -m facetraits report`: the documents that are generated from reports."""

from __future__ import annotations

import argparse

from facetraits.errors import EXIT_DONE, EXIT_SOME_UNREADABLE, UserError
from facetraits.registry import DEFAULT_MODELS_DIR
from facetraits.reports.documents import write_documents


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("report", help="write the README's results and the model cards from the reports")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a document is out of date")
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    root = DEFAULT_MODELS_DIR.parent
    try:
        stale = write_documents(root, check=arguments.check)
    except (OSError, ValueError) as error:
        raise UserError(f"the documents cannot be made: {error}") from error
    for path in stale:
        print(f"{path.relative_to(root)} {'is out of date' if arguments.check else 'written'}")
    return EXIT_SOME_UNREADABLE if stale and arguments.check else EXIT_DONE
