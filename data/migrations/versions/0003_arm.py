"""What an experiment needs: which arm made the slate that an event is about."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "events", sa.Column("arm", sa.String(128), nullable=False, server_default=sa.text("''"))
    )
    given = sa.text("arm <> ''")
    op.create_index("ix_events_arm", "events", ["arm"], sqlite_where=given, postgresql_where=given)
