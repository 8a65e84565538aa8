"""What cannot be done for a reason that the user can mend, and how a command ends then."""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_DONE: Final = 0
EXIT_SOME_UNREADABLE: Final = 1
EXIT_NOTHING_DONE: Final = 2
EXIT_MODELS: Final = 3
EXIT_INTERRUPTED: Final = 130
EXIT_READER_GONE: Final = 141


class UserError(Exception):
    """What was asked for cannot be done; the message is one sentence for the user.

    Attributes:
        exit_code: what a command ends with.
    """

    exit_code: ClassVar[int] = EXIT_NOTHING_DONE


class TrainingError(UserError):
    """Training, release or evaluation cannot go on."""
