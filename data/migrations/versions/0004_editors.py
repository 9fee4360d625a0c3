"""What editors need: their rules, who did what, sessions; and of which card an event tells."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    none = sa.text("''")
    for name, length in (("source", 64), ("bundle", 128), ("placement", 64)):
        op.add_column(
            "events", sa.Column(name, sa.String(length), nullable=False, server_default=none)
        )
    given = sa.text("slate <> ''")
    op.create_index(
        "ix_events_slate_at", "events", ["at"], sqlite_where=given, postgresql_where=given
    )
    op.add_column("api_keys", sa.Column("expires", sa.BigInteger, nullable=True))
    op.add_column("api_keys", sa.Column("previous", sa.LargeBinary(32), nullable=True))
    op.add_column("api_keys", sa.Column("previous_until", sa.BigInteger, nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "rules",
        sa.Column("id", number, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("aim", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("factor", sa.Float, nullable=False),
        sa.Column("tone", sa.String(16), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("undone", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("undone_by", sa.Text, nullable=False, server_default=none),
        sa.Column("undone_reason", sa.Text, nullable=False, server_default=none),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", number, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    clocks = sa.table("clocks", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(
        clocks, [{"name": "rule_revision", "value": 0}, {"name": "audit_seq", "value": 0}]
    )
