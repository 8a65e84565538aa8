"""Pictures through one analyzer per actor of a Ray cluster.

Only paths go to the actors, and only rows come back. An actor reads, decodes and analyses a picture by itself, because
what passes between Ray's processes may be written to disk when memory is short.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.batch.catalog import Input, chunks
from facetraits.batch.formats import Format, encoded
from facetraits.batch.pipeline import in_order
from facetraits.batch.records import record_of, room_for
from facetraits.batch.storage import Storage, is_remote
from facetraits.errors import UserError
from facetraits.registry import DEFAULT_MODELS_DIR, ModelIntegrityError, ProfileName, load_manifest, profile_files
from facetraits.tables import picture_record
from facetraits.traits import TraitName

if TYPE_CHECKING:
    import pyarrow

# Inputs that an actor gets at a time: a few, so that little is lost with it; more where so many actors ask that the
# process which gives them out would be too slow.
BLOCK: Final = 32
_LARGEST_BLOCK: Final = 512
_PROCESSORS_PER_INPUT: Final = 4  # of a cluster, for each input of a block
_OBJECT_STORE_BYTES: Final = 256 << 20  # for paths and rows of a cluster on this machine
_THREADS: Final = 2  # of an actor: while one waits for a file, the other computes

# Read by Ray when it is imported: it reports nothing home, and asks nothing.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
# Also read then: nobody else can connect. Ray has the switch for macOS and Windows, where it is the default.
ON_THIS_MACHINE: Final[Mapping[str, str]] = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_CONNECT_S: Final = 10.0
_STARTS: Final = 5  # of an actor, one after the other, that may fail before the whole run does


class Job(NamedTuple):
    """What every actor has to know.

    Attributes:
        profile: which networks.
        traits: what to estimate.
        form: of the rows.
        models: checksums of the models by their files; those of another machine must be the same.
    """

    profile: ProfileName
    traits: tuple[TraitName, ...]
    form: Format
    models: Mapping[str, str]


class Answer(NamedTuple):
    """What an actor says of the inputs that it was given.

    Attributes:
        numbers: of the inputs in the catalog.
        sizes: of their files in bytes; None of those that could not be read.
        data: their rows, as ``formats.encoded`` gives them.
        unreadable: how many of them could not be read.
        incomplete: of how many the file breaks off.
    """

    numbers: Sequence[int]
    sizes: Sequence[int | None]
    data: bytes
    unreadable: int
    incomplete: int


class Analyze:
    """What an actor does: one analyzer, which is loaded once, and many blocks of inputs.

    Args:
        job: what is asked.

    Raises:
        ModelIntegrityError: this machine's models are missing, damaged or others than those of the machine that asks.
    """

    def __init__(self, job: Job) -> None:
        if profile_files(load_manifest(), job.profile) != job.models:
            raise ModelIntegrityError(f"The models in {DEFAULT_MODELS_DIR} are others than those of the command.")
        self._job = job
        self._analyzer = load_analyzer(profile=job.profile, threads=1)
        self._storage = Storage()

    def __call__(self, block: pyarrow.Table) -> pyarrow.Table:
        """Analyse the inputs of a table as ``_table_of`` gives it; the answer is a table of one row."""
        import pyarrow

        inputs = [
            (Input(os.fsdecode(row["path"]), None, row["error"], row["number"]), os.fsdecode(row["address"]))
            for row in block.to_pylist()
        ]
        answer = analyzed(self._job, inputs, self._analyzer, self._storage)
        return pyarrow.table({name: [value] for name, value in answer._asdict().items()}, schema=answer_schema())


def analyzed(job: Job, inputs: Sequence[tuple[Input, str]], analyzer: FaceAnalyzer, storage: Storage) -> Answer:
    """Analyse some inputs.

    Args:
        job: what is asked.
        inputs: each with the address to read it from.
        analyzer: what looks at the pictures.
        storage: what reads them.
    """

    room = room_for(_THREADS)

    def one(each: tuple[Input, str]) -> tuple[dict[str, Any], int | None]:
        given, address = each
        if given.error is not None:
            return picture_record(given.path, None, given.error), None
        return record_of(given.path, partial(storage.read, address), analyzer, job.traits, room)

    results = list(in_order(inputs, one, _THREADS))
    records = [record for record, _ in results]
    return Answer(
        [given.number for given, _ in inputs],
        [size for _, size in results],
        encoded(records, job.form),
        sum(record["width"] is None for record in records),
        sum(record["incomplete"] is True for record in records),
    )


class Cluster:
    """A Ray cluster: one that runs already, or one of this machine's processors for as long as this object is open.

    Args:
        address: of a cluster that runs, as ``ray start`` shows it; None for this machine's processors.

    Raises:
        UserError: the cluster does not answer.
    """

    def __init__(self, address: str | None = None) -> None:
        os.environ.update({**ENVIRONMENT, **(ON_THIS_MACHINE if address is None else {})})
        if address is not None:
            _check_reachable(address)
        import ray
        import ray.data

        self._ray = ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            if address is None:
                ray.init(
                    address="local",  # not one that somebody else has started here
                    include_dashboard=False,
                    num_cpus=os.cpu_count(),
                    object_store_memory=_OBJECT_STORE_BYTES,
                    **quiet,
                )
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"no Ray cluster answers at {address or 'this machine'}") from error
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.max_consecutive_actor_init_deaths = _STARTS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        self._ray.shutdown()

    def processors(self) -> int:
        """How many processors the cluster has now."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    def block(self, least: int = BLOCK) -> int:
        """How many inputs an actor of this cluster should get at a time, at least ``least``."""
        return block_for(self.processors(), least)

    def answers(
        self, job: Job, inputs: Sequence[Input], block: int = BLOCK, actor: Callable[[Job], Any] | None = None
    ) -> Iterator[Answer]:
        """Analyse inputs, as many at once as there are processors.

        What a process or a machine had in work when it ended is missing in the answers.

        Args:
            job: what is asked.
            inputs: at least one.
            block: how many of them an actor gets at a time.
            actor: a class like ``Analyze``, which it is where None.

        Raises:
            UserError: the cluster has no processor, its machines cannot load the models, or it has ended.
        """
        data = self._ray.data
        actors = self.processors()
        if actors < 1:
            raise UserError("the Ray cluster has no processor that is free for this")
        pool = data.ActorPoolStrategy(
            min_size=1,
            max_size=actors,
            initial_size=actors,
            # A process that ends takes along what waits for it: an input that is alone must not.
            max_tasks_in_flight_per_actor=1 if block == 1 else None,
        )
        tables = [_table_of(chunk) for chunk in chunks(inputs, block)]
        with warnings.catch_warnings():
            # Ray is to get a named argument for retries in a later version.
            warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
            dataset = data.from_arrow(tables).map_batches(
                actor or Analyze,
                fn_constructor_args=(job,),
                batch_size=None,
                batch_format="pyarrow",
                compute=pool,
                num_cpus=1,
                max_restarts=0,
            )
        try:
            for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
                for row in table.to_pylist():
                    yield Answer(**row)
        except self._ray.exceptions.RayError as error:
            raise UserError(_what_ended(error)) from error


def block_for(processors: int, least: int = BLOCK) -> int:
    """How many inputs an actor should get at a time where so many processors work."""
    return max(least, min(_LARGEST_BLOCK, processors // _PROCESSORS_PER_INPUT))


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_S):
            return
    except ValueError:
        raise UserError(f"--address is a host and a port, such as 10.0.0.1:6379, and not {address}") from None
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers at {address}") from error


def _what_ended(error: Exception) -> str:
    for line in str(error).splitlines():
        if ModelIntegrityError.__name__ in line:
            return f"a machine of the cluster cannot load the models: {line.partition(': ')[2]}"
    return "the Ray cluster has ended, or cannot start the analysis; --resume goes on once it runs again"


def _table_of(inputs: Sequence[Input]) -> pyarrow.Table:
    """Inputs as an actor gets them; paths are bytes, because not every path is text."""
    import pyarrow

    return pyarrow.table(
        {
            "path": [os.fsencode(each.path) for each in inputs],
            "address": [os.fsencode(_address(each.path)) for each in inputs],
            "error": [each.error for each in inputs],
            "number": [each.number for each in inputs],
        },
        schema=pyarrow.schema(
            {
                "path": pyarrow.binary(),
                "address": pyarrow.binary(),
                "error": pyarrow.string(),
                "number": pyarrow.int64(),
            }
        ),
    )


def _address(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)


def answer_schema() -> pyarrow.Schema:
    """The table of one row as which an actor gives its ``Answer``."""
    import pyarrow

    numbers = pyarrow.list_(pyarrow.int64())
    return pyarrow.schema(
        {
            "numbers": numbers,
            "sizes": numbers,
            "data": pyarrow.large_binary(),
            "unreadable": pyarrow.int64(),
            "incomplete": pyarrow.int64(),
        }
    )
