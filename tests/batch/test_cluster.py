"""A Ray cluster of two nodes on this machine: every picture once, whatever ends in the middle."""

from __future__ import annotations

import json
import os
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

if find_spec("ray") is None or find_spec("filelock") is None:  # Ray reads its settings when it is imported
    pytest.skip("the extra `distributed` is not installed", allow_module_level=True)

from facetraits.batch import cluster as cluster_module
from facetraits.cli import main, on_cluster
from tests.batch.dying import EndsAtPoison
from tests.batch.servers import serving
from tests.builders import ROOT

SAMPLES = sorted((ROOT / "ui" / "photo" / "samples").glob("*.jpg"))


@pytest.fixture(scope="module")
def nodes():
    """A cluster whose nodes have one processor each; ``kill`` ends a node that works, and another takes its place."""
    os.environ.update({**cluster_module.ENVIRONMENT, **cluster_module.ON_THIS_MACHINE})
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)

    def kill():
        (actor, *_) = [
            actor
            for actor in ray._private.state.actors().values()
            if actor["State"] == "ALIVE" and "Analyze" in actor["ActorClassName"]
        ]
        (node,) = [each for each in cluster.worker_nodes if each.node_id == actor["Address"]["NodeID"]]
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1, wait=False)

    cluster.kill = kill
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """48 small pictures of different sizes, one that is broken and one that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(48):
        with Image.open(SAMPLES[number % len(SAMPLES)]) as picture:
            side = 150 + number
            picture.resize((side, side)).save(folder / f"{number:02}.jpg", quality=60 + number // 2)
    (folder / "broken.jpg").write_bytes((folder / "00.jpg").read_bytes()[:400])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """The lines of the engine that needs no cluster, sorted."""
    out = tmp_path_factory.mktemp("local") / "out.jsonl"
    assert main(["analyze", str(folder), "--profile", "fast", "--out", str(out)]) == 1
    return sorted(out.read_bytes().splitlines())


@pytest.fixture
def analyze(nodes, capsys, monkeypatch):
    """Run the command on the cluster; exit code and what it says on stderr."""
    monkeypatch.setattr(on_cluster, "BLOCK", 4)

    def run(source, out, *options):
        fixed = ("--engine", "ray", "--address", nodes.address, "--profile", "fast", "--format", "jsonl")
        code = main(["analyze", str(source), "--out", str(out), *fixed, *options])
        return code, capsys.readouterr().err

    return run


def lines_of(out: Path) -> list[bytes]:
    return sorted(line for part in out.glob("part-*.jsonl") for line in part.read_bytes().splitlines())


def test_a_node_that_is_killed_leaves_neither_gap_nor_double(analyze, nodes, folder, expected, tmp_path, monkeypatch):
    really, answers = on_cluster.Results.add, []

    def add(self, rows):
        answers.append(rows)
        if len(answers) == 1:
            nodes.kill()
        really(self, rows)

    monkeypatch.setattr(on_cluster.Results, "add", add)
    code, err = analyze(folder, tmp_path / "out")
    assert code == 1
    assert "1 file is no picture and was left out" in err
    assert "1 of 49 pictures could not be read; their rows say why" in err
    assert lines_of(tmp_path / "out") == expected
    code, err = analyze(folder, tmp_path / "out", "--resume")
    assert (code, len(answers)) == (0, len(answers))
    assert "49 of 49 pictures are finished already" in err
    assert lines_of(tmp_path / "out") == expected


def test_a_run_that_is_stopped_goes_on_with_what_is_new_or_changed(analyze, folder, expected, tmp_path, monkeypatch):
    really, answers = on_cluster.Results.add, []

    def add(self, rows):
        really(self, rows)
        answers.append(rows)
        if len(answers) == 3:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(on_cluster.Results, "add", add)
        code, err = analyze(folder, out)
    assert code == 130
    assert f"the results so far are in {out}; --resume goes on from there" in err
    before = lines_of(out)
    assert 0 < len(before) < len(expected) and set(before) < set(expected)
    code, err = analyze(folder, out, "--resume")
    assert f"{len(before)} of 49 pictures are finished already" in err
    assert lines_of(out) == expected


@pytest.mark.slow
def test_a_picture_that_ends_its_process_is_a_row_and_ends_nothing_else(
    analyze, folder, expected, tmp_path, monkeypatch
):
    listed = [str(folder / f"{number:02}.jpg") for number in range(9)]
    listed.insert(4, str(tmp_path / "poison.jpg"))
    (tmp_path / "list.txt").write_text("\n".join(listed))
    monkeypatch.setattr(cluster_module, "Analyze", EndsAtPoison)
    code, _ = analyze(tmp_path / "list.txt", tmp_path / "out")
    assert code == 1
    records = {record["path"]: record for record in map(json.loads, lines_of(tmp_path / "out"))}
    assert sorted(records) == sorted(listed)
    assert records[listed[4]]["error"] == "the process that analysed this picture ended 3 times"
    assert records[listed[5]] in map(json.loads, expected)


@pytest.mark.slow
def test_pictures_of_a_web_server(analyze, folder, expected, tmp_path):
    data = (folder / "07.jpg").read_bytes()
    with serving({"list.txt": b"", "a.jpg": data}) as (address, _):
        (tmp_path / "list.txt").write_text(f"{address}/a.jpg\n{address}/gone.jpg\n")
        code, _ = analyze(tmp_path / "list.txt", tmp_path / "out")
        assert code == 1
        gone, read = sorted(map(json.loads, lines_of(tmp_path / "out")), key=lambda record: record["width"] or 0)
        assert gone["error"].startswith("the file could not be read: ")
        assert read["faces"] == json.loads(expected[7])["faces"]
        code, err = analyze(tmp_path / "list.txt", tmp_path / "out", "--resume")
        assert "1 of 2 pictures are finished already" in err, "what could not be read is tried again"
        assert len(lines_of(tmp_path / "out")) == 2


@pytest.mark.slow
def test_nobody_else_can_connect_to_the_cluster_of_a_run():
    """It listens at this machine's own address alone, and asks and reports nothing."""
    with cluster_module.Cluster() as cluster:
        import ray
        from ray._common.usage import usage_lib

        host, port = ray.get_runtime_context().gcs_address.split(":")
        assert (host, cluster.processors()) == ("127.0.0.1", os.cpu_count())
        assert not usage_lib.usage_stats_enabled()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing; tells the address that others would use
            own = probe.getsockname()[0]
        with pytest.raises(OSError), socket.create_connection((own, int(port)), timeout=5):
            pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--engine ray needs --out DIR, a folder for the results"),
        (("--out", "out", "--address", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
        (("--out", "out", "--address", "auto"), "--address is a host and a port, such as 10.0.0.1:6379, and not auto"),
    ],
)
def test_requests_that_cannot_be_met(capsys, folder, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", str(folder), "--engine", "ray", *options]) == 2
    assert words in capsys.readouterr().err
