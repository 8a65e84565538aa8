"""The visits of each day in columns instead of counts; triggers empty the row of a day that changes."""

import sqlalchemy as sa
from alembic import op

from facetraits.visitors.migrations.versions.r0005_counts import drop_counts, make_counts

revision = "0006"
down_revision = "0005"

_COUNTED_BY = (
    *("started", "source", "duration_s", "age_group", "gender", "mood"),
    *("bought", "basket", "sale_guessed", "entries", "exits"),
)
_COLUMNS = ("kinds", "bins", "times", "cents", "crossings", "durations")
_EMPTY = ", ".join(f"{name} = NULL" for name in ("visits", "sources", *_COLUMNS))
_DAY = {"sqlite": "substr({row}.started, 1, 10)", "postgresql": "({row}.started AT TIME ZONE 'UTC')::date"}


def upgrade() -> None:
    """Make an empty row for each day; the program packs the visits into them when it opens the log."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":  # a long log takes a minute, once
        _run("SET LOCAL statement_timeout = 0")
    drop_counts()
    op.create_table(
        "visit_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("visits", sa.Integer()),
        sa.Column("sources", sa.Text()),
        *(sa.Column(name, sa.LargeBinary()) for name in _COLUMNS),
        sa.PrimaryKeyConstraint("day", name="pk_visit_days"),
        sa.CheckConstraint("visits > 0", name=op.f("ck_visit_days_visits")),
    )
    if dialect == "postgresql":  # to compress numbers takes longer than to read them
        for name in _COLUMNS:
            _run(f"ALTER TABLE visit_days ALTER COLUMN {name} SET STORAGE EXTERNAL")
    _run(f"INSERT INTO visit_days (day) SELECT DISTINCT {_DAY[dialect].format(row='visits')} FROM visits")
    for statement in _sqlite_triggers() if dialect == "sqlite" else _postgresql_triggers():
        _run(statement)


def downgrade() -> None:
    """Have the database count visits again."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for name in ("added", "removed", "changed"):
        _run(f"DROP TRIGGER visit_days_{name}{' ON visits' if postgresql else ''}")
    if postgresql:
        _run("DROP FUNCTION visit_days_follow()")
    op.drop_table("visit_days")
    make_counts()


def _sqlite_triggers() -> list[str]:
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _COUNTED_BY)
    old, new = (_DAY["sqlite"].format(row=row) for row in ("OLD", "NEW"))
    add = (
        f"INSERT INTO visit_days (day) VALUES ({new})"
        f" ON CONFLICT (day) DO UPDATE SET {_EMPTY} WHERE visit_days.visits IS NOT NULL;"
    )
    # Moments sort like their texts, and '~' comes after every sign of a time.
    remove = (
        f"UPDATE visit_days SET {_EMPTY} WHERE day = {old} AND visits IS NOT NULL;"
        f" DELETE FROM visit_days WHERE day = {old} AND NOT EXISTS"
        f" (SELECT 1 FROM visits v WHERE v.started >= {old} AND v.started < {old} || '~');"
    )
    return [
        f"CREATE TRIGGER visit_days_added AFTER INSERT ON visits BEGIN {add} END",
        f"CREATE TRIGGER visit_days_removed AFTER DELETE ON visits BEGIN {remove} END",
        f"CREATE TRIGGER visit_days_changed AFTER UPDATE OF {', '.join(_COUNTED_BY)} ON visits WHEN {changed}"
        f" BEGIN {remove} {add} END",
    ]


def _postgresql_triggers() -> list[str]:
    """Once for each statement, which may be of any number of visits."""
    day = _DAY["postgresql"].format(row="v")
    add, remove = (f"SELECT DISTINCT {day} AS day FROM {rows} v" for rows in ("added", "removed"))
    added = (
        f"INSERT INTO visit_days (day) {add} ON CONFLICT (day) DO UPDATE SET {_EMPTY}"
        " WHERE visit_days.visits IS NOT NULL;"
    )
    removed = (
        f"UPDATE visit_days d SET {_EMPTY} FROM ({remove}) r WHERE d.day = r.day AND d.visits IS NOT NULL;"
        f" DELETE FROM visit_days d USING ({remove}) r WHERE d.day = r.day AND NOT EXISTS"
        " (SELECT FROM visits v WHERE v.started >= d.day::timestamp AT TIME ZONE 'UTC'"
        " AND v.started < (d.day + 1)::timestamp AT TIME ZONE 'UTC');"
    )
    follow = "FOR EACH STATEMENT EXECUTE FUNCTION visit_days_follow()"
    return [
        "CREATE FUNCTION visit_days_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'INSERT' THEN {added} ELSIF TG_OP = 'DELETE' THEN {removed} ELSE {removed} {added} END IF;"
        " RETURN NULL; END $$",
        f"CREATE TRIGGER visit_days_added AFTER INSERT ON visits REFERENCING NEW TABLE AS added {follow}",
        f"CREATE TRIGGER visit_days_removed AFTER DELETE ON visits REFERENCING OLD TABLE AS removed {follow}",
        "CREATE TRIGGER visit_days_changed AFTER UPDATE ON visits REFERENCING NEW TABLE AS added OLD TABLE AS removed"
        f" {follow}",
    ]


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)
