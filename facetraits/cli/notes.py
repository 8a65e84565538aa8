"""What is said at the end of a run of `analyze`."""

from __future__ import annotations

from collections.abc import Iterator


def notes_of(files: int, unreadable: int, incomplete: int, kind: str) -> Iterator[str]:
    """A sentence for each thing that the user should know.

    Args:
        files: how many were analysed.
        unreadable: how many of these could not be read.
        incomplete: how many pictures break off.
        kind: what the files are: "pictures", "videos" or "files".
    """
    if incomplete:
        one = incomplete == 1
        yield (
            f"the file of {incomplete} picture{'' if one else 's'} is incomplete; what is missing of "
            f"{'it' if one else 'them'} is grey"
        )
    if unreadable:
        yield f"{unreadable} of {files} {kind} could not be read; their rows say why"
