"""Sales that were only guessed to belong to a visit, and the columns that the owner has chosen for files of sales."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, and the table of choices."""
    op.add_column("visits", sa.Column("sale_guessed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "visit_sales_columns",
        sa.Column("header", sa.String(64), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("amount", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("header", name="pk_visit_sales_columns"),
        sa.CheckConstraint("length(header) = 64", name=op.f("ck_visit_sales_columns_header")),
    )


def downgrade() -> None:
    """Forget both."""
    op.drop_table("visit_sales_columns")
    op.drop_column("visits", "sale_guessed")
