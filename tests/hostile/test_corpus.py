"""Damaged pictures, videos and sales files: a part of the corpus that ``make hostile`` reads whole."""

import pytest

from tests.hostile.corpus import FILES, outcomes

PART = {"pictures": 300, "videos": 30, "sales files": 150}


@pytest.mark.parametrize("kind", FILES)
def test_sound_files_are_read(kind: str):
    for data in FILES[kind].seeds():
        FILES[kind].read(data)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.filterwarnings("ignore")  # those of the readers
def test_damaged_files_give_an_answer_or_a_sentence(kind: str):
    found = outcomes(kind, first=0, count=PART[kind])
    assert set(found) == {"answered", "refused"}, found
    assert min(found.values()) > PART[kind] / 20
