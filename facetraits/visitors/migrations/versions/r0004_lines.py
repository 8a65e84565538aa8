"""Counting lines and ignored areas of sources, and how often a visitor crossed the line."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns and tables; no source has a line yet."""
    for name in ("entries", "exits"):
        op.add_column("visits", sa.Column(name, sa.Integer()))
    op.create_table(
        "visit_lines",
        sa.Column("source", sa.String(80), nullable=False),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in ("x1", "y1", "x2", "y2")),
        sa.PrimaryKeyConstraint("source", name="pk_visit_lines"),
        *_in_picture("visit_lines", ("x1", "y1", "x2", "y2")),
    )
    op.create_table(
        "visit_ignored_corners",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("area", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("corner", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("x", sa.Float(53), nullable=False),
        sa.Column("y", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("source", "area", "corner", name="pk_visit_ignored_corners"),
        *_in_picture("visit_ignored_corners", ("x", "y")),
    )


def downgrade() -> None:
    """Forget them; people who only went out would become visitors, so that their visits are deleted."""
    op.execute(sa.text("DELETE FROM visits WHERE entries = 0"))
    op.drop_table("visit_ignored_corners")
    op.drop_table("visit_lines")
    for name in ("exits", "entries"):
        op.drop_column("visits", name)


def _in_picture(table: str, columns: tuple[str, ...]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"{name} BETWEEN 0 AND 1", name=op.f(f"ck_{table}_{name}")) for name in columns]
