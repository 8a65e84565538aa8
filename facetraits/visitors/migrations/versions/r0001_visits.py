"""Visits, settings and the number of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_CLASSES = {
    "age_group": ("0-20", "21-40", "41-60", "61-80", "81+"),
    "gender": ("male", "female"),
    "ethnicity": ("white", "black", "asian", "indian", "other"),
    "mood": ("positive", "neutral", "negative"),
    "bought": ("yes", "no", "unknown"),
}
_CONFIDENCES = {
    "age_group": "age_confidence",
    "gender": "gender_confidence",
    "ethnicity": "ethnicity_confidence",
    "mood": "mood_confidence",
}


def upgrade() -> None:
    """Make the tables, with the settings that the program starts with."""
    op.create_table(
        "visits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("duration_s", sa.Float(53), nullable=False),
        sa.Column("age", sa.Float(53)),
        *(
            column
            for trait, confidence in _CONFIDENCES.items()
            for column in (sa.Column(trait, sa.String(20)), sa.Column(confidence, sa.Float(53)))
        ),
        sa.Column("bought", sa.String(20), nullable=False),
        sa.Column("basket", sa.Numeric(10, 2)),
        sa.Column("sold_at", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("corrected", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visits"),
        *_checks("visits", _visit_checks()),
    )
    op.create_index("ix_visits_started", "visits", ["started"])
    op.create_index("ix_visits_source_started", "visits", ["source", "started"])
    not_ended = sa.column("ended", sa.Boolean()) == sa.false()
    op.create_index("ix_visits_not_ended", "visits", ["started"], sqlite_where=not_ended, postgresql_where=not_ended)
    settings = op.create_table(
        "visit_settings",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("enter_s", sa.Float(53), nullable=False),
        sa.Column("away_s", sa.Float(53), nullable=False),
        sa.Column("ethnicity", sa.Boolean(), nullable=False),
        sa.Column("retention_days", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_visit_settings"),
        *_checks(
            "visit_settings",
            {
                "id": "id = 1",
                "enter_s": "enter_s BETWEEN 0 AND 60",
                "away_s": "away_s BETWEEN 1 AND 120",
                "retention_days": "retention_days BETWEEN 1 AND 3650",
            },
        ),
    )
    changes = op.create_table(
        "visit_changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visit_changes"),
        *_checks("visit_changes", {"id": "id = 1"}),
    )
    first = {"id": 1, "enter_s": 1.0, "away_s": 6.0, "ethnicity": False, "retention_days": 90}
    op.bulk_insert(settings, [first])
    op.bulk_insert(changes, [{"id": 1, "number": 0}])


def downgrade() -> None:
    """Remove the tables with all that is in them."""
    op.drop_table("visit_changes")
    op.drop_table("visit_settings")
    op.drop_table("visits")


def _visit_checks() -> dict[str, str]:
    listed = {name: f"{name} IN ({', '.join(repr(value) for value in values)})" for name, values in _CLASSES.items()}
    sure = {
        confidence: f"{confidence} IS NULL OR ({trait} IS NOT NULL AND {confidence} BETWEEN 0 AND 1)"
        for trait, confidence in _CONFIDENCES.items()
    }
    numbers = {"duration_s": "duration_s >= 0", "age": "age >= 0", "basket": "basket >= 0"}
    return {"source": "length(source) BETWEEN 1 AND 80", **numbers, **listed, **sure}


def _checks(table: str, conditions: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in conditions.items()]
