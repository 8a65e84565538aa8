"""A database for each test: an SQLite file, and one in a PostgreSQL server that runs as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import Visit
from tests.visitors.servers import NoServerError, Server, postgresql_server

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def visit(minute: float = 0, source: str = "door", duration_s: float = 5.0, **fields: Any) -> Visit:
    """A visit that began so many minutes after noon."""
    return Visit(NOON + timedelta(minutes=minute), source, duration_s, **fields)


FULL = visit(
    source="Tür 3 🚪 ' \" % ;",
    duration_s=12.345678901234567,
    age=34.56789012345678,
    age_group="21-40",
    age_confidence=0.8123456789012345,
    gender="female",
    gender_confidence=1.0,
    ethnicity="asian",
    ethnicity_confidence=0.0,
    mood="negative",
    mood_confidence=0.333,
    bought="yes",
    basket=Decimal("19.99"),
    sold_at=NOON + timedelta(minutes=9, microseconds=123456),
    ended=True,
    corrected=True,
    entries=2,
    exits=1,
)
BARE = visit(minute=1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    try:
        with postgresql_server() as server:
            yield server
    except NoServerError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def postgresql_url(postgresql: Server) -> str:
    """An empty database on PostgreSQL."""
    postgresql.clear()
    return postgresql.url("visitors")


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "visitors.db"


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    """A new SQLite database."""
    return f"sqlite:///{sqlite_path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a new, empty database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[VisitStore]:
    """An empty store of each kind."""
    with closing(open_store(store_url)) as opened:
        yield opened
