"""Errors of children's ages in fine groups, from the report's counts."""

from __future__ import annotations

from ui.performance.young import youth_errors


def test_each_child_counts_in_its_group_with_its_error() -> None:
    groups = youth_errors(((2, 5, 3), (3, 3, 1), (6, 4, 1), (20, 25, 2), (21, 60, 9)))
    assert {name: (errors.n, errors.mae, errors.bias) for name, errors in groups.items()} == {
        "0-2": (3, 3.0, 3.0),
        "3-6": (2, 1.0, -1.0),
        "18-20": (2, 5.0, 5.0),
    }


def test_without_children_there_is_no_group() -> None:
    assert youth_errors(((40, 38, 5),)) == {}
