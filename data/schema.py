"""The tables of the store, in words that SQLite and PostgreSQL share."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)
parted = MetaData(naming_convention=NAMES)
"""What PostgreSQL has besides, because it keeps events in parts."""

articles = Table(
    "articles",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("section", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("language", String(35), nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("image", Text, nullable=False),
    Column("sponsored", Boolean, nullable=False),
    Column("tone", String(16), nullable=False),
    Column("expires", BigInteger, nullable=False),
    # Decides whether an import changes anything.
    Column("digest", LargeBinary(16), nullable=False),
    # What a live service asks for is "everything after revision r".
    Column("revision", BigInteger, nullable=False),
    # A takedown keeps the row, so that a later import of the same file cannot undo it unseen.
    Column("withdrawn", BigInteger, nullable=True),
    Index("ix_articles_revision", "revision"),
    Index("ix_articles_site_published", "site", "published"),
    Index("ix_articles_published", "published"),
)

events = Table(
    "events",
    metadata,
    # The order of arrival, which is what a live service follows; ``at`` is the order of happening,
    # by which PostgreSQL parts the table by months: there the key is (seq, at).
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # Digest of the sender's id: 16 bytes for any length of id.
    Column("id", LargeBinary(16), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    # No foreign key: events may come before their article.
    Column("site", String(64), nullable=False),
    Column("key", String(512), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("visitor", String(128), nullable=False),
    Column("session", String(128), nullable=False),
    Column("seen_on", String(64), nullable=False),
    Column("dwell", Float, nullable=False),
    Column("slate", String(128), nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("context", Text, nullable=False),
    Column("propensity", Float, nullable=False, server_default=text("1")),
    Column("arm", String(128), nullable=False, server_default=text("''")),
    Column("source", String(64), nullable=False, server_default=text("''")),
    Column("bundle", String(128), nullable=False, server_default=text("''")),
    Column("placement", String(64), nullable=False, server_default=text("''")),
    # PostgreSQL has ``event_ids`` instead.
    Index("ix_events_id", "id", unique=True, info={"only": "sqlite"}),
    Index("ix_events_at", "at"),
    Index(
        "ix_events_visitor_at",
        "visitor",
        "at",
        sqlite_where=text("visitor <> ''"),
        postgresql_where=text("visitor <> ''"),
    ),
    Index(
        "ix_events_arm",
        "arm",
        sqlite_where=text("arm <> ''"),
        postgresql_where=text("arm <> ''"),
    ),
    # Click rates over time are asked of boxes, and most events happen outside of them.
    Index(
        "ix_events_slate_at",
        "at",
        sqlite_where=text("slate <> ''"),
        postgresql_where=text("slate <> ''"),
    ),
)

event_ids = Table(
    "event_ids",
    parted,
    # An id is unique over all parts of ``events``, and an index on a parted table cannot say that.
    Column("id", LargeBinary(16), primary_key=True),
    # To be forgotten together with its event.
    Column("at", BigInteger, nullable=False),
    # A few pages, as ids come roughly in order of time.
    Index("ix_event_ids_at", "at", postgresql_using="brin"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # The pseudonym stays, so that no import and no late beacon brings the reader back.
    Column("visitor", String(128), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_erasures_visitor", "visitor"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("sites", JSON, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger, nullable=True),
    Column("expires", BigInteger, nullable=True),
    # The secret before the last rotation, and when it stops being good.
    Column("previous", LargeBinary(32), nullable=True),
    Column("previous_until", BigInteger, nullable=True),
)

rules = Table(
    "rules",
    metadata,
    # The revision that it came with: short, and the order in which editors decided.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("action", String(16), nullable=False),
    Column("aim", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("site", String(64), nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("factor", Float, nullable=False),
    Column("tone", String(16), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    # The only three that are ever written later: what was decided stays as it was.
    Column("undone", BigInteger, nullable=False, server_default=text("0")),
    Column("undone_by", Text, nullable=False, server_default=text("''")),
    Column("undone_reason", Text, nullable=False, server_default=text("''")),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("key", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("request", String(64), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    # Of the cookie's token, which only the browser has.
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key", String(16), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    # What only one may do at a time, such as ``job.retrain``.
    Column("name", String(64), primary_key=True),
    # One turn of one process; whoever takes a lapsed lease over writes another.
    Column("holder", String(64), nullable=False),
    # UTC milliseconds of the database's clock, where it has one: machines' clocks differ.
    Column("until", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job", String(32), nullable=False),
    # Host and process, to find its log.
    Column("place", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    # 0 while it runs, and for ever where it was killed.
    Column("ended", BigInteger, nullable=False, server_default=text("0")),
    # running, done, held (a gate said no), failed, killed, stopped (told to), skipped
    Column("status", String(16), nullable=False),
    # One sentence for people: what was done, or why not.
    Column("summary", Text, nullable=False, server_default=text("''")),
    # Figures for programs, such as a verdict.
    Column("detail", JSON, nullable=False),
    Index("ix_runs_job_started", "job", "started"),
)

clocks = Table(
    "clocks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""The last revision and seqs given out. A writer holds its row until it commits, so that numbers
become visible in their order and a follower never misses one; a database sequence does not."""
