"""The currency of all amounts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; nobody has chosen a currency yet."""
    op.add_column("visit_settings", sa.Column("currency", sa.String(3)))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("visit_settings", "currency")
