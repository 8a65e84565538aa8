"""Many pictures on a Ray cluster of one and two nodes: how fast, and whether each is there once when a node is killed.

``python -m benchmarks.scale [--quick] [--pictures N] [--out FILE]``. The nodes are simulated on this machine with one
processor each, so that two of them need two free processors; the pictures are varied copies of those of the Photo page,
no two alike. One and two nodes analyse the same pictures in turns, so that whatever else the machine does meets both
alike. Then two nodes analyse all pictures while one is killed and another takes its place, and the result is compared
with that of the default engine, byte for byte. From the rates follow time and cost of 100 million pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import pyarrow
from PIL import Image

from benchmarks.reporting import table, this_machine, write_results
from facetraits.batch.catalog import Catalog, Input, chunks
from facetraits.batch.cluster import BLOCK, ENVIRONMENT, ON_THIS_MACHINE, Answer, Cluster, Job, answer_schema, block_for
from facetraits.batch.formats import encoded
from facetraits.batch.parts import PART_INPUTS, Results, Rows
from facetraits.tables import picture_record
from facetraits.traits import TRAITS
from tests.builders import ROOT, make_face, make_result

RESULTS: Final = ROOT / "benchmarks" / "results" / "scale.json"
SAMPLES: Final = ROOT / "ui" / "photo" / "samples"
PROFILE: Final = "fast"
PACKAGES: Final = ("ray", "pyarrow", "onnxruntime", "ai-edge-litert", "numpy")

# The arithmetic: what is to be done, with what, and what it costs; the rates are measured.
PICTURES: Final = 100_000_000
MACHINES: Final = 100
PROCESSORS: Final = 16  # of each machine
PRICE_PER_HOUR: Final = 0.68  # in dollars, of a machine with 16 processors, on demand; a third of that where it may end
BYTES_PER_PICTURE: Final = 200_000  # from an object store, as cameras' pictures scaled to 1,000 px have


def make_pictures(folder: Path, count: int) -> None:
    """Small JPEGs, 100 to 270 px wide, each cut, scaled and compressed differently."""
    folder.mkdir()
    sources = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    chance = random.Random(0)
    for number in range(count):
        picture = sources[number % len(sources)]
        width, height = picture.size
        box = [chance.randrange(width // 8), chance.randrange(height // 8)]
        box += [width - chance.randrange(width // 8), height - chance.randrange(height // 8)]
        scale = chance.uniform(0.12, 0.3)
        size = round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale)
        picture.crop(tuple(box)).resize(size).save(folder / f"{number:06}.jpg", quality=chance.randrange(60, 95))


class Nodes:
    """A cluster whose head does not analyse; its nodes have one processor each."""

    def __init__(self, count: int) -> None:
        os.environ.update({**ENVIRONMENT, **ON_THIS_MACHINE})
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(count):
            self.cluster.add_node(num_cpus=1)

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *of_error: object) -> None:
        self.cluster.shutdown()

    def kill_one(self) -> None:
        """End a node with all its processes at once, as where a machine loses its power; a new one takes its place."""
        self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)
        self.cluster.add_node(num_cpus=1, wait=False)


def start(source: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "facetraits", "analyze", str(source), "--profile", PROFILE, "--out", str(out))
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {said}")


def seconds_of(source: Path, out: Path, *options: str) -> float:
    """From the start of the program to its end."""
    started = time.monotonic()
    finish(start(source, out, *options))
    return time.monotonic() - started


def on_ray(nodes: Nodes) -> tuple[str, ...]:
    return ("--engine", "ray", "--address", nodes.cluster.address, "--format", "csv")


def measure_nodes(source: Path, few: Path, folder: Path, counts: tuple[int, int], rounds: int) -> list[dict[str, Any]]:
    """Pictures a second on one and on two nodes: of those that a longer run has more than a shorter one."""
    seconds: dict[tuple[int, str], list[float]] = {}
    for number in range(rounds):
        for count in (1, 2):
            with Nodes(count) as nodes:
                for name, pictures in (("few", few), ("many", source)):
                    out = folder / f"nodes-{count}-{name}-{number}"
                    seconds.setdefault((count, name), []).append(seconds_of(pictures, out, *on_ray(nodes)))
    rows = []
    for count in (1, 2):
        start_s, whole_s = median(seconds[count, "few"]), median(seconds[count, "many"])
        rate = (counts[1] - counts[0]) / (whole_s - start_s)
        rows.append({"nodes": count, "seconds": round(whole_s, 1), "pictures_per_second": round(rate, 1)})
    return rows


def lines_of(paths: list[Path]) -> list[bytes]:
    """The rows of CSV files, sorted; their heads, which must be alike, once."""
    heads, rows = set(), []
    for path in paths:
        head, *lines = path.read_bytes().splitlines()
        heads.add(head)
        rows += lines
    assert len(heads) == 1
    return sorted(rows)


def measure_kill(source: Path, count: int, folder: Path) -> dict[str, Any]:
    """All pictures with one process, and with two nodes of which one is killed after some parts have been written."""
    local = folder / "local.csv"
    local_s = seconds_of(source, local)
    out = folder / "killed"
    with Nodes(2) as nodes:
        started = time.monotonic()
        process = start(source, out, *on_ray(nodes))
        while process.poll() is None and not list((out / "_finished").glob("*.gz")):
            time.sleep(0.5)
        written = sum(len(path.read_bytes().splitlines()) - 1 for path in out.glob("part-*.csv"))
        nodes.kill_one()
        killed_s = time.monotonic() - started
        finish(process)
        whole_s = time.monotonic() - started
    rows = lines_of(sorted(out.glob("part-*.csv")))
    expected = lines_of([local])
    return {
        "pictures": count,
        "default_engine_seconds": round(local_s, 1),
        "seconds": round(whole_s, 1),
        "killed_after_seconds": round(killed_s, 1),
        "rows_written_before": written,
        "rows": len(rows),
        "parts": len(list(out.glob("part-*.csv"))),
        "same_as_default_engine": rows == expected,
        "pictures_of_no_row": count - len({row.partition(b",")[0] for row in rows}),
    }


def rows_of_blocks() -> list[bytes]:
    """Rows of as many pictures as a part holds, each with one face that is like no other, as actors send them."""
    chance = random.Random(0)
    blocks = []
    for _ in range(PART_INPUTS // BLOCK):
        faces = [make_face(left=chance.uniform(0, 500), confidence=chance.uniform(0.3, 1)) for _ in range(BLOCK)]
        records = [picture_record(f"{number}.jpg", make_result(face), None) for number, face in enumerate(faces)]
        blocks.append(encoded(records, "parquet"))
    return blocks


def measure_one_writer(folder: Path, count: int) -> dict[str, float]:
    """What the one process that writes can bear, in inputs a second: the list of inputs, and their rows as Parquet."""
    with Catalog(folder / "catalog.sqlite") as catalog:
        started = time.process_time()
        catalog.add_inputs(Input(f"s3://bucket/pictures/{number:09}.jpg", 100_000) for number in range(count))
        catalog.settle()
        listed_s = time.process_time() - started
        blocks = rows_of_blocks()
        started = time.process_time()
        chosen = catalog.attempt(count, 0)
        with Results(folder / "written", "parquet", {}) as results:
            for number, block in enumerate(chunks(chosen, BLOCK)):
                catalog.finish([each.number for each in block])
                rows = blocks[number % len(blocks)]
                results.add(Rows([(each.path, each.size) for each in block], rows))
        written_s = time.process_time() - started
    size = sum(path.stat().st_size for path in (folder / "written").rglob("*.*"))
    return {
        "listed_per_second": round(count / listed_s),
        "written_per_second": round(count / written_s),
        "bytes_per_picture": round(size / count, 1),
    }


class AnswersAtOnce:
    """An actor that analyses nothing."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, block: pyarrow.Table) -> pyarrow.Table:
        numbers = block["number"].to_pylist()
        answer = Answer(numbers, [1] * len(numbers), b"", 0, 0)
        return pyarrow.table({name: [value] for name, value in answer._asdict().items()}, schema=answer_schema())


def measure_giving_out(count: int) -> float:
    """How many blocks a second one process gives to actors that answer at once; these work on this machine as well."""
    job = Job("fast", tuple(TRAITS), "parquet", {})
    inputs = [Input(f"s3://bucket/pictures/{number:09}.jpg", None, None, number) for number in range(count)]
    with Cluster() as cluster:
        started, first = 0.0, True
        for _ in cluster.answers(job, inputs, block=1, actor=AnswersAtOnce):
            if first:  # the actors have started
                started, first = time.monotonic(), False
        return (count - 1) / (time.monotonic() - started)


def arithmetic(rate: float, blocks: float, writer: dict[str, float]) -> dict[str, Any]:
    """Time and cost of ``PICTURES`` on ``MACHINES``, for the pictures of this benchmark.

    Args:
        rate: pictures a second of one processor.
        blocks: that one process gives out, a second.
        writer: as ``measure_one_writer`` gives it.
    """
    processors = MACHINES * PROCESSORS
    rates = {
        "analysed": rate * processors,
        "given_out": blocks * block_for(processors),
        "written": writer["written_per_second"],
    }
    bottleneck = min(rates, key=lambda name: rates[name])
    hours = PICTURES / rates[bottleneck] / 3600
    listing_hours = PICTURES / writer["listed_per_second"] / 3600
    return {
        **{f"pictures_{name}_per_second": round(value) for name, value in rates.items()},
        "bottleneck": bottleneck,
        "hours_to_list": round(listing_hours, 2),
        "hours_to_analyse": round(hours, 2),
        "dollars": round((hours + listing_hours) * MACHINES * PRICE_PER_HOUR),
        "megabits_per_second_into_a_machine": round(rates[bottleneck] / MACHINES * BYTES_PER_PICTURE * 8 / 1e6),
        "gigabytes_of_results": round(PICTURES * writer["bytes_per_picture"] / 1e9, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--pictures", type=int, default=20_000, help="for the run in which a node is killed")
    parser.add_argument("--quick", action="store_true", help="few pictures, one round; written only with --out")
    arguments = parser.parse_args()
    few, many, rounds, count = (32, 400, 1, 800) if arguments.quick else (100, 900, 2, arguments.pictures)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "all", count)
        for name, size in (("few", few), ("many", many)):
            (folder / name).mkdir()
            for path in sorted((folder / "all").iterdir())[:size]:
                os.link(path, folder / name / path.name)
        killed = measure_kill(folder / "all", count, folder)
        print(json.dumps(killed), file=sys.stderr)
        nodes = measure_nodes(folder / "many", folder / "few", folder, (few, many), rounds)
        writer = measure_one_writer(folder, 20_000 if arguments.quick else 200_000)
    blocks = measure_giving_out(200 if arguments.quick else 3_000)
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"profile": PROFILE, "rounds": rounds, "few": few, "many": many},
        "nodes": nodes,
        "two_nodes_over_one": round(nodes[1]["pictures_per_second"] / nodes[0]["pictures_per_second"], 2),
        "killed": killed,
        "one_writer": writer,
        "blocks_given_out_per_second": round(blocks),
        "arithmetic": arithmetic(nodes[0]["pictures_per_second"], blocks, writer),
        "assumed": {
            "pictures": PICTURES,
            "machines": MACHINES,
            "processors": PROCESSORS,
            "dollars_per_machine_and_hour": PRICE_PER_HOUR,
            "bytes_per_picture": BYTES_PER_PICTURE,
        },
    }
    write_results(results, arguments.out or (None if arguments.quick else RESULTS))
    print(f"# Many pictures\n\n{table(nodes)}\n\n{table([killed])}\n\n{table([results['arithmetic']])}")


if __name__ == "__main__":
    main()
