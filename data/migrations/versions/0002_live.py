"""What a live service needs: propensities, readers to be forgotten, keys of those who write."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "events", sa.Column("propensity", sa.Float, nullable=False, server_default=sa.text("1"))
    )
    op.create_table(
        "erasures",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("visitor", sa.String(128), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_erasures"),
    )
    op.create_index("ix_erasures_visitor", "erasures", ["visitor"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("sites", sa.JSON, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    clocks = sa.table("clocks", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(clocks, [{"name": "erasure_seq", "value": 0}])
