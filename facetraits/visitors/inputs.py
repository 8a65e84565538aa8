"""Where the frames of a source come from. A new kind is a class here, and a form in ``ui/visitors/recording.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from facetraits.video.cameras import check_address, read_stream
from facetraits.video.pace import BackOff
from facetraits.video.sources import Frame, VideoError, read_file
from facetraits.visitors.identity import RecordingIds, recording_ids
from facetraits.visitors.source import Source, SourceKind
from facetraits.visitors.visit import Settings

_CLOCK_ERROR: Final = timedelta(hours=1)  # of the camera's clock, or of the guess when the recording began


class FrameSource(Protocol):
    """A source of frames for a recording."""

    @property
    def kind(self) -> SourceKind:
        """Of the source."""

    @property
    def began(self) -> datetime | None:
        """When the recording began; None where the frames show what happens now, so that the worker may rest."""

    def check(self, settings: Settings) -> None:
        """Raise ValueError with a sentence for the owner if it cannot be watched."""

    def ids(self, name: str) -> RecordingIds | None:
        """Numbers for its visits when it has this name; None where it shows what comes but once."""

    def frames(self, source: Source) -> Iterator[Frame]:
        """The frames, once, until there are no more or ``source`` is stopped.

        Raises:
            VideoError: it cannot be read at all.
        """


class CameraInput:
    """A camera, which is connected to again after every loss.

    Args:
        address, aspect: as of ``read_stream``.
    """

    kind: SourceKind = "camera"
    began: datetime | None = None

    def __init__(self, address: str, aspect: float | None = None) -> None:
        self._address = address
        self._aspect = aspect

    def check(self, settings: Settings) -> None:
        """See ``FrameSource``."""
        try:
            check_address(self._address)
        except VideoError as error:
            raise ValueError(str(error)) from None

    def ids(self, name: str) -> None:
        """See ``FrameSource``."""

    def frames(self, source: Source) -> Iterator[Frame]:
        """See ``FrameSource``; ends only when the source is stopped."""
        back_off = BackOff()
        while not source.stopped:
            stream = read_stream(
                self._address, self._aspect, on_skipped=source.tally.drop, before_picture=source.turn.take
            )
            with closing(stream):
                source.when_stopped(stream.close)
                try:
                    for frame in stream:
                        back_off.reset()
                        source.tally.connected()
                        yield frame
                except VideoError as error:
                    source.lost(str(error))
                finally:
                    source.turn.give()
            source.wait(back_off.next_pause_s())


class FileInput:
    """A video file, from its beginning to its end.

    Args:
        file: where it is, or the file itself, which is not closed.
        began: when the video was recorded; aware.
        began_is_known: it was said so; False where it is only a guess, which is another one the next time.
    """

    kind: SourceKind = "file"

    def __init__(self, file: Path | BinaryIO, began: datetime, began_is_known: bool = True) -> None:
        self.began = began
        self._began_is_known = began_is_known
        self._files = [file]  # emptied after reading: an uploaded video must not stay in memory

    def check(self, settings: Settings) -> None:
        """See ``FrameSource``."""
        if self.began.tzinfo is None:
            raise ValueError("The time at which the video was recorded needs a time zone.")
        now = datetime.now(UTC)
        if self.began > now:
            raise ValueError(
                f"The video cannot begin on {self.began:%Y-%m-%d at %H:%M}, in the future: correct the time."
            )
        kept_days = settings.retention_days
        if kept_days is not None and self.began < now - timedelta(days=kept_days):
            raise ValueError(
                f"The video was recorded on {self.began:%Y-%m-%d}, but visits are kept for {kept_days} days only: keep "
                "them longer, or correct the date."
            )

    def ids(self, name: str) -> RecordingIds | None:
        """See ``FrameSource``."""
        try:
            return recording_ids(self._files[0], name, self.began if self._began_is_known else None)
        except OSError:  # which reading it will say
            return None

    def frames(self, source: Source) -> Iterator[Frame]:
        """See ``FrameSource``."""
        with read_file(self._files.pop()) as video:
            for frame in video:
                if source.stopped:
                    return
                if self.began + timedelta(seconds=frame.time_s) > datetime.now(UTC) + _CLOCK_ERROR:
                    raise VideoError(
                        "The time stamps of the video continue into the future. Only the part before now is counted."
                    )
                yield frame
                if video.duration_s is not None:
                    source.progressed(min(frame.time_s / video.duration_s, 1.0))
        source.complete()
