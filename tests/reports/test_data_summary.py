"""What the data sets hold, as it is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from facetraits.reports.data_summary import (
    DataSummary,
    load_data_summaries,
    write_data_summaries,
)
from tests.builders import MODELS
from tests.evidence import summary


def test_summaries_round_trip(tmp_path: Path) -> None:
    write_data_summaries((summary(),), tmp_path)
    assert load_data_summaries(tmp_path) == (summary(),)


def test_none_is_no_error_and_rubbish_is(tmp_path: Path) -> None:
    assert load_data_summaries(tmp_path) == ()
    (tmp_path / "datasets.json").write_text('[{"name": "set"}]')
    with pytest.raises(ValueError, match=r"datasets\.json"):
        load_data_summaries(tmp_path)


@pytest.mark.parametrize("summary", load_data_summaries(MODELS), ids=lambda s: s.name)
def test_what_is_used_and_what_was_removed_add_up(summary: DataSummary) -> None:
    first = next(iter(summary.distributions.values()))  # every picture has this label
    used = sum(sum(counts) for counts in first.splits.values())
    always = [removed.n for removed in summary.removed if "FER+:" not in removed.reason]
    assert summary.pictures == used + sum(always)
    for distribution in summary.distributions.values():
        assert all(len(counts) == len(distribution.classes) for counts in distribution.splits.values())
        kept = [sum(column) for column in zip(*distribution.splits.values(), strict=True)]
        assert all(after <= before for after, before in zip(kept, distribution.raw, strict=True))


def test_every_set_was_counted() -> None:
    names = [summary.name for summary in load_data_summaries(MODELS)]
    assert names == ["utkface", "all-age-faces", "fer2013", "raf-db"]
