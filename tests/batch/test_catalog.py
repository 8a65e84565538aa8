"""Inputs are each done once, and what is finished is known by path and size."""

import pytest

from facetraits.batch.catalog import Catalog, Input, chunks


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        yield catalog


def paths(inputs):
    return [each.path for each in inputs]


def test_every_file_once_in_order(catalog, tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    names = [str(tmp_path / "a.jpg"), "s3://b/a.jpg", str(tmp_path / "link.jpg"), "s3://b/a.jpg", "caf\udce9.jpg"]
    catalog.add_inputs(Input(name, 1) for name in names)
    catalog.settle()
    assert paths(catalog.attempt(10, 0)) == [names[0], names[1], names[4]]


def test_finished_at_the_same_size_is_not_done_again(catalog):
    catalog.add_finished("part-1", [("same", 5), ("grown", 5), ("unreadable", None), ("gone", 5)])
    catalog.add_finished("part-2", [("refused", 7)])
    listed = [Input("same", 5), Input("grown", 6), Input("unreadable", 5), Input("new", 5)]
    catalog.add_inputs([*listed, Input("refused", 7, "this is a pipe or a device and no file")])
    catalog.settle()
    assert catalog.count() == (5, 1)
    assert dict(catalog.outdated()) == {"part-1": {"grown", "unreadable"}, "part-2": {"refused"}}
    assert paths(catalog.attempt(10, 0)) == ["grown", "unreadable", "new", "refused"]


def test_sizes_are_asked_only_of_what_seems_finished(catalog):
    catalog.add_finished("part-1", [("listed", 5), ("changed", 5), ("unreadable", None)])
    catalog.add_inputs(Input(name, None) for name in ("listed", "changed", "unreadable", "new"))
    (asked,) = catalog.unsized()
    assert [path for _, path in asked] == ["listed", "changed"]
    catalog.set_sizes([(asked[0][0], 5), (asked[1][0], None)])
    catalog.settle()
    assert paths(catalog.attempt(10, 0)) == ["changed", "unreadable", "new"]


def test_many_are_asked_in_turns(catalog):
    names = [f"{number}.jpg" for number in range(2_500)]
    catalog.add_finished("part-1", ((name, 5) for name in names))
    catalog.add_inputs(Input(name, None) for name in names)
    asked = []
    for chunk in catalog.unsized():
        asked += [path for _, path in chunk]
        catalog.set_sizes((number, 5) for number, _ in chunk)
    catalog.settle()
    assert asked == names
    assert catalog.count() == (2_500, 2_500)


def test_what_is_not_done_can_be_tried_again(catalog):
    catalog.add_inputs(Input(name, 1) for name in "abcd")
    first = catalog.attempt(3, 0)
    assert paths(first) == ["a", "b", "c"]
    assert paths(catalog.attempt(3, 0, after=first[-1].number)) == ["d"]
    assert catalog.attempt(3, 0) == []
    assert catalog.finish([first[0].number, first[2].number])
    assert paths(catalog.attempt(3, 1)) == ["b", "d"]


def test_rows_that_come_twice_are_told(catalog):
    catalog.add_inputs(Input(name, 1) for name in "abc")
    numbers = [each.number for each in catalog.attempt(3, 0)]
    assert catalog.finish(numbers[:2])
    assert not catalog.finish(numbers[:2])
    with pytest.raises(AssertionError):
        catalog.finish(numbers[1:])


def test_nothing_is_left_behind(tmp_path):
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        catalog.add_inputs([Input("a", 1)])
    assert list(tmp_path.iterdir()) == []


def test_chunks_hold_everything_once():
    assert list(chunks(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(chunks([], 2)) == []
