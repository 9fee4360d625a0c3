"""The first schema: articles, events and the clocks that number them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "articles",
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("key", sa.String(512), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("section", sa.Text, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("authors", sa.JSON, nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("sponsored", sa.Boolean, nullable=False),
        sa.Column("tone", sa.String(16), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("site", "key", name="pk_articles"),
    )
    op.create_index("ix_articles_revision", "articles", ["revision"])
    op.create_index("ix_articles_site_published", "articles", ["site", "published"])
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("key", sa.String(512), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("visitor", sa.String(128), nullable=False),
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("seen_on", sa.String(64), nullable=False),
        sa.Column("dwell", sa.Float, nullable=False),
        sa.Column("slate", sa.String(128), nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_index("ix_events_id", "events", ["id"], unique=True)
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index(
        "ix_events_visitor_at",
        "events",
        ["visitor", "at"],
        sqlite_where=sa.text("visitor <> ''"),
        postgresql_where=sa.text("visitor <> ''"),
    )
    op.create_table(
        "clocks",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_clocks"),
    )
    clocks = sa.table("clocks", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(
        clocks, [{"name": "article_revision", "value": 0}, {"name": "event_seq", "value": 0}]
    )
