"""Numbers of visits by time, source and kind, kept up to date by triggers, and an index for the median stay.

Version 0006 does without them, so that they are made only for programs of this version.
"""

from typing import Any

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
# SQLite rounds fractions of seconds, and divides towards 0: seconds are those since year 0, without the fraction.
_SPAN = {
    "sqlite": "(strftime('%s', substr({row}.started, 1, 19)) + 62167219200) / {s} - 62167219200 / {s}",
    "postgresql": "floor(extract(epoch FROM {row}.started) / {s})::bigint",
}
_LEFT = "(CASE WHEN {row}.entries = 0 THEN 288 ELSE 0 END)"
_PEOPLE = (
    "((CASE {row}.age_group WHEN '0-20' THEN 0 WHEN '21-40' THEN 1 WHEN '41-60' THEN 2 WHEN '61-80' THEN 3"
    " WHEN '81+' THEN 4 ELSE 5 END) * 3"
    " + CASE {row}.gender WHEN 'male' THEN 0 WHEN 'female' THEN 1 ELSE 2 END) * 4"
    " + CASE {row}.mood WHEN 'positive' THEN 0 WHEN 'neutral' THEN 1 WHEN 'negative' THEN 2 ELSE 3 END"
)
_OUTCOME = (
    "CASE WHEN {row}.bought = 'yes' AND {row}.sale_guessed THEN 1 WHEN {row}.bought = 'yes' THEN 0"
    " WHEN {row}.bought = 'no' THEN 2 ELSE 3 END"
)
# Table: length of a span in seconds, whether by source, whether by traits.
_TABLES = {
    "visit_counts": (900, True, True),
    "visit_time_counts": (900, False, False),
    "visit_people_counts": (86_400, False, True),
    "visit_source_counts": (86_400, True, False),
}
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
    """Nothing: the way leads on to version 0006, which would drop what takes minutes to make."""


def make_counts() -> None:
    """Make the tables, fill them from the visits that are there, and keep them up to date."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":  # a long log takes minutes, once
        _run("SET LOCAL statement_timeout = 0")
    sums = ", ".join(f"sum({value})" for value in _values("visits"))
    for table in _TABLES:
        names, cells = _key(table, "visits", dialect)
        op.create_table(
            table,
            *(sa.Column(name, _TYPES[name], autoincrement=False, nullable=False) for name in names),
            *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
            sa.PrimaryKeyConstraint(*names, name=f"pk_{table}"),
            sa.CheckConstraint("kind BETWEEN 0 AND 575", name=op.f(f"ck_{table}_kind")),
            sqlite_with_rowid=False,
        )
        _run(
            f"INSERT INTO {table} ({', '.join((*names, *_SUMS))}) SELECT {', '.join(cells)}, {sums} FROM visits"
            f" GROUP BY {', '.join(str(place + 1) for place in range(len(names)))}"
        )
    op.create_index("ix_visits_duration", "visits", list(_CHOSEN_BY))
    for statement in _sqlite_triggers() if dialect == "sqlite" else _postgresql_triggers():
        _run(statement)


_TYPES: dict[str, Any] = {
    "slot": sa.BigInteger(),
    "day": sa.BigInteger(),
    "source": sa.String(80),
    "kind": sa.SmallInteger(),
}


def _key(table: str, row: str, dialect: str) -> tuple[list[str], list[str]]:
    """Names of the columns of a table's key, and the expressions of a row of visits that they hold."""
    seconds, by_source, by_traits = _TABLES[table]
    kind = f"{_LEFT} + ({_PEOPLE}) * 4 + {_OUTCOME}" if by_traits else f"{_LEFT} + {_OUTCOME}"
    cells = {"slot" if seconds == 900 else "day": _SPAN[dialect].format(row=row, s=seconds)}
    if by_source:
        cells["source"] = f"{row}.source"
    cells["kind"] = kind.format(row=row)
    return list(cells), list(cells.values())


def downgrade() -> None:
    """Count visits one by one again."""
    drop_counts()


def drop_counts() -> None:
    """Drop what ``make_counts`` has made, where it was made."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for name in ("added", "removed", "changed"):
        _run(f"DROP TRIGGER IF EXISTS visit_counts_{name}{' ON visits' if postgresql else ''}")
    if postgresql:
        _run("DROP FUNCTION IF EXISTS visit_counts_follow()")
    op.drop_index("ix_visits_duration", "visits", if_exists=True)
    for table in _TABLES:
        op.drop_table(table, if_exists=True)


def _sqlite_triggers() -> list[str]:
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _COUNTED_BY)
    add, remove = ("".join(of(table) for table in _TABLES) for of in (_sqlite_add, _sqlite_remove))
    return [
        f"CREATE TRIGGER visit_counts_added AFTER INSERT ON visits BEGIN {add} END",
        f"CREATE TRIGGER visit_counts_removed AFTER DELETE ON visits BEGIN {remove} END",
        f"CREATE TRIGGER visit_counts_changed AFTER UPDATE OF {', '.join(_COUNTED_BY)} ON visits WHEN {changed}"
        f" BEGIN {remove} {add} END",
    ]


def _sqlite_add(table: str) -> str:
    names, cells = _key(table, "NEW", "sqlite")
    grown = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO {table} ({', '.join((*names, *_SUMS))}) VALUES ({', '.join((*cells, *_values('NEW')))})"
        f" ON CONFLICT ({', '.join(names)}) DO UPDATE SET {grown};"
    )


def _sqlite_remove(table: str) -> str:
    shrunk = ", ".join(f"{name} = {name} - ({value})" for name, value in zip(_SUMS, _values("OLD"), strict=True))
    here = " AND ".join(f"{name} = {cell}" for name, cell in zip(*_key(table, "OLD", "sqlite"), strict=True))
    return f"UPDATE {table} SET {shrunk} WHERE {here}; DELETE FROM {table} WHERE {here} AND visits = 0;"


def _postgresql_triggers() -> list[str]:
    """Once for each statement, which may be of any number of visits."""
    new, old = (
        "".join(_postgresql_follow(table, *changes) for table in _TABLES) for changes in (("added",), ("removed",))
    )
    both = "".join(_postgresql_follow(table, "added", "removed") for table in _TABLES)
    return [
        "CREATE FUNCTION visit_counts_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'INSERT' THEN {new} ELSIF TG_OP = 'DELETE' THEN {old} ELSE {both} END IF; RETURN NULL; END $$",
        "CREATE TRIGGER visit_counts_added AFTER INSERT ON visits REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
        "CREATE TRIGGER visit_counts_removed AFTER DELETE ON visits REFERENCING OLD TABLE AS removed"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
        "CREATE TRIGGER visit_counts_changed AFTER UPDATE ON visits REFERENCING NEW TABLE AS added OLD TABLE AS removed"
        " FOR EACH STATEMENT EXECUTE FUNCTION visit_counts_follow()",
    ]


def _postgresql_follow(table: str, *changes: str) -> str:
    names, cells = _key(table, "v", "postgresql")
    key = ", ".join(names)
    signs = {"added": "", "removed": "-"}
    rows = " UNION ALL ".join(
        f"SELECT {', '.join(f'{cell} AS {name}' for name, cell in zip(names, cells, strict=True))}, "
        f"{', '.join(f'{signs[change]}({value}) AS {name}' for name, value in zip(_SUMS, _values('v'), strict=True))}"
        f" FROM {change} v"
        for change in changes
    )
    grown = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _SUMS)
    followed = (
        f"INSERT INTO {table} ({key}, {', '.join(_SUMS)}) SELECT {key}, {', '.join(f'sum({name})' for name in _SUMS)}"
        f" FROM ({rows}) c GROUP BY {key} HAVING {' OR '.join(f'sum({name}) <> 0' for name in _SUMS)}"
        f" ON CONFLICT ({key}) DO UPDATE SET {grown};"
    )
    if "removed" not in changes:
        return followed
    named = ", ".join(f"{cell} AS {name}" for name, cell in zip(names, cells, strict=True))
    gone = f"SELECT DISTINCT {named} FROM removed v"
    here = " AND ".join(f"c.{name} = r.{name}" for name in names)
    return f"{followed} DELETE FROM {table} c USING ({gone}) r WHERE {here} AND c.visits = 0;"


def _values(row: str) -> list[str]:
    return [value.format(row=row) for value in _VALUES]


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)
