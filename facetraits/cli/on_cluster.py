"""`analyze --engine ray`: the pictures of many sources, analysed by the machines of a cluster, into a folder."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from facetraits.analyzer import FaceAnalyzer
from facetraits.batch.catalog import Catalog, Input
from facetraits.batch.cluster import BLOCK, Cluster, Job
from facetraits.batch.formats import encoded
from facetraits.batch.parts import Results, Rows
from facetraits.batch.storage import Storage
from facetraits.cli.files import LeftOut
from facetraits.cli.notes import notes_of
from facetraits.cli.sources import inputs
from facetraits.errors import EXIT_DONE, EXIT_SOME_UNREADABLE, UserError
from facetraits.registry import load_manifest, profile_files
from facetraits.tables import picture_record

_ROUND: Final = 1_000_000  # inputs that Ray knows at a time: bounds its memory, and this process'
_ROUND_ALONE: Final = 1_000
# Of an input: the first together with others, the second as a task of its own, the last with nothing else at work: a
# task of its own may still wait behind one that ends its process.
_ATTEMPTS: Final = 3
_LINE_EVERY_S: Final = 60.0
_LOST: Final = f"the process that analysed this picture ended {_ATTEMPTS} times"


class Progress:
    """How far a run is, on stderr: a bar on a terminal, else a line a minute and one at the end.

    Args:
        count: inputs that are to be analysed.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = self.unreadable = self.incomplete = 0
        self._started_s = time.monotonic()
        self._due_s = self._started_s + _LINE_EVERY_S
        self._bar = tqdm(total=count, desc="Analysing", unit=" pictures", disable=not sys.stderr.isatty())

    def add(self, done: int, unreadable: int, incomplete: int) -> None:
        """Count what has been analysed."""
        self.done += done
        self.unreadable += unreadable
        self.incomplete += incomplete
        self._bar.update(done)
        if self._bar.disable and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _LINE_EVERY_S
            self._say()

    def close(self) -> None:
        """Say how much was done, and how fast."""
        self._bar.close()
        self._say()

    def _say(self) -> None:
        seconds = time.monotonic() - self._started_s
        rate = self.done / seconds if seconds > 0 else 0.0
        print(
            f"facetraits: {self.done} of {self.count} pictures in {seconds:.0f} s ({rate:.1f} pictures/s)",
            file=sys.stderr,
            flush=True,
        )


def analyze_on_cluster(
    sources: Sequence[str], out: Path | None, address: str | None, resume: bool, force: bool, job: dict[str, Any]
) -> int:
    """Analyse pictures on a Ray cluster.

    Args:
        sources: see ``sources.inputs``.
        out: the folder for the results.
        address: of the cluster; None for the processors of this machine.
        resume: go on with the results in ``out``.
        force: replace the results in ``out``.
        job: profile, traits and format.

    Returns:
        The exit code.

    Raises:
        UserError: it cannot be done.
    """
    if out is None:
        raise UserError("--engine ray needs --out DIR, a folder for the results")
    manifest = load_manifest()
    FaceAnalyzer(manifest, job["profile"])  # damaged models are found before others have to wait for it
    asked = Job(**job, models=profile_files(manifest, job["profile"]))
    with (
        redirect_stdout(io.StringIO()),  # where Ray says that processes have ended
        Results(out, asked.form, asked._asdict(), resume=resume, force=force) as results,
        Cluster(address) as cluster,
        Catalog(results.scratch) as catalog,
    ):
        _list(sources, catalog, results)
        if not catalog.count()[0]:
            raise UserError(f"no pictures found in {', '.join(sources)}")
        try:
            progress = _run(catalog, results, cluster, asked)
        except (KeyboardInterrupt, UserError):
            print(f"facetraits: the results so far are in {out}; --resume goes on from there", file=sys.stderr)
            raise
    return _summary(progress)


def _list(sources: Sequence[str], catalog: Catalog, results: Results) -> None:
    """Find the inputs, and which of them are finished; outdated rows are taken out of the results."""
    storage, left_out = Storage(), LeftOut()
    for part, finished in results.finished():
        catalog.add_finished(part, finished)
    catalog.add_inputs(inputs(sources, storage, left_out))
    for note in left_out.notes():
        print(f"facetraits: {note}", file=sys.stderr)
    for chunk in catalog.unsized():
        sizes = storage.sizes([path for _, path in chunk])
        catalog.set_sizes(zip((number for number, _ in chunk), sizes, strict=True))
    catalog.settle()
    for part, paths in catalog.outdated():
        results.drop(part, paths)


def _run(catalog: Catalog, results: Results, cluster: Cluster, job: Job) -> Progress:
    """Analyse all that is not done: many at a time, then what is missing one by one."""
    every, done = catalog.count()
    if done:
        print(f"facetraits: {done} of {every} pictures are finished already", file=sys.stderr)
    progress = Progress(every - done)
    paths: dict[int, str] = {}

    def analyze(chosen: Sequence[Input], block: int) -> None:
        paths.clear()
        paths.update((each.number, each.path) for each in chosen)
        for answer in cluster.answers(job, chosen, block):
            if catalog.finish(answer.numbers):
                listed = [(paths[n], size) for n, size in zip(answer.numbers, answer.sizes, strict=True)]
                results.add(Rows(listed, answer.data))
                progress.add(len(listed), answer.unreadable, answer.incomplete)

    last = 0
    while chosen := catalog.attempt(_ROUND, 0, after=last):
        analyze(chosen, cluster.block(BLOCK))
        last = chosen[-1].number
    for attempts in range(1, _ATTEMPTS):
        while chosen := catalog.attempt(_ROUND_ALONE if attempts < _ATTEMPTS - 1 else 1, attempts):
            analyze(chosen, 1)
    while lost := catalog.attempt(_ROUND_ALONE, _ATTEMPTS):
        for each in lost:
            catalog.finish([each.number])
            record = picture_record(each.path, None, _LOST)
            results.add(Rows([(each.path, None)], encoded([record], job.form)))
        progress.add(len(lost), len(lost), 0)
    results.commit()
    progress.close()
    return progress


def _summary(progress: Progress) -> int:
    """Say what could not be read, and give the exit code."""
    for note in notes_of(progress.done, progress.unreadable, progress.incomplete, "pictures"):
        print(f"facetraits: {note}", file=sys.stderr)
    return EXIT_SOME_UNREADABLE if progress.unreadable else EXIT_DONE
