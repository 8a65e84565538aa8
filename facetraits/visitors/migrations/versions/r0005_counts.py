"""Numbers of visits by half hour, source and kind, kept up to date by triggers, and an index for the median stay."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_COUNTED_BY = (
    "started",
    "source",
    "age_group",
    "gender",
    "mood",
    "bought",
    "basket",
    "sale_guessed",
    "entries",
    "exits",
)
_CHOSEN_BY = ("duration_s", "started", "entries", "source", "age_group", "gender", "mood", "bought", "sale_guessed")
_SUMS = ("visits", "baskets", "cents", "entries", "exits", "lines")
_KEY = "(slot, source, kind)"
# SQLite rounds fractions of seconds, and divides towards 0: seconds are those since year 0, without the fraction.
_SLOT = {
    "sqlite": "(strftime('%s', substr({row}.started, 1, 19)) + 62167219200) / 1800 - 34537344",
    "postgresql": "floor(extract(epoch FROM {row}.started) / 1800)::bigint",
}
_KIND = (
    "((((CASE WHEN {row}.entries = 0 THEN 1 ELSE 0 END) * 6"
    " + CASE {row}.age_group WHEN '0-20' THEN 0 WHEN '21-40' THEN 1 WHEN '41-60' THEN 2 WHEN '61-80' THEN 3"
    " WHEN '81+' THEN 4 ELSE 5 END) * 3"
    " + CASE {row}.gender WHEN 'male' THEN 0 WHEN 'female' THEN 1 ELSE 2 END) * 4"
    " + CASE {row}.mood WHEN 'positive' THEN 0 WHEN 'neutral' THEN 1 WHEN 'negative' THEN 2 ELSE 3 END) * 4"
    " + CASE WHEN {row}.bought = 'yes' AND {row}.sale_guessed THEN 1 WHEN {row}.bought = 'yes' THEN 0"
    " WHEN {row}.bought = 'no' THEN 2 ELSE 3 END"
)
_PAID = "{row}.bought = 'yes' AND {row}.basket IS NOT NULL"
_VALUES = (
    "1",
    f"CASE WHEN {_PAID} THEN 1 ELSE 0 END",
    f"CASE WHEN {_PAID} THEN CAST(round({{row}}.basket * 100) AS BIGINT) ELSE 0 END",
    "coalesce({row}.entries, 0)",
    "coalesce({row}.exits, 0)",
    "CASE WHEN {row}.entries IS NULL THEN 0 ELSE 1 END",
)


def upgrade() -> None:
    """Make the table, fill it from the visits that are there, and keep it up to date."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":  # a long log takes minutes, once
        _run("SET LOCAL statement_timeout = 0")
    op.create_table(
        "visit_counts",
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("slot", "source", "kind", name="pk_visit_counts"),
        sa.CheckConstraint("kind BETWEEN 0 AND 575", name=op.f("ck_visit_counts_kind")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_visits_duration", "visits", list(_CHOSEN_BY))
    sums = ", ".join(f"sum({value})" for value in _values("visits"))
    _run(
        f"INSERT INTO visit_counts (slot, source, kind, {', '.join(_SUMS)})"
        f" SELECT {_slot('visits', dialect)}, visits.source, {_KIND.format(row='visits')}, {sums}"
        " FROM visits GROUP BY 1, 2, 3"
    )
    for statement in _sqlite_triggers() if dialect == "sqlite" else _postgresql_triggers():
        _run(statement)


def downgrade() -> None:
    """Count visits one by one again."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("added", "removed", "changed"):
            _run(f"DROP TRIGGER visit_counts_{name}")
    else:
        for name in ("added", "removed", "changed"):
            _run(f"DROP TRIGGER visit_counts_{name} ON visits")
        _run("DROP FUNCTION visit_counts_follow()")
    op.drop_index("ix_visits_duration", "visits")
    op.drop_table("visit_counts")


def _sqlite_triggers() -> list[str]:
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _COUNTED_BY)
    return [
        f"CREATE TRIGGER visit_counts_added AFTER INSERT ON visits BEGIN {_sqlite_add('NEW')} END",
        f"CREATE TRIGGER visit_counts_removed AFTER DELETE ON visits BEGIN {_sqlite_remove('OLD')} END",
        f"CREATE TRIGGER visit_counts_changed AFTER UPDATE OF {', '.join(_COUNTED_BY)} ON visits WHEN {changed}"
        f" BEGIN {_sqlite_remove('OLD')} {_sqlite_add('NEW')} END",
    ]


def _sqlite_add(row: str) -> str:
    grown = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO visit_counts (slot, source, kind, {', '.join(_SUMS)})"
        f" VALUES ({_slot(row, 'sqlite')}, {row}.source, {_KIND.format(row=row)}, {', '.join(_values(row))})"
        f" ON CONFLICT {_KEY} DO UPDATE SET {grown};"
    )


def _sqlite_remove(row: str) -> str:
    shrunk = ", ".join(f"{name} = {name} - ({value})" for name, value in zip(_SUMS, _values(row), strict=True))
    here = f"slot = {_slot(row, 'sqlite')} AND source = {row}.source AND kind = {_KIND.format(row=row)}"
    return f"UPDATE visit_counts SET {shrunk} WHERE {here}; DELETE FROM visit_counts WHERE {here} AND visits = 0;"


def _postgresql_triggers() -> list[str]:
    """Once for each statement, which may be of any number of visits."""
    slot, kind = _slot("v", "postgresql"), _KIND.format(row="v")
    named = ", ".join(f"{value} AS {name}" for name, value in zip(_SUMS, _values("v"), strict=True))
    taken = ", ".join(f"-({value}) AS {name}" for name, value in zip(_SUMS, _values("v"), strict=True))
    added = f"SELECT {slot} AS slot, v.source, {kind} AS kind, {named} FROM added v"
    removed = f"SELECT {slot} AS slot, v.source, {kind} AS kind, {taken} FROM removed v"
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    any_sum = " OR ".join(f"sum({name}) <> 0" for name in _SUMS)
    grown = ", ".join(f"{name} = visit_counts.{name} + excluded.{name}" for name in _SUMS)

    def follow(changes: str) -> str:
        return (
            f"INSERT INTO visit_counts (slot, source, kind, {', '.join(_SUMS)})"
            f" SELECT slot, source, kind, {sums} FROM ({changes}) c GROUP BY slot, source, kind HAVING {any_sum}"
            f" ON CONFLICT {_KEY} DO UPDATE SET {grown};"
        )

    forget = (
        f"DELETE FROM visit_counts c USING (SELECT DISTINCT {slot} AS slot, v.source, {kind} AS kind FROM removed v) r"
        " WHERE c.slot = r.slot AND c.source = r.source AND c.kind = r.kind AND c.visits = 0;"
    )
    return [
        "CREATE FUNCTION visit_counts_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'INSERT' THEN {follow(added)}"
        f" ELSIF TG_OP = 'DELETE' THEN {follow(removed)} {forget}"
        f" ELSE {follow(f'{added} UNION ALL {removed}')} {forget} END IF; RETURN NULL; END $$",
        "CREATE TRIGGER visit_counts_added AFTER INSERT ON visits REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
        "CREATE TRIGGER visit_counts_removed AFTER DELETE ON visits REFERENCING OLD TABLE AS removed"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
        "CREATE TRIGGER visit_counts_changed AFTER UPDATE ON visits REFERENCING NEW TABLE AS added OLD TABLE AS removed"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
    ]


def _slot(row: str, dialect: str) -> str:
    return _SLOT[dialect].format(row=row)


def _values(row: str) -> list[str]:
    return [value.format(row=row) for value in _VALUES]


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)
