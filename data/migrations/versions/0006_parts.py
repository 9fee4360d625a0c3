"""What a database server needs: events in parts by time, and an index on when articles appear."""

import time

import sqlalchemy as sa
from alembic import op

from data import partitions

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_articles_published", "articles", ["published"])
    if op.get_bind().dialect.name == "postgresql":
        _part_events(op.get_bind())


def _part_events(connection: sa.Connection) -> None:
    # Numbers come from ``clocks``, so nothing may draw them from a sequence by mistake.
    for table, column in (
        ("events", "seq"),
        ("erasures", "seq"),
        ("rules", "id"),
        ("audit", "seq"),
    ):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")
        op.execute(f"DROP SEQUENCE {table}_{column}_seq")
    op.execute("ALTER TABLE events RENAME TO events_whole")
    op.execute("ALTER TABLE events_whole DROP CONSTRAINT pk_events")
    for name in ("id", "at", "visitor_at", "arm", "slate_at"):
        op.execute(f"DROP INDEX ix_events_{name}")
    op.execute("CREATE TABLE events (LIKE events_whole INCLUDING ALL) PARTITION BY RANGE (at)")
    op.execute("ALTER TABLE events ADD CONSTRAINT pk_events PRIMARY KEY (seq, at)")
    op.create_index("ix_events_at", "events", ["at"])
    for name, columns, given in (
        ("visitor_at", ["visitor", "at"], "visitor <> ''"),
        ("arm", ["arm"], "arm <> ''"),
        ("slate_at", ["at"], "slate <> ''"),
    ):
        op.create_index(f"ix_events_{name}", "events", columns, postgresql_where=sa.text(given))
    op.create_table(
        "event_ids",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    days = connection.execute(sa.text("SELECT DISTINCT at / 86400 * 86400 FROM events_whole"))
    partitions.ensure(connection, list(days.scalars()), int(time.time()))
    op.execute("INSERT INTO event_ids SELECT id, at FROM events_whole ORDER BY seq")
    op.execute("INSERT INTO events SELECT * FROM events_whole ORDER BY seq")
    op.execute("DROP TABLE events_whole")
    # Filled first, as that is faster.
    op.create_primary_key("pk_event_ids", "event_ids", ["id"])
    op.create_index("ix_event_ids_at", "event_ids", ["at"], postgresql_using="brin")
    op.execute("ANALYZE events, event_ids")
